"""A real web server on the test database, and threads that start at the same moment."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db import connection, connections

from scripts.processes import free_port
from scripts.web import WEB, place


def database_url() -> str:
    """The URL of the test database, for another process."""
    found = connection.settings_dict
    user = f"{found['USER']}:{found['PASSWORD']}" if found["PASSWORD"] else found["USER"]
    return f"postgres://{user}@{found['HOST']}:{found['PORT']}/{found['NAME']}"


def environment() -> dict[str, str]:
    """The environment of a process on the test database."""
    return {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "ordersite.settings",
        "PYTHONPATH": str(settings.BASE_DIR),
    }


@contextlib.contextmanager
def web_server(*, threads: int = 8) -> Iterator[str]:
    """Run the web command with two workers; yields its address."""
    port = free_port()
    own = {**environment(), **place(port, workers=2), "WEB_THREADS": str(threads)}
    server = subprocess.Popen([WEB], cwd=settings.BASE_DIR, env=own)
    try:
        _wait_until_up(f"http://127.0.0.1:{port}/api/v1/")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def _wait_until_up(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the web server did not start")


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run each call in a thread, all released by one barrier; returns what each returned or raised, in order."""
    barrier = threading.Barrier(len(calls))
    outcomes: list[Any] = [None] * len(calls)

    def run(number: int) -> None:
        try:
            barrier.wait(30)
            outcomes[number] = calls[number]()
        except Exception as error:
            outcomes[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcomes
