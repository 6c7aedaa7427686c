"""Reads the JSON file that a command was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from ordersite.lib.strict_json import loads_object

MOST_BYTES = 64 * 1024


def read_json_argument(name: str) -> dict[str, Any]:
    """Return the JSON object in a file, or of standard input for `-`. Raises `CommandError`, which names the file."""
    path = Path("/dev/stdin" if name == "-" else name)
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise CommandError(f"{name}: more than {MOST_BYTES // 1024} KiB")
        return loads_object(raw)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CommandError(f"{name}: {error}") from error
