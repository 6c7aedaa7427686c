"""What a strategy would have done: the same judgement as of live attempts, over the orders and refusals of seven days."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders.models import Intercept, Merchant, Order
from orders.risk.strategies import StrategyRule
from orders.risk.tuning import simulation
from orders.tests.builders import build_merchant, build_order, build_order_in

pytestmark = pytest.mark.django_db
RULE = StrategyRule("tried", "device", 600, 2, "log")


def build_past(
    *, minutes: float, status: str = "pending", device: str = "d1", shop: Merchant | None = None
) -> Order:
    """An order that was made so many minutes ago on this device."""
    order = build_order_in(status, merchant=shop) if status != "pending" else build_order(merchant=shop)
    at = timezone.now() - timedelta(minutes=minutes)
    Order.objects.filter(pk=order.pk).update(device_id=device, created_at=at)
    return order


def build_refused(*, minutes: float, key: str, outcome: str = "refused") -> None:
    Intercept.objects.create(
        merchant=build_merchant(),
        at=timezone.now() - timedelta(minutes=minutes),
        layer="fingerprint",
        outcome=outcome,
        device_id="d1",
        key_digest=key,
        buyer_outside_id="b1",
        amount=Decimal("1.00"),
        products=["cup-1"],
    )


def simulate(rule: StrategyRule = RULE) -> simulation.Simulation:
    return simulation.simulate(rule, now=timezone.now())


def test_orders_and_refused_attempts_count() -> None:
    build_past(minutes=20_000)
    build_past(minutes=50)
    build_refused(minutes=49, key="a")
    build_refused(minutes=48, key="a")
    build_refused(minutes=47, key="b", outcome="replayed")
    paid = build_past(minutes=46, status="paid")
    build_refused(minutes=45, key="c")
    build_past(minutes=44, device="other")
    closed = build_past(minutes=36.5, status="closed")

    found = simulate()

    assert (found.orders, found.refused, found.is_cut) == (4, 2, False)
    assert found.hit_orders_by_status == {"paid": 1, "closed": 1}
    assert (found.hit_orders, found.refused_hits, found.honest, found.percent) == (2, 1, 1, 50.0)
    assert [(one.attempt.number, one.count) for one in found.examples] == [
        (paid.number, 3), ("", 4), (closed.number, 3),
    ]  # fmt: skip
    assert sum(hits for _day, hits in found.days()) == 3
    assert len(found.days()) == 8


def test_one_shop_alone() -> None:
    other = build_merchant("other")
    for minutes in (3, 2, 1):
        build_past(minutes=minutes)
        build_past(minutes=minutes, shop=other)
    assert simulate().hit_orders == 2
    found = simulate(StrategyRule("tried", "device", 600, 2, "log", merchant_id=other.pk))
    assert (found.orders, found.hit_orders) == (3, 1)


def test_attempts_read_the_products() -> None:
    first = build_past(minutes=3)
    build_past(minutes=2)
    Order.objects.update(buyer=first.buyer)
    found = simulate(StrategyRule("tried", "attempts", 300, 1, "log"))
    assert found.hit_orders == 1


def test_too_many_rows_are_cut() -> None:
    for minutes in range(10, 0, -1):
        build_past(minutes=minutes)
    found = simulation.simulate(RULE, now=timezone.now(), most=3)
    assert (found.orders, found.is_cut) == (3, True)
    assert timezone.now() - found.since < timedelta(minutes=3.5)


def test_nothing_at_all() -> None:
    found = simulate()
    assert (found.orders, found.refused, found.hit_orders, found.percent) == (0, 0, 0, 0.0)


@pytest.mark.postgres
def test_reads_by_keys_alone() -> None:
    """Few statements, none of which reads the orders whole, with no index by time."""
    for minutes in range(40, 0, -1):
        build_past(minutes=minutes)
    with CaptureQueriesContext(connection) as queries:
        simulate()
    assert len(queries) <= 20
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off"
        )
        for query in queries:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Seq Scan on orders_order" not in plan, plan
            assert "Sort" not in plan, plan
