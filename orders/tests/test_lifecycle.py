"""The door: every known edge works, every other one is refused and changes nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from orders import lifecycle, machine
from orders.history.verify import verify_history
from orders.lifecycle import Actor, Evidence, Move, Result
from orders.models import Order, OrderEvent, TransitionRule
from orders.tests.builders import PATHS, build_order, build_order_in, move
from ordersite.queue.models import AuditEntry, OutboxEntry

pytestmark = pytest.mark.django_db

EDGES = {(row.source, row.action, row.trigger): row.target for row in machine.ROWS}
ALL = [
    (status, action, trigger)
    for status in PATHS
    for action in machine.TARGETS
    for trigger in sorted({row.trigger for row in machine.ROWS})
]


@pytest.mark.parametrize(("status", "action", "trigger"), ALL)
def test_an_edge_is_in_the_table_or_refused(status: str, action: str, trigger: str) -> None:
    order = build_order_in(status)
    lines_before = OrderEvent.objects.filter(order=order).count()
    outcome = move(order, action, trigger)
    after = Order.objects.get(pk=order.pk)
    if (status, action, trigger) in EDGES:
        assert (outcome.result, after.status) == (Result.DONE, EDGES[status, action, trigger])
        assert OrderEvent.objects.filter(order=order).count() == lines_before + 1
    else:
        assert outcome.result in (Result.ALREADY, Result.REFUSED)
        assert (after.status, after.history_hash) == (status, order.history_hash)
        assert OrderEvent.objects.filter(order=order).count() == lines_before


def test_a_move_leaves_one_line_one_event_and_one_audit_row() -> None:
    order = build_order()
    wish = Move(
        order.pk, "pay", machine.NOTIFICATION, Actor("provider", "demo"), Evidence("notification", "7", "ff")
    )
    with transaction.atomic():
        assert lifecycle.fire(lifecycle.lock([order.pk]), [wish])[0].result is Result.DONE
    line = OrderEvent.objects.get(order=order, seq=2)
    assert (line.from_status, line.to_status, line.trigger) == ("pending", "paid", "notification")
    assert line.evidence == '{"kind":"notification","id":"7","sha256":"ff"}'
    assert OutboxEntry.objects.filter(name="order.paid", subject_id=order.pk).count() == 1
    audit = AuditEntry.objects.get(table_name="orders_order", row_id=order.pk)
    assert (audit.column_name, audit.old_value, audit.new_value) == ("status", "pending", "paid")
    verify_history()


def test_a_batch_costs_a_constant_number_of_statements() -> None:
    counts = []
    for size in (2, 40):
        orders = [build_order() for _ in range(size)]
        wishes = [Move(o.pk, "pay", machine.NOTIFICATION, Actor("provider")) for o in orders]
        with CaptureQueriesContext(connection) as captured, transaction.atomic():
            outcomes = lifecycle.fire(lifecycle.lock([o.pk for o in orders]), wishes)
        assert all(outcome.result is Result.DONE for outcome in outcomes)
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_an_order_twice_in_one_batch_is_a_programming_error() -> None:
    order = build_order()
    wish = Move(order.pk, "pay", machine.NOTIFICATION, Actor("provider"))
    with pytest.raises(ValueError, match="twice"), transaction.atomic():
        lifecycle.fire(lifecycle.lock([order.pk]), [wish, wish])
    assert Order.objects.get(pk=order.pk).status == "pending"


def test_a_trigger_that_is_switched_off_refuses_at_once() -> None:
    TransitionRule.objects.filter(action="pay", trigger=machine.NOTIFICATION).update(is_enabled=False)
    order = build_order()
    outcome = move(order, "pay", machine.NOTIFICATION)
    assert (outcome.result, outcome.code) == (Result.REFUSED, "trigger_off")
    assert Order.objects.get(pk=order.pk).status == "pending"


def test_a_held_order_does_not_ship_until_released() -> None:
    order = build_order_in("paid")
    with transaction.atomic():
        lifecycle.hold(lifecycle.lock([order.pk])[order.pk], actor=Actor("staff", "1"), reason="疑似刷单")
    assert move(order, "ship", machine.WAREHOUSE).code == "held"
    with transaction.atomic():
        lifecycle.release(lifecycle.lock([order.pk])[order.pk], actor=Actor("staff", "2"), reason="已核实")
    assert move(order, "ship", machine.WAREHOUSE).result is Result.DONE
    assert [e.kind for e in OrderEvent.objects.filter(order=order)] == [
        "created", "transition", "hold", "release", "transition",
    ]  # fmt: skip
    verify_history()


def test_an_order_with_an_attempt_closes_only_after_the_provider_was_asked() -> None:
    order = build_order()
    with transaction.atomic():
        assert lifecycle.start_payment(lifecycle.lock([order.pk])[order.pk], at=order.created_at) == ""
    assert move(order, "close", machine.TIMEOUT).code == "provider_not_asked"
    with transaction.atomic():
        locked = lifecycle.lock([order.pk])
        assert (
            len(lifecycle.request_close(list(locked.values()), trigger="timeout", actor=lifecycle.SYSTEM))
            == 1
        )
    with transaction.atomic():
        assert (
            lifecycle.start_payment(lifecycle.lock([order.pk])[order.pk], at=order.created_at)
            == "order_closing"
        )
    assert move(order, "close", machine.TIMEOUT).result is Result.DONE
    assert OutboxEntry.objects.filter(name="order.close_requested").count() == 1


def test_refunds_only_grow_and_never_beyond_the_total() -> None:
    order = build_order_in("paid")
    for total in ("50.00", "30.00"):
        with transaction.atomic():
            lifecycle.note_refund(
                lifecycle.lock([order.pk])[order.pk],
                refunded_total=Decimal(total),
                actor=Actor("provider"),
                evidence=Evidence("refund", "r1"),
                at=order.created_at,
            )
    assert Order.objects.get(pk=order.pk).refunded_amount == Decimal("50.00")
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(refunded_amount=Decimal("199.01"))


def test_the_status_cannot_be_assigned() -> None:
    order = build_order_in("paid")
    with pytest.raises(AttributeError):
        order.status = "completed"


def test_a_failed_refresh_does_not_lift_the_protection() -> None:
    order = build_order()
    ghost = Order.objects.get(pk=order.pk)
    ghost.pk = 10**9
    with pytest.raises(Order.DoesNotExist):
        ghost.refresh_from_db()
    with pytest.raises(AttributeError):
        Order.objects.get(pk=order.pk).status = "paid"
