"""Transitions: every known edge works, every other one is refused and changes nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from orders import lifecycle, machine
from orders.changes import Hold, Move, PartialRefund, ReleaseHold, RequestClose, Result
from orders.history.lines import SYSTEM, Actor, Evidence
from orders.history.verify import verify_history
from orders.machine import Action
from orders.models import Order, OrderEvent, TransitionRule
from orders.tests.builders import PATHS, apply_changes, build_order, build_order_in, move
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
def test_every_edge_is_in_the_table_or_refused(status: str, action: Action, trigger: str) -> None:
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


def test_move_writes_line_event_and_audit_row() -> None:
    order = build_order()
    change = Move(
        order.pk,
        Action.PAY,
        machine.NOTIFICATION,
        Actor("provider", "demo"),
        Evidence("notification", "7", "ff"),
    )

    assert apply_changes(change)[0].result is Result.DONE
    line = OrderEvent.objects.get(order=order, seq=2)
    assert (line.from_status, line.to_status, line.trigger) == ("pending", "paid", "notification")
    assert line.evidence == '{"kind":"notification","id":"7","sha256":"ff"}'
    assert OutboxEntry.objects.filter(name="order.paid", subject_id=order.pk).count() == 1
    audit = AuditEntry.objects.get(table_name="orders_order", row_id=order.pk)
    assert (audit.column_name, audit.old_value, audit.new_value) == ("status", "pending", "paid")
    verify_history()


def test_constant_number_of_queries() -> None:
    counts = []

    for size in (2, 40):
        orders = [build_order() for _ in range(size)]
        moves = [Move(o.pk, Action.PAY, machine.NOTIFICATION, Actor("provider")) for o in orders]
        with CaptureQueriesContext(connection) as captured, transaction.atomic():
            outcomes = lifecycle.apply(lifecycle.lock([o.pk for o in orders]), moves)
        assert all(outcome.result is Result.DONE for outcome in outcomes)
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_disabled_rule_refuses_at_once() -> None:
    TransitionRule.objects.filter(action="pay", trigger=machine.NOTIFICATION).update(is_enabled=False)
    order = build_order()
    outcome = move(order, "pay", machine.NOTIFICATION)
    assert (outcome.result, outcome.code) == (Result.REFUSED, "trigger_off")
    assert Order.objects.get(pk=order.pk).status == "pending"


def test_held_order_does_not_ship() -> None:
    order = build_order_in("paid")

    apply_changes(Hold(order.pk, Actor("staff", "1"), "疑似刷单"))

    assert move(order, "ship", machine.WAREHOUSE).code == "held"

    apply_changes(ReleaseHold(order.pk, Actor("staff", "2"), "已核实"))

    assert move(order, "ship", machine.WAREHOUSE).result is Result.DONE
    assert [e.kind for e in OrderEvent.objects.filter(order=order)] == [
        "created", "transition", "hold", "release", "transition",
    ]  # fmt: skip
    verify_history()


def test_attempt_delays_closing_until_requested() -> None:
    order = build_order()

    with transaction.atomic():
        assert lifecycle.start_payment(lifecycle.lock([order.pk])[order.pk], at=order.created_at) == ""
    assert move(order, "close", machine.TIMEOUT).code == "provider_not_asked"
    assert apply_changes(RequestClose(order.pk, machine.TIMEOUT, SYSTEM))[0].result is Result.DONE

    with transaction.atomic():
        assert (
            lifecycle.start_payment(lifecycle.lock([order.pk])[order.pk], at=order.created_at)
            == "order_closing"
        )
    assert move(order, "close", machine.TIMEOUT).result is Result.DONE
    assert OutboxEntry.objects.filter(name="order.close_requested").count() == 1


def test_refunds_only_grow_up_to_the_total() -> None:
    order = build_order_in("paid")
    for total in ("50.00", "30.00"):
        proof = Evidence("refund", "r1")
        apply_changes(PartialRefund(order.pk, Decimal(total), Actor("provider"), proof, order.created_at))
    assert Order.objects.get(pk=order.pk).refunded_amount == Decimal("50.00")
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(refunded_amount=Decimal("199.01"))


def test_status_cannot_be_assigned() -> None:
    order = build_order_in("paid")
    with pytest.raises(AttributeError):
        order.status = "completed"


def test_failed_refresh_keeps_the_protection() -> None:
    order = build_order()
    ghost = Order.objects.get(pk=order.pk)
    ghost.pk = 10**9
    with pytest.raises(Order.DoesNotExist):
        ghost.refresh_from_db()
    with pytest.raises(AttributeError):
        Order.objects.get(pk=order.pk).status = "paid"
