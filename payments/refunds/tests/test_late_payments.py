"""The merchant's rule for money that no order needs, and what becomes of its case."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.utils import timezone

from orders import lifecycle
from orders.history.lines import Evidence
from orders.models import Merchant, Order
from orders.tests.builders import build_order_in
from ordersite import relay
from ordersite.queue.relay import Delivered
from payments.lifecycle.apply import apply_updates
from payments.lifecycle.updates import PaymentUpdate
from payments.models import Payment, PaymentAccount, PaymentException, PaymentExceptionStep, RefundRequest
from payments.providers.types import UpdateKind
from payments.refunds import late_payments
from payments.tests.builders import build_alipay, build_payment
from payments.tests.steps import run_together
from scripts.processes import wait_until

pytestmark = pytest.mark.django_db


def payment_update(payment: Payment, **changes: object) -> PaymentUpdate:
    values = {
        "account_id": payment.account_id, "kind": UpdateKind.PAYMENT, "reference": payment.reference,
        "evidence": Evidence("query", payment.reference, "ab"), "seen_at": timezone.now(),
        "provider_reference": f"T{payment.pk:06d}", "amount": payment.amount, **changes,
    }  # fmt: skip
    return PaymentUpdate(**values)  # type: ignore[arg-type]


def paid_late(policy: str, status: str = "closed") -> Payment:
    """An attempt that is paid although its order is closed, or paid otherwise."""
    account: PaymentAccount = build_alipay()
    Merchant.objects.update(late_payments=policy)
    payment = build_payment(account, order=build_order_in(status, merchant=account.merchant))
    apply_updates([payment_update(payment)])
    return payment


@pytest.mark.parametrize(("status", "kind"), [("closed", "order_closed"), ("paid", "already_paid")])
def test_rule_requests_the_refund(status: str, kind: str) -> None:
    payment = paid_late("refund", status)
    relay.run_relay()
    request = RefundRequest.objects.get()
    assert (request.payment, request.amount, request.proposer, request.status) == (
        payment, Decimal("199.00"), None, "approved",
    )  # fmt: skip
    case = PaymentException.objects.get()
    assert (case.kind, case.resolved_at) == (kind, None)
    step = PaymentExceptionStep.objects.get()
    assert (step.action, step.note, step.user) == ("refund_requested", request.reference, None)
    assert Order.objects.get(pk=payment.order_id).status == status


def test_confirmed_refund_resolves_the_case() -> None:
    payment = paid_late("refund")
    relay.run_relay()
    request = RefundRequest.objects.get()
    back = payment_update(
        payment, kind=UpdateKind.REFUND, refund_reference=request.reference, refunded_total=payment.amount
    )
    apply_updates([back])
    case = PaymentException.objects.get()
    assert (case.resolution, case.resolved_by, case.resolved_at is not None) == (
        "refunded in full",
        None,
        True,
    )
    assert Payment.objects.get().status == "refunded"
    assert Order.objects.get().status == "closed"


@pytest.mark.parametrize("status", ["closed", "paid"])
def test_manual_policy_leaves_case_open(status: str) -> None:
    paid_late("ask", status)
    relay.run_relay()
    assert not RefundRequest.objects.exists()
    assert PaymentException.objects.get().resolved_at is None


def test_repeated_event_requests_one_refund() -> None:
    paid_late("refund")
    relay.run_relay()
    case = PaymentException.objects.get()
    event = Delivered(1, "payment.exception_raised", case.pk, case.created_at, {"kind": str(case.kind)})
    assert late_payments.handle_exception_raised([event, event]) == [None, None]
    assert (RefundRequest.objects.count(), PaymentExceptionStep.objects.count()) == (1, 1)


def test_second_trade_is_not_refunded_by_rule() -> None:
    """Its refund would be that of the order's own money: a person decides."""
    account = build_alipay()
    Merchant.objects.update(late_payments="refund")
    payment = build_payment(account)
    apply_updates([payment_update(payment)])
    apply_updates([payment_update(payment, provider_reference="ANOTHER01")])
    relay.run_relay()
    assert PaymentException.objects.get().kind == "already_paid"
    assert not RefundRequest.objects.exists()


def test_unrefundable_case_stays_open_with_note() -> None:
    payment = paid_late("refund")
    config = {name: value for name, value in payment.account.config.items() if name != "gateway"}
    PaymentAccount.objects.update(config=config, provider="webhook")
    relay.run_relay()
    assert not RefundRequest.objects.exists()
    assert PaymentException.objects.get().resolved_at is None
    assert PaymentExceptionStep.objects.get().action == "noted"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_revived_order_keeps_its_money() -> None:
    """The rule finds the case, and waits for the order that two persons are reviving."""
    payment = paid_late("refund")
    case = PaymentException.objects.get()
    event = Delivered(1, "payment.exception_raised", case.pk, case.created_at, {"kind": str(case.kind)})
    held, waits = threading.Event(), threading.Event()

    def revive() -> None:
        with transaction.atomic():
            lifecycle.lock([payment.order_id])
            held.set()
            assert wait_until(somebody_waits, 10)
            waits.set()
            Payment.objects.filter(pk=payment.pk).update(is_surplus=False)

    def refund() -> None:
        assert held.wait(10)
        with transaction.atomic():
            late_payments.handle_exception_raised([event])

    run_together(revive, refund)
    assert waits.is_set()
    assert not RefundRequest.objects.exists()


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
        return cursor.fetchone() is not None
