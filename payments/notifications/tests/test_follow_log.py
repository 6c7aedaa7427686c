"""`read_access_log --follow` as a service: it waits for the log, survives its rotation, and ends when asked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orders.tests.web import environment
from payments.models import DeadCall
from payments.notifications.tests.test_access_log import line
from scripts.env_file import ROOT
from scripts.processes import kill_family, wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
PATIENCE = 30


@pytest.fixture
def follow() -> Iterator[Callable[[Path], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(log: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "manage.py", "read_access_log", str(log), "--follow"]
        started.append(subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for program in started:
        kill_family(program.pid)
        program.wait(10)


def has_kept(count: int) -> bool:
    return wait_until(lambda: DeadCall.objects.count() == count, PATIENCE)


def test_log_is_followed(tmp_path: Path, follow: Callable[[Path], subprocess.Popen[bytes]]) -> None:
    log = tmp_path / "ordersite.json.log"
    program = follow(log)

    log.write_text(line(1))
    assert has_kept(1)

    log.rename(tmp_path / "ordersite.json.log.1")
    log.touch()
    with (tmp_path / "ordersite.json.log.1").open("a") as file:
        file.write(line(2))
    assert has_kept(2)
    log.write_text(line(3))
    assert has_kept(3)

    program.terminate()
    assert program.wait(PATIENCE) == 0
