"""Ten minutes of everything at once, as `make run` starts it and on servers: nothing is lost, doubled, locked or late.

`WORST_DAY_SECONDS=60` in the environment makes a shorter try of it.
"""

from __future__ import annotations

import math
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from statistics import median

import psycopg
import pytest

from ordersite.tests.site import Site, eventually, whole_site
from ordersite.tests.worst_day import STATEMENT_LINES, Query, WorstDay, live_through
from scripts.services import Server, new_folder, start_postgres, start_rabbitmq, start_redis

SECONDS = float(os.environ.get("WORST_DAY_SECONDS") or 600)
pytestmark = [pytest.mark.long, pytest.mark.timeout(SECONDS + 900)]

WORST_MS, PAID_WITHIN_SECONDS = 250, 5
PROGRAMS = ("web", "worker", "outside", "beat", "clock", "sandbox")
# The warehouse's shipping is no part of this; the sandbox is there for the buyers' queries.
EXTRA = {"SANDBOX_ERP_POLL_SECONDS": "86400"}


@pytest.fixture(params=["servers", "embedded"])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[Site, Query]]:
    """A site, and a way to read its database from outside."""
    folder = new_folder("worst")
    servers: dict[str, Server] = {}
    try:
        if request.param == "servers":
            servers["DATABASE_URL"] = start_postgres(folder / "postgres")
            servers["REDIS_URL"] = start_redis(folder / "redis")
            servers["CELERY_BROKER_URL"] = start_rabbitmq(folder / "rabbitmq")
        urls = {name: server.url for name, server in servers.items()}
        with whole_site(folder / "site", servers=urls, extra=EXTRA) as site:
            site.start_as_deployed(*PROGRAMS)
            site.wait_until_up()
            site.wait_for_sandbox()
            yield site, reader_of(site)
    finally:
        for server in servers.values():
            server.stop()


def reader_of(site: Site) -> Query:
    url = site.environment["DATABASE_URL"]

    def ask_postgres(sql: str) -> list[tuple[object, ...]]:
        with psycopg.connect(url) as connection:
            return connection.execute(sql.encode()).fetchall()

    def ask_sqlite(sql: str) -> list[tuple[object, ...]]:
        file = f"file:{site.environment['VAR_DIR']}/ordersite.sqlite3?mode=ro"
        with closing(sqlite3.connect(file, uri=True, timeout=30)) as connection:
            return connection.execute(sql).fetchall()

    return ask_postgres if url else ask_sqlite


def test_nothing_is_lost_doubled_locked_or_late(place: tuple[Site, Query]) -> None:
    site, ask = place

    day, statement = live_through(site, ask, SECONDS)

    sys.stderr.write(figures(day))
    check_nothing_lost_or_doubled(site, ask, day)
    assert statement["lines"] == STATEMENT_LINES
    assert (day.guesses[429] > 0, day.polls[200] > 0) == (True, True), figures(day)
    assert max(day.account.seconds_until_paid.values()) <= PAID_WITHIN_SECONDS, figures(day)
    assert day.account.p99 <= WORST_MS, figures(day)


def check_nothing_lost_or_doubled(site: Site, ask: Query, day: WorstDay) -> None:
    paid, account = sorted(day.account.paid), day.account
    assert eventually(lambda: not ask("SELECT 1 FROM payments_paymentnotification WHERE done_at IS NULL"), 60)

    orders = sorted(row[0] for row in ask("SELECT number FROM orders_order"))
    assert orders == sorted(account.orders)
    history = ask(
        "SELECT o.number FROM orders_orderevent e JOIN orders_order o ON o.id = e.order_id WHERE e.to_status = 'paid'"
    )
    assert sorted(row[0] for row in history) == paid
    taken = ask(
        "SELECT reference, outcome, count(*) FROM payments_paymentnotification WHERE verdict = 'verified' GROUP BY 1, 2"
    )
    assert sorted(taken) == sorted((reference, "applied", 1) for reference in account.references)
    assert sorted(account.seconds_until_paid) == paid

    # What the orders cost is what the attempts took.
    money = ask(
        "SELECT o.number, o.total_amount, sum(p.amount) FROM orders_order o JOIN payments_payment p ON p.order_id = o.id"
        " WHERE p.status = 'paid' AND NOT p.is_surplus GROUP BY 1, 2"
    )
    assert sorted(row[0] for row in money) == paid
    assert all(total == taken for _number, total, taken in money)
    assert ask("SELECT kind FROM payments_paymentexception WHERE payment_id IS NOT NULL") == []
    assert "The history is whole" in site.manage("verify_history")
    if site.environment["DATABASE_URL"]:
        assert ask("SELECT sum(deadlocks) FROM pg_stat_database") == [(0,)]


def figures(day: WorstDay) -> str:
    account = day.account
    waits = sorted(account.seconds_until_paid.values())
    return (
        f"{len(account.paid)} orders paid, at the latest after {waits[-1]:.2f} s"
        f" (p99 {waits[math.ceil(len(waits) * 0.99) - 1]:.2f} s);"
        f" {len(account.milliseconds)} notifications, p50 {median(account.milliseconds):.0f} ms, p99 {account.p99:.0f} ms,"
        f" slowest {max(account.milliseconds):.0f} ms; guesses {dict(day.guesses)}, polls {dict(day.polls)},"
        f" repeated {dict(account.troubles)}; load average {os.getloadavg()[2]:.1f} in 15 minutes"
    )
