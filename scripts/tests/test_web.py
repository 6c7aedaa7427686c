"""The web command: kept once, started by everything, and alive again after the kernel killed a worker."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.env_file import ROOT
from scripts.processes import family_of, free_port, is_alive, kill_family, send, wait_until
from scripts.tests.test_kept_out import is_in_image, tracked
from scripts.web import WEB, place

# An option of its command line: the word alone stands in notes and lists.
SPELLED = re.compile(r"--interface[\W\s]+rsgi|granian[\"', ]+--|-m[\"', ]+granian")
STARTERS = ("Procfile", "deploy/Dockerfile", "README.md", "README.zh-CN.md")
HEALTHZ = "ordersite.lib.tests.echo:application"


def test_no_other_place_spells_the_command() -> None:
    own = Path(__file__).relative_to(ROOT).as_posix()
    texts = {name: (ROOT / name).read_bytes().decode(errors="replace") for name in tracked() if name != own}
    assert [name for name, text in texts.items() if SPELLED.search(text)] == ["deploy/web.sh"]


@pytest.mark.parametrize("name", STARTERS)
def test_everything_starts_it(name: str) -> None:
    assert "deploy/web.sh" in (ROOT / name).read_text()


def test_image_has_it() -> None:
    assert is_in_image("deploy/web.sh")
    assert is_in_image("deploy/web-log.conf")
    assert os.access(WEB, os.X_OK)


@pytest.fixture
def arguments(tmp_path: Path) -> Path:
    """A copy of the script in a folder where granian is a program that prints its arguments."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(WEB, tmp_path / "deploy")
    program = tmp_path / ".venv/bin/granian"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    return tmp_path / "deploy/web.sh"


def shown(script: Path, **environment: str) -> str:
    return subprocess.run([script], env=environment, capture_output=True, text=True, check=True).stdout


def test_environment_wins_over_the_file(arguments: Path) -> None:
    assert "--host 127.0.0.1 --port 8000 --workers 2 " in shown(arguments)

    (arguments.parent.parent / ".env").write_text("# PORT=1\nBIND='0.0.0.0'\nPORT=8100\nWEB_WORKERS=\n")
    assert "--host 0.0.0.0 --port 8100 --workers 2 " in shown(arguments, BIND="")
    assert "--host 0.0.0.0 --port 8001 --workers 4 " in shown(arguments, PORT="8001", WEB_WORKERS="4")


@pytest.fixture
def server() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    program = subprocess.Popen([WEB, HEALTHZ], env={**os.environ, **place(port, workers=2)})
    try:
        yield program, f"http://127.0.0.1:{port}/"
    finally:
        kill_family(program.pid)
        program.wait(10)


def workers_of(program: subprocess.Popen[bytes]) -> set[int]:
    return {pid for pid in family_of(program.pid)[1:] if is_alive(pid)}


def is_answering(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


@pytest.mark.kill
def test_killed_worker_comes_back(server: tuple[subprocess.Popen[bytes], str]) -> None:
    program, url = server
    assert wait_until(lambda: is_answering(url), 30)
    first = workers_of(program)
    assert len(first) == 2

    killed = first.pop()
    send(killed, signal.SIGKILL)

    assert wait_until(lambda: not is_alive(killed), 5)
    assert wait_until(lambda: len(workers_of(program)) == 2, 30)
    assert killed not in workers_of(program)
    assert program.poll() is None
    assert wait_until(lambda: is_answering(url), 10)


@pytest.mark.kill
def test_server_speaks_json_too(tmp_path: Path) -> None:
    """Given LOG_FORMAT=json, what the server says of a killed worker is a line of JSON like all others."""
    port = free_port()
    variables = {**os.environ, **place(port, workers=1), "LOG_FORMAT": "json"}
    with (tmp_path / "log").open("wb") as log:
        program = subprocess.Popen([WEB, HEALTHZ], env=variables, stdout=log, stderr=subprocess.STDOUT)
    try:
        assert wait_until(lambda: is_answering(f"http://127.0.0.1:{port}/"), 30)
        send(workers_of(program).pop(), signal.SIGKILL)
        assert wait_until(lambda: (tmp_path / "log").stat().st_size > 0, 30)
    finally:
        kill_family(program.pid)
        program.wait(10)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {"time", "level", "logger", "message"} <= lines[0].keys()
    assert lines[0]["logger"] == "_granian"
