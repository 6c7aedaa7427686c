"""The `.env` beside manage.py: made with random keys when there is none."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def new_values() -> dict[str, str]:
    """Fresh keys for every secret that the start requires."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    return {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "FIELD_ENCRYPTION_KEYS": f"k{secrets.token_hex(3)}:{key}",
        "METRICS_TOKEN": secrets.token_urlsafe(24),
    }


def ensure(path: Path = ROOT / ".env") -> bool:
    """Write the file, readable by its owner only. True when it was made now; one that is there stays."""
    lines = [
        "# .env.example explains the names. Losing these keys loses the stored secrets.",
        *(f"{name}={value}" for name, value in new_values().items()),
    ]
    return write_new(path, "\n".join([*lines, ""]))


def write_new(path: Path, text: str) -> bool:
    """Make a file that its owner alone can read. False where there is one already. Raises OSError."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return True


def example_with(values: Mapping[str, str]) -> str:
    """`.env.example` with these values in their lines. Raises KeyError for a name that it does not explain."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    places = {line.partition("=")[0]: number for number, line in enumerate(lines) if line[:1].isupper()}
    for name, value in values.items():
        lines[places[name]] = f"{name}={value}"
    return "\n".join([*lines, ""])


def names() -> list[str]:
    """Every variable that `.env.example` explains."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[0] for line in lines if line and not line.startswith("#")]
