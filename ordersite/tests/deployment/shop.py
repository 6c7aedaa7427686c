"""A deployment's servers, its programs, and an order that is paid through them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psycopg
import pytest

from orders.tests.calls import order_body
from ordersite.tests.deployment.programs import Program, Running
from ordersite.tests.site import eventually
from scripts import packages
from scripts.env_file import ROOT
from scripts.services import (
    PgBouncer,
    Postgres,
    RabbitMQ,
    Redis,
    ServiceError,
    new_folder,
    start_pgbouncer,
    start_postgres,
    start_rabbitmq,
    start_redis,
)
from scripts.services.server import program

POOL_SIZE = 8
PAID = ("paid", "confirmed", "shipping", "shipped")  # the warehouse may have heard of it already
SETUP = """
from orders import clients
from payments.tests import builders
account = builders.build_webhook()
print(clients.add_client(account.merchant, name="t", scopes=["orders:read", "orders:write"])[1])
"""
CALL = """
import json
from orders.models import Order
from payments.models import PaymentAccount
from payments.tests import builders
account, order = PaymentAccount.objects.get(), Order.objects.get(number={number!r})
body, headers = builders.webhook_call(builders.build_payment(account, order=order))
print(json.dumps([body.decode(), headers]))
"""


@dataclass(frozen=True, slots=True)
class DeploymentServers:
    """PostgreSQL, Redis and RabbitMQ of one deployment, and the folder that they live in."""

    folder: Path
    postgres: Postgres
    redis: Redis
    rabbitmq: RabbitMQ

    def made_ready(self, passwords: Mapping[str, str], *, broker_password: str) -> None:
        """As the images do it at their first start: roles.sql, a user of the broker; passwords are asked for."""
        subprocess.run(
            [program("psql"), "-v", "ON_ERROR_STOP=1", "-d", self.postgres.url, "-f", "deploy/roles.sql"],
            cwd=ROOT, env={"PATH": os.environ["PATH"], **passwords}, check=True, capture_output=True,
        )  # fmt: skip
        self.postgres.ask_passwords("ordersite", "ordersite_owner")
        self.rabbitmq.control("add_user", "ordersite", broker_password)
        self.rabbitmq.control("set_permissions", "ordersite", ".*", ".*", ".*")

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        url = f"{self.postgres.url.rpartition('/')[0]}/ordersite"
        with psycopg.connect(url) as connection:
            return connection.execute(sql).fetchall()


@contextlib.contextmanager
def own_servers() -> Iterator[DeploymentServers]:
    folder = new_folder("deploy")
    started: list[Postgres | Redis | RabbitMQ] = []
    try:
        started.append(postgres := start_postgres(folder / "postgres"))
        started.append(redis := start_redis(folder / "redis"))
        started.append(rabbitmq := start_rabbitmq(folder / "rabbitmq"))
        yield DeploymentServers(folder, postgres, redis, rabbitmq)
    except (ServiceError, packages.NotAllowed) as reason:
        if len(started) == 3:
            raise
        pytest.skip(f"needs PostgreSQL, Redis and RabbitMQ: {reason}")
    finally:
        for server in reversed(started):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def pooled(servers: DeploymentServers, role: str) -> Iterator[PgBouncer]:
    """PgBouncer before the servers' database. `role` is the beginning of an address: scheme, user and password."""
    try:
        provide_pgbouncer()
    except packages.NotAllowed as reason:
        pytest.skip(f"needs PgBouncer: {reason}")
    before = f"{role}@127.0.0.1:{servers.postgres.port}/ordersite"
    pooler = start_pgbouncer(servers.folder / "pgbouncer", before, {"default_pool_size": str(POOL_SIZE)})
    try:
        yield pooler
    finally:
        pooler.stop()


def provide_pgbouncer() -> None:
    """Install PgBouncer where it is missing. Raises NotAllowed."""
    try:
        program("pgbouncer")
    except ServiceError:
        packages.install("pgbouncer")


def shell(like: Program, code: str) -> str:
    """Run code with the variables of this program; the last line that it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
        cwd=ROOT, env=like.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip().splitlines()[-1]


def up(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/healthz", timeout=2).status_code == 200
    except httpx2.HTTPError:
        return False


def order_is_paid(web: str, notify: str, like: Program) -> bool:
    """Create an order at the web process, send its provider's webhook to the notify process, wait until it is paid."""
    key = {"authorization": f"Bearer {shell(like, SETUP)}", "idempotency-key": "k"}
    made = httpx2.post(f"{web}/api/v1/orders/", json=order_body(), headers=key, timeout=20)
    assert made.status_code == 201, made.text
    number = made.json()["number"]
    body, headers = json.loads(shell(like, CALL.format(number=number)))
    path = "/notify/webhook/demo-webhook/"
    assert httpx2.post(f"{notify}{path}", content=body, headers=headers, timeout=20).status_code == 204
    by_proxy = {"x-forwarded-proto": "https"}
    assert httpx2.get(f"{notify}/admin/", headers=by_proxy, timeout=20).status_code == 404
    address = f"{web}/api/v1/orders/{number}/"
    return eventually(
        lambda: httpx2.get(address, headers=key, timeout=20).json()["status"] in PAID,
        30,
    )


def check_deployment(
    servers: DeploymentServers, running: Running, web: str, notify: str, like: Program
) -> None:
    """Everything is up, each kind of process is seen at work, an order is paid, and nothing has ended meanwhile."""
    assert eventually(lambda: up(web) and up(notify), 60), running.said("web") + running.said("notify")
    assert order_is_paid(web, notify, like)
    seen = "SELECT count(*) FROM health_heartbeat WHERE task LIKE 'process.%'"
    assert eventually(lambda: servers.rows(seen) == [(4,)], 60), servers.rows(
        "SELECT * FROM health_heartbeat"
    )
    ready = httpx2.get(f"{web}/readyz", timeout=20).json()
    assert (ready["ready"], ready["degraded"]) == (True, [])
    assert running.ended() == []
    check_roles(servers)
    check_broker(servers)


def check_roles(servers: DeploymentServers) -> None:
    """Every connection of the product is the application's; the connections stay below the documented sum."""
    users = servers.rows(
        "SELECT usename, count(*) FROM pg_stat_activity WHERE datname = 'ordersite' AND pid <> pg_backend_pid() GROUP BY 1"
    )
    assert [user for user, _count in users] == ["ordersite"]
    assert int(str(users[0][1])) <= 80
    owners = servers.rows("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert owners == [("ordersite_owner",)]


def check_broker(servers: DeploymentServers) -> None:
    """What RabbitMQ 4 gives up is not used: transient queues that are not exclusive, limits for a whole channel."""
    columns = ("name", "durable", "exclusive", "type")
    listed = servers.rabbitmq.control("list_queues", "--no-table-headers", *columns)
    queues = [line.split("\t") for line in listed.splitlines()]
    assert {
        name: kind for name, _durable, _exclusive, kind in queues if name in ("ordersite", "outside")
    } == {
        "ordersite": "quorum",
        "outside": "quorum",
    }
    lasting = [queue for queue in queues if queue[2] != "true"]  # not of one connection alone
    assert [
        name for name, durable, _exclusive, kind in lasting if (durable, kind) != ("true", "quorum")
    ] == []
    channels = servers.rabbitmq.control("list_channels", "--no-table-headers", "global_prefetch_count")
    assert set(channels.split()) <= {"0"}
