"""No page reads a big table whole: every statement of a walk over all pages is explained where the tables are filled."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext

from logistics.models import Shipment
from orders.models import Order, OrderEvent, OrderLine
from ordersite.tests.access import build_world, routes
from ordersite.tests.test_access import knock
from payments.models import Payment, PaymentNotification, StatementLine
from payments.provider_calls.throttle import waits_of

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
_NEXT = "(SELECT max(id) FROM orders_order) + 1 - g"
# What must differ from row to row, and what makes a row one of finished business.
COPIES: dict[type[Model], dict[str, str]] = {
    Order: {
        "number": "'N' || g", "tracking_token": "'K' || g", "product_set": "md5(g::text)", "status": "'completed'",
        "history_seq": "1", "completed_at": "now()",
    },
    OrderLine: {"order_id": _NEXT},
    OrderEvent: {"order_id": _NEXT, "seq": "1000 + g"},
    Payment: {
        "reference": "'R' || g", "provider_reference": "'P' || g", "order_id": _NEXT, "status": "'paid'",
        "paid_at": "now()", "next_query_at": "NULL",
    },
    PaymentNotification: {"event_id": "'E' || g", "reference": "'R' || g", "outcome": "'applied'", "done_at": "now()"},
    StatementLine: {
        "identity": "gen_random_uuid()", "reference": "'R' || g", "provider_reference": "'P' || g", "result": "'matched'",
    },
    Shipment: {"order_id": _NEXT, "tracking_number": "'T' || g"},
}  # fmt: skip
BIG = frozenset(model._meta.db_table for model in COPIES)


def multiply(model: type[Model], changes: dict[str, str], rows: int) -> None:
    """Insert that many copies of the newest row; `changes` are SQL by column, `g` is the number of the copy."""
    table = model._meta.db_table
    columns = [str(field.column) for field in model._meta.concrete_fields if not field.primary_key]
    names = ", ".join(f'"{column}"' for column in columns)
    values = ", ".join(changes.get(column, f'"{column}"') for column in columns)
    newest = model._default_manager.order_by("-pk").values_list("pk", flat=True)[0]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM {table}, generate_series(1, {rows}) g"
            f" WHERE id = {newest}"
        )
        cursor.execute(f"ANALYZE {table}")


def walk(client: Client, values: dict[str, str]) -> list[str]:
    """The statements that the pages run, one of each shape."""
    shapes: dict[str, str] = {}
    for route in routes():
        with CaptureQueriesContext(connection) as seen:
            knock(client, "GET", route.path(values))
        for query in seen.captured_queries:
            shapes.setdefault(re.sub(r"'[^']*'|\b\d+\b", "?", query["sql"]), query["sql"])
    return [sql for sql in shapes.values() if re.match(r"\s*(SELECT|WITH)\b", sql)]


def plan_of(sql: str) -> Any:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql.replace('%', '%%')}")
        plan = cursor.fetchone()[0]
        transaction.set_rollback(True)
    return (json.loads(plan) if isinstance(plan, str) else plan)[0]


def whole(node: Any, *, is_limited: bool = False) -> Iterator[str]:
    """The big tables that a plan reads from end to end. The first rows of a limited list are no such thing."""
    limited = is_limited or node["Node Type"] == "Limit"
    if (
        node["Node Type"] == "Seq Scan"
        and node["Relation Name"] in BIG
        and not (limited and "Filter" not in node)
    ):
        yield node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from whole(child, is_limited=limited and node["Node Type"] not in {"Sort", "Aggregate", "Hash"})


def faults(statements: list[str]) -> list[str]:
    return [
        f"{', '.join(sorted(set(tables)))}: {sql[:400]}"
        for sql in statements
        if (tables := list(whole(plan_of(sql)["Plan"])))
    ]


@pytest.fixture
def root(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("walker"))
    return client


def fill(rows: int) -> dict[str, str]:
    values = build_world()
    for model, changes in COPIES.items():
        multiply(model, changes, rows)
    return values


def test_pages_use_indexes(root: Client) -> None:
    statements = walk(root, fill(12_000))
    with CaptureQueriesContext(connection) as seen:
        assert waits_of([Payment.objects.latest("pk").account_id])
    statements += [query["sql"] for query in seen.captured_queries]
    assert len(statements) > 150
    assert {table for table in BIG if not any(f'"{table}"' in sql for sql in statements)} == set()
    assert faults(statements) == []
    # The check sees what it looks for.
    assert len(faults(["SELECT id FROM payments_payment WHERE last_answer = 'x'"])) == 1
