"""Who may let money go back: limits, a second person, the shop of one person, and two deciders at once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import IntegrityError, transaction
from django.utils import timezone

from orders.approvals.mail import send_staff_mail
from orders.approvals.workflow import approve, refuse, withdraw
from orders.models import Merchant, OrderEvent
from ordersite import relay
from ordersite.lib.errors import DomainError
from payments.models import RefundRequest
from payments.refunds.approval import REFUND
from payments.refunds.tests.builders import fresh_request, order_of, paid_payment, requested_refund, staff
from payments.tests.steps import run_together

pytestmark = pytest.mark.django_db


def waiting(amount: str = "60.00") -> RefundRequest:
    """A request above its proposer's limit."""
    return requested_refund(paid_payment(), amount, user=staff("agent", "li"))


def is_untouched(request: RefundRequest) -> bool:
    fresh = fresh_request(request)
    kinds = OrderEvent.objects.filter(order_id=request.order_id).values_list("kind", flat=True)
    decided = (fresh.status, fresh.decided_by, fresh.decided_how, fresh.next_try_at)
    return (
        decided == ("proposed", None, "", None)
        and fresh.order.refunds_pending == request.amount
        and list(kinds.order_by("seq"))[-1] == "refund_requested"
    )


def test_within_own_limit_is_approved_at_once() -> None:
    user = staff("agent", refund_alone="60.00")
    request = requested_refund(paid_payment(), "60.00", user=user)
    assert (request.status, request.decided_how, request.decided_by) == ("approved", "limit", user)
    line = OrderEvent.objects.filter(order_id=request.order_id).latest("seq")
    assert (line.kind, line.trigger, line.actor_id) == ("note", "refund_within_limit", "agent")


def test_small_refunds_add_up_to_the_limit() -> None:
    payment, user = paid_payment(), staff("agent", refund_alone="60.00")
    assert requested_refund(payment, "40.00", user=user).status == "approved"
    assert requested_refund(payment, "20.01", user=user).status == "proposed"
    assert requested_refund(paid_payment(payment.account), "60.00", user=user).status == "approved"


def test_a_second_person_approves() -> None:
    request, boss = waiting(), staff("supervisor")
    approved = approve(REFUND, request.pk, user=boss, note="seen the photo")
    assert (approved.status, approved.decided_by, approved.decided_how) == ("approved", boss, "person")
    assert approved.next_try_at is not None
    line = OrderEvent.objects.filter(order_id=request.order_id).latest("seq")
    assert (line.trigger, line.actor_kind, line.actor_id) == ("refund_approved", "staff", "supervisor")


def test_person_without_right_cannot_approve() -> None:
    request = waiting()
    for role in ("agent", "viewer", "operations", "auditor"):
        for decide in (approve, refuse):
            with pytest.raises(DomainError, match="not_allowed"):
                decide(REFUND, request.pk, user=staff(role), note="x")
    assert is_untouched(request)


def test_single_operator_waits_and_is_marked() -> None:
    boss = staff("supervisor")
    request = requested_refund(paid_payment(), user=boss)
    Merchant.objects.update(allows_single_operator=True, single_operator_wait_minutes=30)
    with pytest.raises(DomainError, match="too_early"):
        approve(REFUND, request.pk, user=boss, note="ok")
    assert is_untouched(request)
    RefundRequest.objects.update(created_at=timezone.now() - timedelta(minutes=30))
    assert approve(REFUND, request.pk, user=boss, note="ok").decided_how == "alone"
    assert OrderEvent.objects.filter(trigger="refund_approved_alone").count() == 1


def test_database_refuses_unmarked_self_decision() -> None:
    request = waiting()
    with pytest.raises(IntegrityError), transaction.atomic():
        RefundRequest.objects.filter(pk=request.pk).update(
            decided_by=request.proposer, decided_how="person", decided_at=timezone.now()
        )


def test_refusal_keeps_its_note_and_frees_order() -> None:
    request, boss = waiting(), staff("supervisor")
    with pytest.raises(DomainError, match="reason_missing"):
        refuse(REFUND, request.pk, user=boss, note=" ")
    assert is_untouched(request)
    refused = refuse(REFUND, request.pk, user=boss, note="no photo")
    assert (refused.status, refused.decision_note, refused.decided_by) == ("refused", "no photo", boss)
    assert order_of(request.payment).refunds_pending == Decimal("0.00")
    assert OrderEvent.objects.filter(order_id=request.order_id).latest("seq").kind == "refund_ended"
    with pytest.raises(DomainError, match="already_decided"):
        approve(REFUND, request.pk, user=boss, note="ok")


def test_only_proposer_withdraws_while_pending() -> None:
    request = waiting()
    with pytest.raises(DomainError, match="not_the_proposer"):
        withdraw(REFUND, request.pk, user=staff("supervisor"), note="ok")
    assert is_untouched(request)
    approve(REFUND, request.pk, user=staff("supervisor"), note="ok")
    with pytest.raises(DomainError, match="already_decided"):
        withdraw(REFUND, request.pk, user=User.objects.get(username="li"), note="ok")
    assert fresh_request(request).status == "approved"


def test_money_already_refunded_stops_it() -> None:
    request = waiting("199.00")
    payment = request.payment
    type(payment).objects.filter(pk=payment.pk).update(refunded_amount=Decimal("0.01"))
    with pytest.raises(DomainError, match="refund_exceeds") as refused:
        approve(REFUND, request.pk, user=staff("supervisor"), note="ok")
    assert refused.value.params["left"] == "198.99"
    assert is_untouched(request)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_concurrent_withdrawal_has_one_effect() -> None:
    request, proposer, boss = waiting(), User.objects.get(username="li"), staff("supervisor")
    outcomes = run_together(
        lambda: approve(REFUND, request.pk, user=boss, note="ok").status,
        lambda: withdraw(REFUND, request.pk, user=proposer, note="ok").status,
    )
    assert "already_decided" in outcomes
    fresh = fresh_request(request)
    reserved = {"approved": request.amount, "withdrawn": Decimal("0.00")}[fresh.status]
    assert fresh.order.refunds_pending == reserved


def test_approvers_are_notified_but_not_proposer() -> None:
    for role, name in (("supervisor", "zhao"), ("finance", "qian"), ("agent", "li"), ("viewer", "sun")):
        User.objects.filter(pk=staff(role, name).pk).update(email=f"{name}@shop.example")
    request = requested_refund(paid_payment(), user=User.objects.get(username="zhao"))
    relay.run_relay()
    send_staff_mail()
    [message] = mail.outbox
    assert message.to == ["qian@shop.example"]
    assert f"/admin/payments/refundrequest/{request.pk}/change/" in message.body
    requested_refund(paid_payment(), user=staff("agent", "li", refund_alone="60.00"))
    relay.run_relay()
    send_staff_mail()
    assert len(mail.outbox) == 1
