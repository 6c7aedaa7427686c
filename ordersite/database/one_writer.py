"""Leaves SQLite's one writer to others for a moment, between two transactions of a loop."""

from __future__ import annotations

import time

from django.db import connection

# SQLite gives its write lock to the first that tries: without a pause a loop starves the other writers (measured).
SQLITE_PAUSE_SECONDS = 0.02


def breathe() -> None:
    """Pause between two transactions. PostgreSQL needs no pause."""
    if connection.vendor == "sqlite":
        time.sleep(SQLITE_PAUSE_SECONDS)
