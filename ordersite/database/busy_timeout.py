"""Shortens SQLite's busy timeout for a block that must not wait as long as usual for the one writer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def busy_timeout(milliseconds: int) -> Iterator[None]:
    """Wait at most so long for SQLite's write lock inside the block; other databases are left alone."""
    if connection.vendor != "sqlite":
        yield
        return
    usual = int(connection.settings_dict["OPTIONS"].get("timeout", 5) * 1000)
    _set(milliseconds)
    try:
        yield
    finally:
        _set(usual)


def _set(milliseconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {milliseconds}")
