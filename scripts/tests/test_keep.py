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
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(60)
"""


def keep(log: Path, *, program: str = PROGRAM, watched: str = "") -> subprocess.Popen[str]:
    """A keeper around a program that writes its number into `log` and sleeps."""
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.keep", sys.executable, "-c", program, str(log)],
        cwd=ROOT,
        env={**os.environ, "SUPERVISORS": watched},
        stdout=subprocess.PIPE,
        text=True,
    )


def numbers(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def test_a_killed_program_comes_back_and_ends_with_its_keeper(tmp_path: Path) -> None:
    log = tmp_path / "pids"
    keeper = keep(log)
    assert wait_until(lambda: len(numbers(log)) == 1, 10)

    os.kill(numbers(log)[0], signal.SIGKILL)
    assert wait_until(lambda: len(numbers(log)) == 2, 10)
    keeper.terminate()

    assert keeper.wait(10) == 0
    assert [is_alive(number) for number in numbers(log)] == [False, False]


def test_a_program_ends_when_the_supervisor_was_killed(tmp_path: Path) -> None:
    log = tmp_path / "pids"
    supervisor = subprocess.Popen(["sleep", "60"])
    keeper = keep(log, watched=str(supervisor.pid))
    assert wait_until(lambda: len(numbers(log)) == 1, 10)

    supervisor.kill()
    supervisor.wait()

    assert keeper.wait(10) == 0
    assert not is_alive(numbers(log)[0])


def test_a_deaf_program_is_killed_with_its_children(tmp_path: Path) -> None:
    log = tmp_path / "pids"
    deaf = "import signal, os; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork()\n" + PROGRAM
    keeper = keep(log, program=deaf)
    assert wait_until(lambda: len(numbers(log)) == 2, 10)

    started = time.monotonic()
    keeper.terminate()

    assert keeper.wait(15) == 0
    assert 3.5 < time.monotonic() - started < 10
    assert wait_until(lambda: not any(map(is_alive, numbers(log))), 5)


def test_a_program_that_cannot_start_is_given_up() -> None:
    keeper = keep(Path("/nonexistent/pids"))

    output, _ = keeper.communicate(timeout=60)

    assert keeper.returncode == 1
    assert output.splitlines()[-1].endswith("ended 4 times right after its start; giving up")


def test_a_family_dies_as_a_whole() -> None:
    parent = subprocess.Popen(["sh", "-c", "sleep 60 & sleep 60 & wait"])
    try:
        kill_family(parent.pid)
        assert parent.wait(5) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        pytest.fail("the family outlived its killing")
