"""Closing what is overdue: both lanes, any backlog, beside others who hold rows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import Count
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders import closing, lifecycle, machine
from orders.history.lines import Actor
from orders.history.verify import verify_history
from orders.models import Order, OrderEvent, TransitionRule
from orders.tests.builders import build_buyer, build_merchant, build_order, build_order_in, move
from orders.tests.web import at_once
from ordersite.lib.errors import DomainError
from ordersite.queue.models import OutboxEntry

pytestmark = pytest.mark.django_db
OVERDUE = timedelta(minutes=-1)
STAFF = Actor("staff", "anna")


def _start_payment(order: Order) -> None:
    with transaction.atomic():
        assert lifecycle.start_payment(lifecycle.lock([order.pk])[order.pk], at=timezone.now()) == ""


def _state(order: Order) -> tuple[str, bool]:
    found = Order.objects.get(pk=order.pk)
    return found.status, found.closing_at is not None


def test_attempts_are_left_to_payments() -> None:
    untried, tried, early = build_order(due_in=OVERDUE), build_order(due_in=OVERDUE), build_order()

    _start_payment(tried)

    assert closing.close_overdue() == 2
    assert (_state(untried), _state(tried), _state(early)) == (
        ("closed", False),
        ("pending", True),
        ("pending", False),
    )
    line = OrderEvent.objects.get(order=untried, seq=2)
    assert (line.kind, line.trigger, line.actor_kind, line.to_status) == (
        "transition",
        "timeout",
        "system",
        "closed",
    )
    asked = OutboxEntry.objects.get(name="order.close_requested")
    assert (asked.subject_id, asked.payload["trigger"]) == (tried.pk, "timeout")
    assert closing.close_overdue() == 0
    assert verify_history().lines == 5


def test_order_closes_at_its_due_time() -> None:
    order = build_order(due_in=timedelta(minutes=90))
    assert closing.close_overdue(now=timezone.now() + timedelta(minutes=89)) == 0
    assert closing.close_overdue(now=timezone.now() + timedelta(minutes=91)) == 1
    assert _state(order) == ("closed", False)


@pytest.mark.parametrize("status", ["paid", "shipped", "completed", "refunded", "closed"])
def test_other_statuses_are_left_alone(status: str) -> None:
    order = build_order_in(status)
    Order.objects.update(close_due_at=timezone.now() - timedelta(days=1))
    assert closing.close_overdue() == 0
    assert Order.objects.get().history_hash == order.history_hash


def test_backlog_takes_constant_queries_a_batch() -> None:
    merchant = build_merchant()
    buyer = build_buyer(merchant)
    template = build_order(merchant=merchant, due_in=OVERDUE)
    _copy_orders(template, buyer.pk, 2_499)

    with CaptureQueriesContext(connection) as queries:
        assert closing.close_overdue() == 2_500
    assert Order.objects.filter(status="closed").count() == 2_500
    lines = OrderEvent.objects.filter(trigger="timeout").values("order").annotate(n=Count("id")).filter(n=1)
    assert lines.count() == 2_500
    assert len(queries) < 60


def _copy_orders(template: Order, buyer_id: int, count: int) -> None:
    """Set-based copies without a history: their first line will be the closing."""
    columns = [str(field.column) for field in Order._meta.concrete_fields if not field.primary_key]
    changed = {"number", "tracking_token", "minute", "history_seq", "history_hash"}
    kept = [column for column in columns if column not in changed]
    names = ", ".join([*kept, *sorted(changed)])
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
            f" INSERT INTO orders_order ({names})"
            f" SELECT {', '.join(kept)}, '', 0, i, 'copy-' || i, 'token-' || i FROM orders_order, n WHERE id = %s",
            [template.pk],
        )


def test_disabled_timeout_closes_nothing() -> None:
    order = build_order(due_in=OVERDUE)
    TransitionRule.objects.filter(trigger=machine.TIMEOUT).update(is_enabled=False)
    assert closing.close_overdue() == 0
    assert _state(order) == ("pending", False)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_race_closes_each_order_once() -> None:
    orders = [build_order(due_in=OVERDUE) for _ in range(30)]
    counts = at_once([closing.close_overdue] * 4)
    assert sum(count for count in counts if isinstance(count, int)) == 30
    assert OrderEvent.objects.filter(trigger="timeout").count() == 30
    assert {_state(order) for order in orders} == {("closed", False)}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_locked_order_is_skipped() -> None:
    held, free = build_order(due_in=OVERDUE), build_order(due_in=OVERDUE)
    with transaction.atomic():
        lifecycle.lock([held.pk])
        assert at_once([closing.close_overdue]) == [1]
    assert (_state(held), _state(free)) == (("pending", False), ("closed", False))
    assert closing.close_overdue() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_race_with_a_starting_payment() -> None:
    """Locking and judging apart: the attempt that committed first is seen, whoever came first to the row."""
    for _round in range(20):
        order = build_order(due_in=OVERDUE)

        def start(pk: int = order.pk) -> str:
            with transaction.atomic():
                return lifecycle.start_payment(lifecycle.lock([pk])[pk], at=timezone.now())

        started = at_once([start, closing.close_overdue])[0]
        closing.close_overdue()
        expected = {
            "": ("pending", True),
            "order_closed": ("closed", False),
            "order_closing": ("pending", True),
        }
        assert _state(order) == expected[str(started)]


def test_cancel() -> None:
    untried, tried, paid = build_order(), build_order(), build_order_in("paid")
    _start_payment(tried)
    cancel = closing.cancel

    assert cancel(untried.number, reason="x", actor=STAFF, trigger=machine.STAFF_CANCEL) == closing.CLOSED
    assert cancel(tried.number, reason="x", actor=STAFF, trigger=machine.STAFF_CANCEL) == closing.ASKING
    for number, code in ((paid.number, "already_paid"), ("nope", "unknown_order")):
        with pytest.raises(DomainError) as refused, transaction.atomic():
            cancel(number, reason="x", actor=STAFF, trigger=machine.STAFF_CANCEL)
        assert refused.value.code == code
    with pytest.raises(DomainError), transaction.atomic():
        cancel(
            tried.number,
            reason="x",
            actor=STAFF,
            trigger=machine.STAFF_CANCEL,
            merchant=build_merchant("other"),
        )
    assert Order.objects.get(pk=paid.pk).status == "paid"


def test_estimate() -> None:
    assert closing.lane_estimate() == closing.Estimate(0, None, 0)

    for _ in range(30):
        order = build_order(due_in=OVERDUE)
        _start_payment(order)
    closing.close_overdue()

    found = closing.lane_estimate()

    assert (found.waiting, found.seconds) == (30, 2)
    assert found.oldest_at == Order.objects.order_by("closing_at").values_list("closing_at", flat=True)[0]

    move(Order.objects.earliest("id"), "close", machine.TIMEOUT)

    assert closing.lane_estimate().waiting == 29


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_threads_close_each_order_once() -> None:
    template = build_order(due_in=OVERDUE)
    _copy_orders(template, template.buyer_id, 4_999)
    assert closing.close_overdue() == 5_000
    lines = OrderEvent.objects.filter(trigger="timeout")
    assert (lines.count(), lines.values("order").distinct().count()) == (5_000, 5_000)
    assert OutboxEntry.objects.filter(name="order.closed").count() == 5_000
    assert not Order.objects.exclude(status="closed").exists()
