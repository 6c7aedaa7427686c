"""Private PostgreSQL, Redis and RabbitMQ servers for tests, benchmarks and development.

Each lives in a folder and listens on a port of its own on loopback, lets everybody in, and leaves the servers
of the machine alone. Its number is in the folder, so another process may take it over by folder and port:

    redis = start_redis(new_folder("kill") / "redis")
    redis.kill()      # SIGKILL to the whole family, as the kernel would do it
    redis.start()     # again, same folder, same port
    redis.stop()

`python -m scripts.services up FOLDER --postgres PORT --redis PORT` and `down FOLDER` do the same
by hand. When root starts them, PostgreSQL and RabbitMQ run as the users that Debian's packages made for them.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from scripts.services.nginx import Nginx
from scripts.services.pgbouncer import PgBouncer
from scripts.services.postgres import DURABLE, QUICK, Postgres
from scripts.services.rabbitmq import RabbitMQ
from scripts.services.redis import Redis
from scripts.services.server import Server, ServiceError

__all__ = [
    "DURABLE",
    "KINDS",
    "QUICK",
    "Nginx",
    "PgBouncer",
    "Postgres",
    "RabbitMQ",
    "Redis",
    "Server",
    "ServiceError",
    "down",
    "new_folder",
    "start_pgbouncer",
    "start_postgres",
    "start_rabbitmq",
    "start_redis",
    "up",
    "write_description",
]


def start_postgres(folder: Path, port: int = 0, options: Mapping[str, str] = QUICK) -> Postgres:
    """`options` are settings of postgresql.conf: QUICK, or DURABLE where a commit must cost what it costs."""
    return _started(Postgres(folder, port, options))


def start_pgbouncer(folder: Path, before: str, options: Mapping[str, str] | None = None) -> PgBouncer:
    """`before` is the URL of a PostgreSQL server's database; `options` are settings of pgbouncer.ini."""
    return _started(PgBouncer(folder, before=before, options=options))


def start_redis(folder: Path, port: int = 0) -> Redis:
    return _started(Redis(folder, port))


def start_rabbitmq(folder: Path, port: int = 0) -> RabbitMQ:
    return _started(RabbitMQ(folder, port))


S = TypeVar("S", bound=Server)


def _started(server: S) -> S:
    server.start()
    return server


def new_folder(purpose: str) -> Path:
    """A fresh folder that the servers' own users can reach too; the caller, or the whole test run, removes it."""
    place = os.environ.get("SCRATCH_DIR", "/var/tmp")
    folder = Path(tempfile.mkdtemp(prefix=f"ordersite-{purpose}-", dir=place))
    folder.chmod(0o755)
    return folder


KINDS: dict[str, type[Server]] = {"postgres": Postgres, "redis": Redis, "rabbitmq": RabbitMQ}


def up(folder: Path, ports: Mapping[str, int]) -> list[Server]:
    """Start these kinds (0: any free port) below the folder and write `services.json` there."""
    servers = [KINDS[kind](folder / kind, port) for kind, port in ports.items()]
    for server in servers:
        server.start()
    write_description(folder / "services.json", servers)
    return servers


def down(folder: Path) -> None:
    for kind, facts in json.loads((folder / "services.json").read_text()).items():
        KINDS[kind](Path(facts["folder"]), facts["port"]).stop()


def write_description(path: Path, servers: list[Server]) -> None:
    kinds = {made: kind for kind, made in KINDS.items()}
    path.write_text(json.dumps({kinds[type(server)]: server.describe() for server in servers}, indent=2))
