"""Private servers come back after a kill, on the same port."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from scripts.services import Postgres, ServiceError, new_folder, start_postgres, start_redis
from scripts.services.server import program


@pytest.fixture
def folder() -> Iterator[Path]:
    made = new_folder("services")
    yield made
    shutil.rmtree(made)


@pytest.mark.redis
def test_redis_comes_back_empty(folder: Path) -> None:
    server = start_redis(folder / "redis")
    client = redis.Redis.from_url(server.url)
    client.set("a", "1")

    server.kill()
    assert server.running is False
    server.start()

    assert client.get("a") is None
    server.stop()
    assert server.running is False


@pytest.mark.kill
def test_postgres_keeps_committed_rows(folder: Path) -> None:
    server = start_postgres(folder / "postgres")
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")

    server.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url)
    server.start()

    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    server.stop()


@pytest.mark.kill
def test_server_is_found_by_its_folder(folder: Path) -> None:
    started = start_postgres(folder / "postgres")

    found = Postgres(folder / "postgres", started.port)
    assert (found.pid, found.running) == (started.pid, True)
    found.stop()

    assert started.running is False


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ServiceError, match=r"^no-such-server is not installed$"):
        program("no-such-server")
