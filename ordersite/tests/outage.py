"""A database that is stopped, frozen or locked while outside machines call, for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from django.db import connection, connections
from django.db.models import Model


class Shop:
    """A web process in small: it prints `ready`, then answers each line that it reads with status, body and seconds."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin
        assert process.stdout
        self.stdin: IO[str] = process.stdin
        self.stdout: IO[str] = process.stdout
        assert self.stdout.readline() == "ready\n"

    def post(self, number: int) -> tuple[int, str, float]:
        self.stdin.write(f"{number}\n")
        self.stdin.flush()
        status, body, seconds = json.loads(self.stdout.readline())
        return status, body, seconds


@contextmanager
def shop_on(url: str, script: str, **env: str) -> Iterator[Shop]:
    """Run a script as the web process of the database at `url`."""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "DATABASE_URL": url, "LOG_LEVEL": "ERROR", **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Shop(process)
    finally:
        process.kill()
        process.communicate()


def hold_lock(model: type[Model], locked: threading.Event, free: threading.Event) -> None:
    """Lock a model's table until `free` is set; meant for a thread."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"BEGIN; LOCK TABLE {model._meta.db_table} IN ACCESS EXCLUSIVE MODE")
            locked.set()
            free.wait(30)
            cursor.execute("ROLLBACK")
    finally:
        connections.close_all()
