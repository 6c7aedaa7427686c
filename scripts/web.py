"""The web command, `deploy/web.sh`, as tests and benchmarks start it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

WEB = Path(__file__).resolve().parent.parent / "deploy" / "web.sh"


def place(port: int, *, workers: int = 1) -> dict[str, str]:
    """The variables by which it listens on this port of the loopback, with the programs of this environment."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {"PATH": path, "BIND": "127.0.0.1", "PORT": str(port), "WEB_WORKERS": str(workers)}
