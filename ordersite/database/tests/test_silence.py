"""A database that is frozen, not refused: every wait ends, a slow statement of a live server does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from ordersite.database import silence
from ordersite.database.postgresql.base import PatientConnection
from scripts.processes import wait_until
from scripts.services import Server, new_folder, start_postgres

pytestmark = pytest.mark.kill


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = start_postgres(new_folder("silence") / "postgres")
    yield found
    found.thaw()
    found.stop()


def connected(server: Server) -> psycopg.Connection:
    return PatientConnection.connect(server.url, autocommit=True, connect_timeout=2)


def answers(server: Server) -> bool:
    try:
        with connected(server) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def seconds_until_refused(work: object) -> float:
    started = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        work()  # type: ignore[operator]
    return time.monotonic() - started


def test_waits_without_a_time_limit_end(server: Server) -> None:
    running, second = connected(server), connected(server)
    thread_seconds: list[float] = []
    thread = threading.Thread(
        target=lambda: thread_seconds.append(
            seconds_until_refused(lambda: running.execute("SELECT pg_sleep(60)"))
        )
    )
    thread.start()
    time.sleep(0.2)
    server.freeze()
    try:
        assert seconds_until_refused(lambda: second.execute("SELECT 1")) < 4
        assert seconds_until_refused(lambda: connected(server)) < 0.1, "known to be silent"
        thread.join(4)
        assert not thread.is_alive()
        assert (running.closed, second.closed) == (True, True)
    finally:
        server.thaw()
    assert wait_until(lambda: answers(server), 4)


def test_a_time_limit_includes_connecting(server: Server) -> None:
    server.freeze()
    try:
        with silence.time_limit(0.4):
            assert seconds_until_refused(lambda: connected(server)) < 0.6
    finally:
        server.thaw()
    assert wait_until(lambda: answers(server), 4)


def test_slow_statement_of_live_server_goes_on(server: Server) -> None:
    with connected(server) as connection:
        assert connection.execute("SELECT 1 FROM pg_sleep(3.2)").fetchone() == (1,)
