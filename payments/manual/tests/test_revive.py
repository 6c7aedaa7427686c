"""Reviving an order that was paid after it was closed: two persons, goods in stock, one effect."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

from orders.approvals.workflow import approve, refuse, withdraw
from orders.models import Order, TransitionRule
from orders.tests.builders import build_order_in
from ordersite.lib.errors import DomainError
from ordersite.queue.models import OutboxEntry
from payments.manual import revive as revival
from payments.manual.revive import REVIVAL
from payments.manual.tests.proposals import (
    deciding_at_once,
    late_payment,
    lines_of,
    person,
)
from payments.models import (
    Payment,
    PaymentAccount,
    PaymentException,
    RefundRequest,
    RevivalRequest,
)
from payments.refunds.request import request_refund
from payments.tests.builders import build_alipay
from payments.tests.steps import run_together

pytestmark = pytest.mark.django_db


def world(payment: Payment) -> tuple[Any, ...]:
    order = Order.objects.get(pk=payment.order_id)
    fresh = Payment.objects.get(pk=payment.pk)
    cases = list(PaymentException.objects.values_list("resolved_at", "owner"))
    requests = list(RevivalRequest.objects.values_list("status", "decided_by"))
    return (
        order.status,
        order.history_seq,
        fresh.is_surplus,
        fresh.status,
        cases,
        requests,
        OutboxEntry.objects.count(),
    )


def refused(payment: Payment, call: Callable[[], Any]) -> str:
    """The code of a refusal that changed nothing."""
    before = world(payment)
    with pytest.raises(DomainError) as caught:
        call()
    assert world(payment) == before
    return caught.value.code


def proposed(user: User | None = None, account: PaymentAccount | None = None) -> RevivalRequest:
    payment, case = late_payment(account)
    return revival.propose(
        payment.pk, user=user or person("li"), reason="买家还想要", stock_confirmed=True, case_id=case.pk
    )


def test_order_stays_closed_until_approval() -> None:
    request = proposed()
    assert Order.objects.get(pk=request.order_id).status == "closed"
    assert Payment.objects.get().is_surplus
    assert (request.stock_confirmed, request.stock_confirmed_by.get_username()) == (True, "li")  # type: ignore[union-attr]


def test_approval_pays_order_and_resolves_case() -> None:
    request = proposed()
    approve(REVIVAL, request.pk, user=person("wang"), note="有货")
    payment = Payment.objects.get()
    assert (Order.objects.get(pk=request.order_id).status, payment.status, payment.is_surplus) == (
        "paid", "paid", False,
    )  # fmt: skip
    case = PaymentException.objects.get()
    assert (case.resolution, case.resolved_by.get_username()) == ("有货", "wang")  # type: ignore[union-attr]
    assert lines_of(request.order)[1:] == [
        ("revival_proposed", "li"),
        ("revival_approved", "wang"),
        ("late_payment", "wang"),
        ("case_resolved", "wang"),
    ]
    assert OutboxEntry.objects.filter(name="order.revived").count() == 1


def test_stock_has_to_be_confirmed() -> None:
    payment, _case = late_payment()
    li = person("li")
    code = refused(payment, lambda: revival.propose(payment.pk, user=li, reason="x", stock_confirmed=False))
    assert code == "stock_not_confirmed"


def test_database_refuses_approval_without_stock() -> None:
    request = proposed()
    wang = person("wang")
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_revivalrequest SET status = 'approved', decided_by_id = %s, stock_confirmed = %s "
            "WHERE id = %s",
            [wang.pk, False, request.pk],
        )


def test_payment_with_pending_refund_is_refused() -> None:
    request = proposed(account=build_alipay())
    request_refund(request.payment_id, Decimal("1.00"), actor_user=person("chief"), reason="x")
    wang = person("wang")
    assert (
        refused(request.payment, lambda: approve(REVIVAL, request.pk, user=wang, note="ok"))
        == "refund_under_way"
    )
    RefundRequest.objects.all().delete()
    approve(REVIVAL, request.pk, user=wang, note="ok")


def test_money_that_went_back_revives_nothing() -> None:
    request = proposed()
    Payment.objects.update(refunded_amount=Decimal("0.01"))
    wang = person("wang")
    assert (
        refused(request.payment, lambda: approve(REVIVAL, request.pk, user=wang, note="ok"))
        == "not_a_late_payment"
    )


def test_only_closed_orders_have_late_payments() -> None:
    payment, _case = late_payment()
    Payment.objects.update(order=build_order_in("paid", merchant=payment.account.merchant))
    li = person("li")
    code = refused(payment, lambda: revival.propose(payment.pk, user=li, reason="x", stock_confirmed=True))
    assert code == "not_a_late_payment"


def test_underpaid_order_stays_closed() -> None:
    payment, _case = late_payment()
    Payment.objects.update(amount=Decimal("1.00"))
    li = person("li")
    code = refused(payment, lambda: revival.propose(payment.pk, user=li, reason="x", stock_confirmed=True))
    assert code == "amount_is_not_the_order"


def test_a_rule_that_is_switched_off_is_obeyed() -> None:
    request = proposed()
    TransitionRule.objects.filter(action="revive").update(is_enabled=False)
    wang = person("wang")
    assert (
        refused(request.payment, lambda: approve(REVIVAL, request.pk, user=wang, note="ok")) == "trigger_off"
    )


def test_refusal_allows_another_request() -> None:
    request = proposed()
    li = request.proposer

    def again() -> RevivalRequest:
        return revival.propose(request.payment_id, user=li, reason="x", stock_confirmed=True)

    assert refused(request.payment, again) == "proposal_waiting"
    refuse(REVIVAL, request.pk, user=person("wang"), note="没货")
    assert Order.objects.get(pk=request.order_id).status == "closed"
    assert PaymentException.objects.get().resolved_at is None
    assert again().is_waiting
    withdraw(REVIVAL, RevivalRequest.objects.latest("pk").pk, user=li, note="算了")
    assert lines_of(request.order)[-1] == ("revival_withdrawn", "li")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_deciders_at_once_have_one_effect() -> None:
    request = proposed()
    assert deciding_at_once(REVIVAL, request) == ["already_decided"]
    triggers = [trigger for trigger, _actor in lines_of(request.order)]
    assert triggers.count("late_payment") == 1
    assert OutboxEntry.objects.filter(name="order.revived").count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_concurrent_refund_excludes_revival() -> None:
    request = proposed(account=build_alipay())
    wang, chief = person("wang"), person("chief")
    codes: list[str] = []

    def revive() -> None:
        try:
            approve(REVIVAL, request.pk, user=wang, note="ok")
        except DomainError as caught:
            codes.append(caught.code)

    def give_back() -> None:
        request_refund(request.payment_id, Decimal("199.00"), actor_user=chief, reason="x")

    run_together(revive, give_back)
    order = Order.objects.get(pk=request.order_id)
    refund = RefundRequest.objects.get()
    # Either the refund was first and the order stays closed, or it is a refund of a living order, which then is stopped.
    assert (order.status, codes, refund.is_reserved) in [
        ("closed", ["refund_under_way"], False),
        ("paid", [], True),
    ]
