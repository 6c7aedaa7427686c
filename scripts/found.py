"""What the tests run against: the servers named in the environment, those of the machine, or private ones."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import amqp
import psycopg
import redis

from scripts import packages
from scripts.services import KINDS, Server, ServiceError
from scripts.services.server import program


class WrongServer(Exception):
    """A server that answers but is of no use to the tests; the text says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that tests need. `url` is empty when there is none; `text` says what it is, or why not."""

    kind: str
    url: str
    text: str
    started: Server | None = None

    @property
    def line(self) -> str:
        return f"{LABELS[self.kind]}: {self.text}"


LABELS = {
    "postgres": "PostgreSQL",
    "redis": "Redis",
    "amqp": "RabbitMQ",
    "browser": "Chromium",
    "nginx": "nginx",
}
VARIABLES = {"postgres": "TEST_DATABASE_URL", "redis": "TEST_REDIS_URL", "amqp": "TEST_AMQP_URL"}
USUAL = {
    "postgres": [
        "postgres://postgres@127.0.0.1:5432/postgres",
        "postgres://postgres:postgres@127.0.0.1:5432/postgres",
    ],
    "redis": ["redis://127.0.0.1:6379"],
    "amqp": ["amqp://guest:guest@127.0.0.1:5672//"],
}
PACKAGES = {"postgres": "postgresql", "redis": "redis-server", "amqp": "rabbitmq-server"}
PROGRAMS = {"postgres": "initdb", "redis": "redis-server", "amqp": "rabbitmq-server"}
SERVERS = {"postgres": KINDS["postgres"], "redis": KINDS["redis"], "amqp": KINDS["rabbitmq"]}


def _look_at_postgres(url: str) -> str:
    with psycopg.connect(url, connect_timeout=3, autocommit=True) as connection:
        version = connection.info.server_version
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    if version < 150000:
        raise WrongServer(f"version {version // 10000} is older than 15")
    if not row or not row[0]:
        raise WrongServer("its user is no superuser; the tests make databases and switch triggers off")
    return f"{version // 10000}.{version % 10000}"


def _look_at_redis(url: str) -> str:
    client: Any = redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3)
    try:
        if client.info("keyspace"):
            raise WrongServer("it holds somebody's keys; the tests empty what they use")
        return str(client.info("server")["redis_version"])
    finally:
        client.close()


def _look_at_amqp(url: str) -> str:
    parts = urlsplit(url)
    connection = amqp.Connection(
        host=f"{parts.hostname}:{parts.port or 5672}",
        userid=parts.username or "guest",
        password=parts.password or "guest",
        virtual_host=parts.path[1:] or "/",
        connect_timeout=3,
    )
    connection.connect()
    version = connection.server_properties.get("version", "")
    connection.close()
    return str(version)


LOOKS: dict[str, Callable[[str], str]] = {
    "postgres": _look_at_postgres,
    "redis": _look_at_redis,
    "amqp": _look_at_amqp,
}
REFUSALS = (WrongServer, OSError, psycopg.Error, redis.RedisError, amqp.AMQPError)


def find(kind: str, folder: Path) -> Found:
    """The server named in the environment, else one at its usual port, else a private one below `folder`."""
    if named := os.environ.get(VARIABLES[kind]):
        return _named(kind, named)
    for url in USUAL[kind]:
        try:
            return Found(kind, url, f"{LOOKS[kind](url)} at {_place(url)}")
        except REFUSALS:
            continue
    return _private(kind, folder)


def _named(kind: str, url: str) -> Found:
    try:
        return Found(kind, url, f"{LOOKS[kind](url)} at {_place(url)} ({VARIABLES[kind]})")
    except REFUSALS as problem:
        reason = " ".join(str(problem).split())
        return Found(kind, "", f"not usable at {_place(url)} ({VARIABLES[kind]}): {reason}")


def _private(kind: str, folder: Path) -> Found:
    try:
        _provide(PROGRAMS[kind], PACKAGES[kind])
        server = SERVERS[kind](folder / kind)
        server.start()
    except (packages.NotAllowed, ServiceError) as problem:
        return Found(kind, "", f"none: {problem}")
    return Found(kind, server.url, f"{LOOKS[kind](server.url)}, private, port {server.port}", server)


def _provide(needed: str, package: str) -> None:
    try:
        program(needed)
    except ServiceError:
        packages.install(package)


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}"


def find_browser() -> Found:
    """Chromium with a Chinese font; pages are looked at in Chinese."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    try:
        if not path:
            packages.install("chromium", "fonts-noto-cjk")
            path = shutil.which("chromium")
        elif not any(Path("/usr/share/fonts").rglob("NotoSansCJK*")):
            packages.install("fonts-noto-cjk")
    except packages.NotAllowed as problem:
        if not path:
            return Found("browser", "", f"none: {problem}")
        return Found("browser", path, f"{path}, without a Chinese font: {problem}")
    return Found("browser", path or "", path or "none")


def find_program(kind: str, name: str, package: str) -> Found:
    """A server program that tests start themselves; `url` is its path."""
    try:
        _provide(name, package)
        path = program(name)
    except (packages.NotAllowed, ServiceError) as problem:
        return Found(kind, "", f"none: {problem}")
    return Found(kind, path, path)
