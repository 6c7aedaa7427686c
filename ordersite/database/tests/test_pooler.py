"""Through PgBouncer in transaction mode: orders are created and paid, time limits hold; without them nothing starts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest
from django.db import OperationalError, connection, connections

from orders import clients
from orders.history.verify import verify_history
from orders.models import Order
from orders.tests.calls import order_body
from orders.tests.web import at_once, database_url, environment, web_server
from ordersite import settings as project
from ordersite.database import prepared, server_defaults
from ordersite.health import probes
from ordersite.tests.deployment.shop import provide_pgbouncer
from ordersite.tests.site import BIN, eventually
from payments.tests import builders as build
from scripts import packages
from scripts.env_file import ROOT
from scripts.processes import free_port, kill_family
from scripts.services import PgBouncer, new_folder, start_pgbouncer
from scripts.services.server import program
from scripts.web import WEB, place

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
CLIENTS, ORDERS_EACH = 12, 3
SERVES = {
    "web": [str(WEB)],
    "worker": [str(BIN / "celery"), "-A", "ordersite", "worker", "--without-mingle"],
    "clock": [sys.executable, "manage.py", "work", "--standby"],
}


@pytest.fixture
def folder() -> Iterator[Path]:
    try:
        provide_pgbouncer()
    except packages.NotAllowed as reason:
        pytest.skip(f"needs PgBouncer: {reason}")
    made = new_folder("pool")
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def pooler(folder: Path) -> Iterator[PgBouncer]:
    """All connections of the test, its threads and the processes that it starts go through it."""
    server = start_pgbouncer(folder / "pgbouncer", database_url())
    place = connection.settings_dict
    direct = {name: place[name] for name in ("HOST", "PORT")}
    connections.close_all()
    place |= {"HOST": "127.0.0.1", "PORT": str(server.port)}
    yield server
    connections.close_all()
    place |= direct
    server.stop()


@pytest.fixture
def bare_pooler(folder: Path) -> Iterator[PgBouncer]:
    """The usual way round a refusal, before a database that nobody has migrated: no time limit is in force."""
    direct = database_url()
    with psycopg.connect(direct, autocommit=True) as server:
        server.execute("CREATE DATABASE without_limits")
    bare = direct.rpartition("/")[0] + "/without_limits"
    pooler = start_pgbouncer(folder / "pgbouncer", bare, {"ignore_startup_parameters": "options"})
    yield pooler
    pooler.stop()
    with psycopg.connect(direct, autocommit=True) as server:
        server.execute("DROP DATABASE without_limits WITH (FORCE)")


def shown(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return str(cursor.fetchone()[0])


def sleep() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")


def test_time_limits_are_in_force(pooler: PgBouncer) -> None:
    assert pooler.url == database_url()
    assert {name: shown(name) for name in server_defaults.TIME_LIMITS} == {
        "lock_timeout": "5s",
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "1min",
    }
    with pytest.raises(OperationalError, match="statement timeout"), server_defaults.statement_time("20ms"):
        sleep()
    assert at_once([lambda: shown("statement_timeout")] * 8) == ["30s"] * 8


def test_pooler_is_noticed(pooler: PgBouncer) -> None:
    connection.ensure_connection()
    assert prepared.is_pooled(connection.connection)
    with psycopg.connect(pooler.before) as direct:
        assert not prepared.is_pooled(direct)


@pytest.mark.serial
def test_orders_are_created_and_paid(pooler: PgBouncer, tmp_path: Path) -> None:
    """Two web processes of eight threads and a third one that applies, on four connections of the server."""
    account = build.build_webhook()
    _client, token = clients.add_client(account.merchant, name="t", scopes=["orders:read", "orders:write"])
    work = subprocess.Popen(
        [sys.executable, "manage.py", "work", "--drainers", "2"],
        cwd=ROOT, env={**environment(), "VAR_DIR": str(tmp_path)}, start_new_session=True,
    )  # fmt: skip
    try:
        with web_server() as url:

            def buy() -> list[int]:
                with httpx2.Client(base_url=url, timeout=30) as shop:
                    return [_buy(shop, token, account) for _ in range(ORDERS_EACH)]

            statuses = at_once([buy] * CLIENTS)
        assert statuses == [[204] * ORDERS_EACH] * CLIENTS
        paid = Order.objects.filter(status__in=("paid", "confirmed", "shipping"))
        assert eventually(lambda: paid.count() == CLIENTS * ORDERS_EACH, 30, 0.2)
    finally:
        kill_family(work.pid)
        work.wait(10)
    assert Order.objects.count() == CLIENTS * ORDERS_EACH
    verify_history()


def _buy(shop: httpx2.Client, token: str, account: object) -> int:
    """Create an order over HTTP and send its provider's webhook; the status that this is answered."""
    key = {"authorization": f"Bearer {token}", "idempotency-key": os.urandom(8).hex()}
    made = shop.post("/api/v1/orders/", json=order_body(), headers=key)
    assert made.status_code == 201, made.text
    order = Order.objects.get(number=made.json()["number"])
    body, headers = build.webhook_call(build.build_payment(account, order=order))  # type: ignore[arg-type]
    call = shop.post("/notify/webhook/demo-webhook/", content=body, headers=headers)
    return call.status_code


def started(name: str, **variables: str) -> tuple[int | None, str]:
    """Start this process; its exit status (None: it runs after all) and what it said."""
    process = subprocess.Popen(
        SERVES[name], cwd=ROOT, env={**environment(), **variables}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        said = process.communicate(timeout=30)[0]
    except subprocess.TimeoutExpired:
        kill_family(process.pid)
        return None, process.communicate()[0]
    return process.returncode, said


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.serial if name == "clock" else pytest.mark.long)
        for name in SERVES
    ],
)
def test_start_without_time_limits_is_refused(name: str, bare_pooler: PgBouncer, tmp_path: Path) -> None:
    status, said = started(
        name, DATABASE_URL=bare_pooler.url, CELERY_BROKER_URL="", VAR_DIR=str(tmp_path), **place(free_port())
    )
    assert status not in (None, 0), said
    reasons = [line for line in said.splitlines() if line.startswith("ordersite cannot start: ")]
    assert len(set(reasons)) == 1  # each of the two web processes that try says it
    assert "without idle_in_transaction_session_timeout, lock_timeout, statement_timeout" in reasons[0]
    assert "ALTER ROLE" in reasons[0]
    assert "Traceback" not in said


@pytest.mark.serial
def test_prepared_statements_that_the_pooler_breaks_are_refused(pooler: PgBouncer, tmp_path: Path) -> None:
    version = subprocess.run([program("pgbouncer"), "--version"], capture_output=True, text=True, check=True)
    number = tuple(map(int, version.stdout.split()[1].split(".")[:2]))
    if number >= (1, 21):
        pytest.skip("this PgBouncer knows prepared statements")
    status, said = started(
        "clock", DATABASE_PREPARED_STATEMENTS="on", CELERY_BROKER_URL="", VAR_DIR=str(tmp_path)
    )
    assert (status, said.count("DATABASE_PREPARED_STATEMENTS must not be on")) == (2, 1), said


def test_address_keeps_its_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    """TLS that an address demands is demanded; what only a direct connection would take is refused."""
    options = project._database("postgres://a:b@h/n?sslmode=verify-full&connect_timeout=9")["OPTIONS"]
    assert (options["sslmode"], options["connect_timeout"], options["keepalives_idle"]) == (
        "verify-full",
        9,
        5,
    )
    with pytest.raises(SystemExit):
        project._database("postgres://a:b@h/n?options=-c%20lock_timeout%3D0")
    assert "DATABASE_URL must not name options" in capsys.readouterr().err


def test_readiness_names_missing_limits() -> None:
    user, name = connection.settings_dict["USER"], connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER ROLE "{user}" IN DATABASE "{name}" SET lock_timeout = 0')
    try:
        connection.close()
        assert server_defaults.missing() == ["lock_timeout"]
        assert dict(probes.check_all())["time_limits"] == "down"
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'ALTER ROLE "{user}" IN DATABASE "{name}" RESET lock_timeout')
        connection.close()
    assert server_defaults.missing() == []
    assert dict(probes.check_all())["time_limits"] == "ok"


# What lives in a connection of the server: a pooler hands it to somebody else.
IN_A_CONNECTION = re.compile(
    r"""pg_(try_)?advisory_(un)?lock(?!_xact)|["';]\s*(UN)?LISTEN\s|CREATE\s+(LOCAL\s+|UNLOGGED\s+)?TEMP|WITH\s+HOLD"""
    r"""|(execute\(\s*f?["']|;)\s*(SET\s+(?!LOCAL)|RESET\s|PREPARE\s|DISCARD\s)"""
    r"""|set_config\([^"]*,\s*false\s*\)|\.cursor\(name"""
)


def test_nothing_of_ours_lives_in_a_connection() -> None:
    sources = [
        path
        for top in ("ordersite", "orders", "payments", "logistics")
        for path in (ROOT / top).rglob("*.py")
        if not {"tests", "migrations"} & set(path.parts)
    ]
    found = {path.name for path in sources if IN_A_CONNECTION.search(path.read_text(encoding="utf-8"))}
    assert found == set()
    assert IN_A_CONNECTION.search("execute(\"SELECT set_config('statement_timeout', %s, false)\")")
    assert IN_A_CONNECTION.search('execute("SET statement_timeout = 0")')
    assert connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] is True
