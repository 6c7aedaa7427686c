"""Headless Chromium for tests: it reaches the ports that a test names on this machine, and no other address."""

from __future__ import annotations

import os
from typing import Any


def launch_options(*ports: int) -> dict[str, Any]:
    """Return what `chromium.launch` of Playwright takes."""
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    reached = ", ".join(f"MAP 127.0.0.1:{port} 127.0.0.1" for port in ports)
    confined = f"--host-resolver-rules={reached}, MAP * ~NOTFOUND"
    path = os.environ.get("TEST_CHROMIUM") or "/usr/bin/chromium"
    return {"executable_path": path, "args": [*quiet, confined]}
