"""No statement of a hot path reads a big table whole: each is explained on a filled one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.rows import fill
from orders import about, closing
from orders.models import Order
from orders.tests.calls import build_caller, order_body, post_json, post_order

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
ORDERS = 12_000
BIG = {"orders_order", "orders_orderline", "orders_orderevent", "orders_buyer"}


@pytest.fixture
def filled() -> Any:
    """A caller in a shop of 12,000 orders, 200 of them overdue."""
    merchant = fill.build_shop(buyers=5_000)
    fill.build_orders(merchant, 1, ORDERS)
    fill.build_orders(merchant, ORDERS + 1, ORDERS + 200, status=fill.PENDING)
    fill.build_lines_and_history()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("SET LOCAL statement_timeout = '30s'")
    return build_caller(merchant.slug)


def _scans(work: Callable[[], object]) -> list[str]:
    """The big tables that a statement of this work reads whole, with the statement."""
    with CaptureQueriesContext(connection) as queries:
        work()
    found = []
    for sql in {query["sql"] for query in queries if re.match(r"\s*(SELECT|UPDATE|WITH)", query["sql"])}:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
            plan = cursor.fetchone()[0]
        tables = _whole(json.loads(plan) if isinstance(plan, str) else plan)
        found += [f"{table}: {sql[:300]}" for table in sorted(tables & BIG)]
    return found


def _whole(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_whole, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    own = {node["Relation Name"]} if node.get("Node Type") == "Seq Scan" else set()
    return own.union(*(_whole(value) for value in node.values()))


def test_the_check_sees_a_whole_table_read(filled: Any) -> None:
    assert _scans(lambda: Order.objects.filter(note="x").first()) != []


def test_create_read_and_cancel_use_indexes(filled: Any) -> None:
    def work() -> None:
        body = order_body()
        number = post_order(filled, body).json()["number"]
        assert post_order(filled, body).status_code == 409
        assert post_order(filled, {**body, "confirm_duplicate": True}).status_code == 201
        assert filled.get(f"/api/v1/orders/{number}/").status_code == 200
        assert post_json(filled, f"/api/v1/orders/{number}/cancel/", {"reason": "x"}).status_code == 200

    assert _scans(work) == []


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"status": "pending"},
        {"created_after": "2026-01-01T00:00:00Z", "created_before": "2026-01-01T00:01:00Z"},
        {"cursor": "1795370000000000.5"},
    ],
)
def test_lists_use_indexes(filled: Any, query: dict[str, str]) -> None:
    assert _scans(lambda: filled.get("/api/v1/orders/", {**query, "page_size": "20"})) == []


@pytest.mark.parametrize("term", ["20261122-0000-0000", "20261122-0", "13800138000", "138001380"])
def test_search_uses_indexes(filled: Any, term: str) -> None:
    assert _scans(lambda: about.find(term)) == []


def test_closing_uses_indexes(filled: Any) -> None:
    now = timezone.now()

    def work() -> None:
        assert closing.close_overdue(now=now) >= 200

    assert _scans(work) == []
    assert _scans(closing.closing_estimate) == []
