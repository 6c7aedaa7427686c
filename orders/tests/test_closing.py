"""Closing overdue orders with and without an attempt, in any backlog, beside others that hold locks; cancelling."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

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
    without_attempt, with_attempt, early = (
        build_order(due_in=OVERDUE),
        build_order(due_in=OVERDUE),
        build_order(),
    )

    _start_payment(with_attempt)

    assert closing.close_overdue() == 2
    assert (_state(without_attempt), _state(with_attempt), _state(early)) == (
        ("closed", False),
        ("pending", True),
        ("pending", False),
    )
    line = OrderEvent.objects.get(order=without_attempt, seq=2)
    assert (line.kind, line.trigger, line.actor_kind, line.to_status) == (
        "transition",
        "timeout",
        "system",
        "closed",
    )
    event = OutboxEntry.objects.get(name="order.close_requested")
    assert (event.subject_id, event.payload["trigger"]) == (with_attempt.pk, "timeout")
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
    changed = {"number", "tracking_token", "minute", "twin_number", "history_seq", "history_hash"}
    kept = [column for column in columns if column not in changed]
    names = ", ".join([*kept, *sorted(changed)])
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
            f" INSERT INTO orders_order ({names})"
            f" SELECT {', '.join(kept)}, '', 0, i, 'copy-' || i, 'token-' || i, i FROM orders_order, n WHERE id = %s",
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
    """The order is checked after it is locked, so an attempt that committed first is always seen."""
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


def _cancel(number: str, **changes: Any) -> closing.CancelResult:
    return closing.cancel(number, reason="x", actor=STAFF, trigger=machine.STAFF_CANCEL, **changes)


def test_cancel() -> None:
    without_attempt, with_attempt = build_order(), build_order()
    _start_payment(with_attempt)

    assert _cancel(without_attempt.number) == closing.CancelResult.CLOSED
    assert _cancel(with_attempt.number) == closing.CancelResult.CLOSE_REQUESTED
    assert (_state(without_attempt), _state(with_attempt)) == (("closed", False), ("pending", True))


def test_cancel_refuses_by_name() -> None:
    pending, paid, other = build_order(), build_order_in("paid"), build_merchant("other")

    for number, merchant, code in (
        (paid.number, None, "already_paid"),
        ("nope", None, "unknown_order"),
        (pending.number, other, "unknown_order"),
    ):
        with pytest.raises(DomainError) as refused, transaction.atomic():
            _cancel(number, merchant=merchant)
        assert refused.value.code == code
    assert (_state(pending), _state(paid)) == (("pending", False), ("paid", False))


def test_estimate() -> None:
    assert closing.closing_estimate() == closing.ClosingEstimate(0, None, 0)

    for _ in range(30):
        order = build_order(due_in=OVERDUE)
        _start_payment(order)
    closing.close_overdue()

    found = closing.closing_estimate()

    assert (found.waiting, found.seconds) == (30, 2)
    assert found.oldest_at == Order.objects.order_by("closing_at").values_list("closing_at", flat=True)[0]

    move(Order.objects.earliest("id"), "close", machine.TIMEOUT)

    assert closing.closing_estimate().waiting == 29


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
