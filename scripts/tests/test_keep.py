"""The keeper: a crash is mended, a request to end is passed on, nobody is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.env_file import ROOT
from scripts.processes import is_alive, kill_family, wait_until

PROGRAM = """
import os, sys, time
with open("pids", "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(60)
"""
DEAF = "import signal, os; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork()\n" + PROGRAM


def keep(folder: Path, *, program: str = PROGRAM, watched: str = "") -> subprocess.Popen[str]:
    """A keeper around a program that writes its number into the file `pids` and sleeps."""
    (folder / "program.py").write_text(program)
    (folder / "Procfile").write_text(f"sleeper: {sys.executable} program.py\n")
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.keep", "sleeper"],
        cwd=folder,
        env={**os.environ, "SUPERVISORS": watched, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def numbers(folder: Path) -> list[int]:
    log = folder / "pids"
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def test_killed_program_restarts(tmp_path: Path) -> None:
    keeper = keep(tmp_path)
    assert wait_until(lambda: len(numbers(tmp_path)) == 1, 10)

    os.kill(numbers(tmp_path)[0], signal.SIGKILL)
    assert wait_until(lambda: len(numbers(tmp_path)) == 2, 10)
    keeper.terminate()

    assert keeper.wait(10) == 0
    assert [is_alive(number) for number in numbers(tmp_path)] == [False, False]


def test_children_of_a_killed_program_end(tmp_path: Path) -> None:
    keeper = keep(tmp_path, program="import os; os.fork()\n" + PROGRAM)
    assert wait_until(lambda: len(numbers(tmp_path)) == 2, 10)
    first = numbers(tmp_path)

    os.kill(min(first), signal.SIGKILL)

    assert wait_until(lambda: not any(map(is_alive, first)), 5)
    keeper.terminate()
    assert keeper.wait(10) == 0


def test_program_ends_with_a_killed_supervisor(tmp_path: Path) -> None:
    supervisor = subprocess.Popen(["sleep", "60"])
    keeper = keep(tmp_path, watched=str(supervisor.pid))
    assert wait_until(lambda: len(numbers(tmp_path)) == 1, 10)

    supervisor.kill()
    supervisor.wait()

    assert keeper.wait(10) == 0
    assert not is_alive(numbers(tmp_path)[0])


def test_program_ends_with_its_killed_parent(tmp_path: Path) -> None:
    keeper = keep(tmp_path)
    assert wait_until(lambda: len(numbers(tmp_path)) == 1, 10)

    keeper.kill()

    assert wait_until(lambda: not is_alive(numbers(tmp_path)[0]), 5)


def test_program_ignoring_sigterm_is_killed(tmp_path: Path) -> None:
    keeper = keep(tmp_path, program=DEAF)
    assert wait_until(lambda: len(numbers(tmp_path)) == 2, 10)

    started = time.monotonic()
    keeper.terminate()

    assert keeper.wait(15) == 0
    assert 3.5 < time.monotonic() - started < 10
    assert wait_until(lambda: not any(map(is_alive, numbers(tmp_path))), 5)


def test_a_program_that_cannot_start_is_given_up(tmp_path: Path) -> None:
    keeper = keep(tmp_path, program="raise SystemExit(3)")

    output, _ = keeper.communicate(timeout=60)

    assert keeper.returncode == 1
    assert output.splitlines()[0] == "sleeper ended with status 3; starting it again"
    assert output.splitlines()[-1] == "sleeper ended 4 times right after its start; giving up"


def test_a_family_dies_as_a_whole() -> None:
    parent = subprocess.Popen(["sh", "-c", "sleep 60 & sleep 60 & wait"])
    try:
        kill_family(parent.pid)
        assert parent.wait(5) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        pytest.fail("the family outlived its killing")


def test_files_of_programs_are_their_owners_alone(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        keeper = keep(tmp_path)
        assert wait_until(lambda: len(numbers(tmp_path)) == 1, 10)
        keeper.terminate()
        assert keeper.wait(10) == 0
    finally:
        os.umask(umask)
    assert (tmp_path / "pids").stat().st_mode & 0o777 == 0o600
