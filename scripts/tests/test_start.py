"""`make run` says in one line why it cannot start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from scripts.env_file import ROOT
from scripts.start import keep_private


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.start"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_taken_port_is_named_and_nothing_runs(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = start(PORT=str(port), VAR_DIR=str(tmp_path / "var"))

    assert done.returncode == 1
    assert done.stderr == (
        f"ordersite cannot start: port {port} is taken; choose another one: make run PORT=...\n"
    )
    assert not (tmp_path / "var").exists()


def test_a_port_that_is_no_number_is_named() -> None:
    done = start(PORT="eight thousand")

    assert done.returncode == 2
    assert done.stderr == "ordersite cannot start: PORT must be a number, not 'eight thousand'\n"


def test_one_port_for_both_is_refused() -> None:
    done = start(PORT="18765", SANDBOX_PORT="18765", DATABASE_URL="")

    assert done.returncode == 1
    assert done.stderr == "ordersite cannot start: PORT and SANDBOX_PORT are the same\n"


def test_embedded_database_is_its_owners_alone(tmp_path: Path) -> None:
    environment = {**os.environ, "DATABASE_URL": "", "VAR_DIR": str(tmp_path / "var")}
    code = "from django.db import connection as c; c.ensure_connection()"
    subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", code],
        cwd=ROOT, env=environment, umask=0o022, check=True, capture_output=True,
    )  # fmt: skip
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert (modes["var"], modes["ordersite.sqlite3"]) == (0o700, 0o600)
    assert [name for name, mode in modes.items() if mode & 0o077] == []


def test_files_of_an_older_version_are_closed(tmp_path: Path) -> None:
    (tmp_path / "sandbox").mkdir(mode=0o755)
    (tmp_path / "ordersite.sqlite3").touch(0o644)
    keep_private(tmp_path)
    assert [path.stat().st_mode & 0o777 for path in sorted(tmp_path.iterdir())] == [0o600, 0o700]
