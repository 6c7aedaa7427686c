"""A new database's tables, made once for a test run: from the second database on they are copied, which takes seconds."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from scripts.services.server import program

Migrate = Callable[[], object]


def migrate_server(url: str, migrate: Migrate) -> None:
    """Migrate the new, empty database of a PostgreSQL server by `migrate`, which is called in any case."""
    kept = _kept("migrated.sql")
    if kept and kept.exists():
        fill(url)
    migrate()  # after a copy too: it writes the time limits, which are no part of one
    if kept and not kept.exists():
        half = kept.with_suffix(f".{os.getpid()}")
        subprocess.run(
            [program("pg_dump"), "--no-owner", "--no-privileges", "-f", str(half), url], check=True
        )
        half.rename(kept)


def fill(url: str) -> None:
    """Copy the tables into this new, empty database of a server, where this run has made them before."""
    kept = _kept("migrated.sql")
    if kept and kept.exists():
        command = [program("psql"), "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", str(kept), url]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def migrate_file(path: Path, migrate: Migrate) -> None:
    """Migrate a new SQLite file by `migrate`, which is called in any case."""
    kept = _kept("migrated.sqlite3")
    if kept and kept.exists():
        shutil.copyfile(kept, path)
    migrate()
    if kept and not kept.exists():
        half = kept.with_suffix(f".{os.getpid()}")
        shutil.copyfile(path, half)
        half.rename(kept)


def _kept(name: str) -> Path | None:
    """Where the copy lies: with what else this run leaves. None: this is no run of `make test`."""
    folder = os.environ.get("SCRATCH_DIR", "")
    return Path(folder) / name if folder else None
