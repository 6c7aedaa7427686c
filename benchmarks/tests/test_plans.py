"""No statement of a hot path reads a big table whole: each is explained on a filled one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from benchmarks.rows import fill
from benchmarks.tests.plans import Recorder, whole_reads
from orders import about, closing
from orders.history import verify
from orders.models import Order, OrderEvent
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
    """The statements of this work that read a big table whole."""
    recorder = Recorder()
    recorder.record(work)
    return whole_reads(recorder, dict.fromkeys(BIG, ORDERS), most=ORDERS // 2)


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


def test_verifying_reads_by_ranges(filled: Any) -> None:
    """Also each statement over a chunk: one that walks the index of all lines costs more with each line there is."""
    first = OrderEvent.objects.earliest("id").pk

    assert _scans(lambda: verify._check_links(first, first + verify.CHUNK - 1)) == []
    assert _scans(verify._check_heads) == []
