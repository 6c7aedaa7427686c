"""Requesting a refund: never more than was paid, and its effect on the order."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest

from orders import machine
from orders.approvals.workflow import withdraw
from orders.changes import Move, Outcome, Result
from orders.history.lines import Actor
from orders.machine import Action
from orders.models import Order, OrderEvent
from orders.tests.builders import apply_changes
from ordersite.lib.errors import DomainError
from payments.models import Payment, RefundRequest
from payments.references import new_reference
from payments.refunds import request as desk
from payments.refunds.approval import REFUND
from payments.refunds.tests.builders import order_of, paid_payment, requested_refund, staff, surplus_payment
from payments.tests.builders import build_payment, build_webhook
from payments.tests.steps import run_together

pytestmark = pytest.mark.django_db
ZERO = Decimal("0.00")


def untouched(payment: Payment) -> bool:
    order = order_of(payment)
    lines = OrderEvent.objects.filter(order_id=order.pk, kind__startswith="refund").count()
    return (RefundRequest.objects.count(), order.refunds_pending, lines) == (0, ZERO, 0)


def test_amount_is_reserved_and_in_history() -> None:
    payment = paid_payment(total="199.00")
    request = requested_refund(payment, "60.00", user=staff("agent"))
    order = order_of(payment)
    assert (order.refunds_pending, order.is_stopped, order.held) == (Decimal("60.00"), True, False)
    assert (request.status, request.next_try_at, request.is_reserved) == ("proposed", None, True)
    line = OrderEvent.objects.filter(order_id=order.pk).latest("seq")
    assert (line.kind, line.trigger, line.actor_id) == ("refund_requested", "refund_requested", "agent")
    assert request.reference in line.evidence


def test_reference_format_suits_every_provider() -> None:
    request = requested_refund(paid_payment())
    assert len(request.reference) == 24
    assert request.reference.isascii()
    assert request.reference.isalnum()
    assert request.reference == request.reference.upper()


@pytest.mark.parametrize("amount", ["0.00", "-1.00", "0.001", "NaN", "Infinity"])
def test_an_amount_must_be_money(amount: str) -> None:
    payment = paid_payment()
    with pytest.raises(DomainError, match="bad_amount"):
        requested_refund(payment, amount)
    assert untouched(payment)


def test_parts_add_up_to_the_payment_at_most() -> None:
    payment = paid_payment(total="100.00")
    for amount in ("33.33", "33.33", "33.34"):
        requested_refund(payment, amount)
    assert order_of(payment).refunds_pending == Decimal("100.00")
    with pytest.raises(DomainError, match="refund_exceeds") as refused:
        requested_refund(payment, "0.01")
    assert refused.value.params["left"] == "0.00"
    assert RefundRequest.objects.count() == 3


def test_unrequested_refund_counts_too() -> None:
    payment = paid_payment(total="100.00", refunded_amount=Decimal("40.00"))
    with pytest.raises(DomainError, match="refund_exceeds") as refused:
        requested_refund(payment, "60.01")
    assert refused.value.params["left"] == "60.00"
    assert untouched(payment)
    assert requested_refund(payment, "60.00").status == "approved"


@pytest.mark.parametrize("status", ["created", "open", "closed", "refunded"])
def test_only_a_paid_attempt_holds_money(status: str) -> None:
    payment = paid_payment(status="paid")
    Payment.objects.filter(pk=payment.pk).update(status=status)
    with pytest.raises(DomainError, match="payment_not_paid"):
        requested_refund(payment)
    assert untouched(payment)


def test_account_without_refunds_is_refused() -> None:
    payment = paid_payment(build_webhook())
    with pytest.raises(DomainError, match="refund_not_offered"):
        requested_refund(payment)
    assert untouched(payment)


def test_a_reason_and_the_right_are_needed() -> None:
    payment = paid_payment()
    with pytest.raises(DomainError, match="reason_missing"):
        desk.request_refund(payment.pk, Decimal("1.00"), actor_user=None, reason="  ")
    with pytest.raises(DomainError, match="not_allowed"):
        requested_refund(payment, user=staff("viewer"))
    with pytest.raises(DomainError, match="unknown_payment"):
        desk.request_refund(0, Decimal("1.00"), actor_user=None, reason="x")
    assert untouched(payment)


def test_surplus_money_reserves_nothing() -> None:
    payment = surplus_payment()
    request = requested_refund(payment, "199.00")
    order = order_of(payment)
    assert (order.refunds_pending, order.is_stopped) == (ZERO, False)
    assert (request.is_reserved, request.status, request.decided_how) == (False, "approved", "rule")
    assert OrderEvent.objects.filter(order_id=order.pk, kind="refund_requested").count() == 1


def ship(order: Order) -> Outcome:
    return apply_changes(Move(order.pk, Action.SHIP, machine.WAREHOUSE, Actor("warehouse", "main")))[0]


def test_order_does_not_ship_with_pending_refund() -> None:
    payment = paid_payment()
    request = requested_refund(payment, "1.00", user=staff("agent"))
    refused = ship(payment.order)
    assert (refused.result, refused.code) == (Result.REFUSED, "held")
    withdraw(REFUND, request.pk, user=request.proposer or staff("agent"), note="kept it")
    assert ship(payment.order).result == Result.DONE


def test_shipped_order_may_still_complete() -> None:
    payment = paid_payment(status="shipped")
    requested_refund(payment, "199.00")
    move = Move(payment.order_id, Action.COMPLETE, machine.CARRIER, Actor("carrier", "sf"))
    outcome = apply_changes(move)[0]
    assert outcome.result == Result.DONE


def insert_unlocked(payment: Payment) -> None:
    """What the desk would do without its locks, once it has looked."""
    RefundRequest.objects.create(
        payment=payment, order_id=payment.order_id, account_id=payment.account_id, amount=Decimal("60.00"),
        reference=new_reference(), reason="race",
    )  # fmt: skip


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_lock_keeps_sum_within_the_payment() -> None:
    payment = paid_payment(total="100.00")
    both_looked = threading.Barrier(2)

    def unguarded() -> None:
        live = payment.refund_requests.live_amount()
        both_looked.wait()
        if live + Decimal("60.00") <= payment.amount:
            insert_unlocked(payment)

    run_together(unguarded, unguarded)
    assert payment.refund_requests.live_amount() == Decimal("120.00")
    RefundRequest.objects.all().delete()

    outcomes: list[Any] = run_together(*[lambda: requested_refund(payment, "30.00")] * 6)
    refused = [one for one in outcomes if one == "refund_exceeds"]
    assert (len(refused), payment.refund_requests.live_amount()) == (3, Decimal("90.00"))
    assert order_of(payment).refunds_pending == Decimal("90.00")


def test_double_click_creates_one_refund() -> None:
    payment, user = paid_payment(), staff("agent")
    first = requested_refund(payment, "60.00", user=user)
    with pytest.raises(DomainError, match="asked_just_now"):
        requested_refund(payment, "60.00", user=user)
    assert order_of(payment).refunds_pending == Decimal("60.00")
    RefundRequest.objects.update(created_at=first.created_at - desk.SAME_AGAIN)
    assert requested_refund(payment, "60.00", user=user).reference != first.reference


def test_each_payment_of_an_order_has_its_limit() -> None:
    first = paid_payment(total="100.00")
    second = build_payment(first.account, order=first.order, status="paid", is_surplus=True)
    requested_refund(first, "100.00")
    requested_refund(second, "100.00")
    assert order_of(first).refunds_pending == Decimal("100.00")
    assert Order.objects.get(pk=first.order_id).status == "paid"
