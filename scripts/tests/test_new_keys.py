"""`python3 -m scripts.new_keys` in a fresh clone, before anything is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ordersite.lib.crypto import KeyRing
from ordersite.server.production import refuse_weak_keys
from scripts import env_file


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files of a clone that the command needs, and no others."""
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/__init__.py", "scripts/env_file.py", "scripts/new_keys.py", ".env.example"):
        shutil.copy(env_file.ROOT / name, tmp_path / name)
    return tmp_path


def new_keys(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Without installed packages (-S), and with a mask that would let others read."""
    return subprocess.run(
        ["/bin/sh", "-c", 'umask 000; exec "$@"', "sh", sys.executable, "-S", "-m", "scripts.new_keys", *arguments],
        cwd=place, capture_output=True, text=True, check=False,
    )  # fmt: skip


def values_of(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_writes_the_example_with_keys(clone: Path) -> None:
    done = new_keys(clone)

    assert done.returncode == 0, done.stderr
    assert "lose them" in done.stdout
    file = clone / ".env"
    assert file.stat().st_mode & 0o777 == 0o600
    values = values_of(file.read_text())
    assert sorted(values) == sorted(env_file.names())
    refuse_weak_keys(values["SECRET_KEY"], values["FIELD_ENCRYPTION_KEYS"])
    ring = KeyRing.parse(values["FIELD_ENCRYPTION_KEYS"])
    assert ring.open(ring.seal("secret", bound_to="here"), bound_to="here") == "secret"
    assert values["SECRET_KEY"] not in done.stdout


def test_never_overwrites(clone: Path) -> None:
    (clone / ".env").write_text("SECRET_KEY=mine\n")

    done = new_keys(clone)

    assert done.returncode == 1
    assert "stays as it is" in done.stderr
    assert (clone / ".env").read_text() == "SECRET_KEY=mine\n"


def test_prints_without_writing(clone: Path) -> None:
    done = new_keys(clone, "--print")

    assert sorted(values_of(done.stdout)) == ["FIELD_ENCRYPTION_KEYS", "METRICS_TOKEN", "SECRET_KEY"]
    assert not (clone / ".env").exists()


def test_names_the_file_that_cannot_be_written(clone: Path) -> None:
    done = new_keys(clone, "--file", "nowhere/.env")

    assert (done.returncode, done.stderr.strip()) == (
        1,
        "nowhere/.env cannot be written: No such file or directory",
    )
