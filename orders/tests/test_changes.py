"""One visit to the orders' door: several changes of one order, changes of many kinds, and what is refused among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders import lifecycle, machine
from orders.changes import (
    Change,
    Hold,
    Move,
    Note,
    NoteWaybill,
    PartialRefund,
    ReleaseHold,
    ReleaseRefund,
    RequestClose,
    ReserveRefund,
    Result,
)
from orders.history.lines import SYSTEM, Actor, Evidence
from orders.history.verify import verify_history
from orders.machine import Action
from orders.models import Order, OrderEvent
from orders.tests.builders import apply_changes, build_order, build_order_in
from ordersite.queue.models import OutboxEntry

pytestmark = pytest.mark.django_db
PROVIDER, PROOF = Actor("provider", "demo"), Evidence("refund_request", "R1")
_HEAD = re.compile(r'^UPDATE "orders_order" SET')


def pay(order: Order) -> Move:
    return Move(order.pk, Action.PAY, machine.NOTIFICATION, PROVIDER)


def reserve(order: Order, amount: str) -> ReserveRefund:
    return ReserveRefund(order.pk, Decimal(amount), SYSTEM, PROOF, "broken")


def release(order: Order, amount: str) -> ReleaseRefund:
    return ReleaseRefund(order.pk, Decimal(amount), PROVIDER, PROOF)


def part_back(order: Order, total: str) -> PartialRefund:
    return PartialRefund(order.pk, Decimal(total), PROVIDER, PROOF, timezone.now())


def kinds(order: Order) -> list[str]:
    return list(OrderEvent.objects.filter(order=order).order_by("seq").values_list("kind", flat=True))


def row(order: Order) -> Mapping[str, object]:
    return Order.objects.filter(pk=order.pk).values().get()


def applied(*changes: Change) -> tuple[list[str], list[str]]:
    """The results, and the UPDATE statements of orders."""
    with CaptureQueriesContext(connection) as captured:
        results = [outcome.result.value for outcome in apply_changes(*changes)]
    statements = [query["sql"] for query in captured.captured_queries]
    return results, [statement for statement in statements if _HEAD.match(statement)]


def test_order_paid_and_refunded_in_one_visit() -> None:
    order = build_order()
    back = Move(order.pk, Action.REFUND, machine.REFUND_CONFIRMED, PROVIDER, PROOF)

    results, updates = applied(pay(order), reserve(order, "199.00"), back, release(order, "199.00"))

    after = Order.objects.get(pk=order.pk)
    assert (results, len(updates)) == (["done"] * 4, 1)
    assert (after.status, after.refunded_amount, after.refunds_pending) == (
        "refunded", Decimal("199.00"), Decimal("0.00"),
    )  # fmt: skip
    assert after.paid_at is not None
    assert (kinds(order), after.history_seq) == (
        ["created", "transition", "refund_requested", "transition", "refund_ended"], 5,
    )  # fmt: skip
    events = OutboxEntry.objects.filter(subject_id=order.pk).order_by("id").values_list("name", flat=True)
    assert list(events) == ["order.paid", "order.stopped", "order.refunded"]
    verify_history()


def test_partial_refund_and_release_at_once() -> None:
    order = build_order_in("paid")
    apply_changes(reserve(order, "60.00"))

    results, updates = applied(part_back(order, "60.00"), release(order, "60.00"))

    after = Order.objects.get(pk=order.pk)
    assert (results, len(updates)) == (["done", "done"], 1)
    assert (after.status, after.refunded_amount, after.refunds_pending) == (
        "paid", Decimal("60.00"), Decimal("0.00"),
    )  # fmt: skip
    assert kinds(order)[-2:] == ["partial_refund", "refund_ended"]
    verify_history()


@pytest.mark.parametrize("status", ["paid", "shipped", "completed"])
def test_money_that_goes_back_is_an_event(status: str) -> None:
    order = build_order_in(status)

    apply_changes(reserve(order, "60.00"))
    apply_changes(part_back(order, "60.00"), release(order, "60.00"))

    events = OutboxEntry.objects.filter(subject_id=order.pk, name="order.partly_refunded")
    assert events.count() == 1


def test_changes_see_those_before_them() -> None:
    order = build_order_in("paid")
    ship = Move(order.pk, Action.SHIP, machine.WAREHOUSE, Actor("warehouse", "main"))
    staff = Actor("staff", "wang")

    outcomes = apply_changes(
        Hold(order.pk, staff, "疑似刷单"),
        Hold(order.pk, staff, "again"),
        ship,
        ReleaseHold(order.pk, staff, "已核实"),
        ReleaseHold(order.pk, staff, "again"),
        ship,
        ship,
    )

    assert [(outcome.result.value, outcome.code) for outcome in outcomes] == [
        ("done", ""),
        ("already", ""),
        ("refused", "held"),
        ("done", ""),
        ("already", ""),
        ("done", ""),
        ("already", "order_shipped"),
    ]
    assert kinds(order)[-3:] == ["hold", "release", "transition"]
    verify_history()


def test_mixed_changes_write_once_a_state() -> None:
    pending, requested, closing = build_order(), build_order(), build_order()
    paid, held, closed = build_order_in("paid"), build_order_in("paid"), build_order_in("closed")
    for order in (requested, closing):
        Order.objects.filter(pk=order.pk).update(payment_started_at=order.created_at)
    apply_changes(RequestClose(closing.pk, machine.TIMEOUT, SYSTEM))

    results, updates = applied(
        pay(pending),
        RequestClose(requested.pk, machine.STAFF_CANCEL, SYSTEM, "wrong size"),
        Move(closing.pk, Action.CLOSE, machine.TIMEOUT, SYSTEM),
        reserve(paid, "60.00"),
        NoteWaybill(paid.pk, Actor("warehouse", "main"), Evidence("waybill", "sf SF1"), timezone.now()),
        Hold(held.pk, SYSTEM, "疑似刷单"),
        Note(closed.pk, "case_resolved", SYSTEM, reason="refunded in full"),
        pay(closed),
    )

    # Pending, paid, closed: one UPDATE each; the closed order is not paid.
    assert (results, len(updates)) == ([*["done"] * 7, "refused"], 3)
    orders = Order.objects.in_bulk()
    assert [orders[order.pk].status for order in (pending, requested, closing, paid, held, closed)] == [
        "paid", "pending", "closed", "paid", "paid", "closed",
    ]  # fmt: skip
    assert orders[requested.pk].closing_at is not None
    assert orders[held.pk].hold_reason == "疑似刷单"
    assert kinds(paid)[-2:] == ["refund_requested", "waybill"]
    assert kinds(closed)[-1] == "note"
    verify_history()


def test_statements_do_not_grow_with_the_batch() -> None:
    counts = []
    for size in (1, 20):
        orders = [build_order_in("paid") for _number in range(size)]
        apply_changes(*[reserve(order, "60.00") for order in orders])
        changes = [change for o in orders for change in (part_back(o, "60.00"), release(o, "60.00"))]
        with CaptureQueriesContext(connection) as captured:
            apply_changes(*changes)
        counts.append(len(captured))

    assert counts[0] == counts[1]


def test_refused_changes_leave_nothing() -> None:
    order = build_order()
    before = row(order)

    results, updates = applied(
        Move(order.pk, Action.SHIP, machine.WAREHOUSE, SYSTEM),
        RequestClose(order.pk, machine.TIMEOUT, SYSTEM),
        part_back(order, "0.00"),
        ReleaseHold(order.pk, SYSTEM, "not held"),
    )

    assert (results, updates) == (["refused", "refused", "already", "already"], [])
    assert (row(order), kinds(order), OutboxEntry.objects.count()) == (before, ["created"], 0)


def test_unknown_order_is_refused_alone() -> None:
    order = build_order()
    unknown = Move(10**9, Action.PAY, machine.NOTIFICATION, PROVIDER)

    outcomes = apply_changes(unknown, pay(order))

    assert [(o.order_id, o.result, o.code) for o in outcomes] == [
        (10**9, Result.REFUSED, "unknown_order"),
        (order.pk, Result.DONE, ""),
    ]


def test_failed_guard_undoes_the_batch() -> None:
    first, second = build_order(), build_order()

    @transaction.atomic
    def pay_both() -> None:
        orders = lifecycle.lock([first.pk, second.pk])
        Order.objects.filter(pk=second.pk).update(status="closed", closed_at=timezone.now())
        lifecycle.apply(orders, [pay(first), pay(second)])

    with pytest.raises(RuntimeError, match="1 of 2 locked orders"):
        pay_both()

    assert [row(order)["status"] for order in (first, second)] == ["pending", "pending"]
    assert (kinds(first), OutboxEntry.objects.count()) == (["created"], 0)
