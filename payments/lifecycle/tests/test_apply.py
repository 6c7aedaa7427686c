"""The payment door: several updates of one order, updates from queries, and what must never pay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from orders import machine
from orders.history.lines import Evidence
from orders.models import Order, OrderEvent
from ordersite.lib.errors import DomainError
from ordersite.queue.models import OutboxEntry
from payments.cases.desk import resolve
from payments.lifecycle.apply import apply_updates
from payments.lifecycle.updates import PaymentUpdate, UpdateResult
from payments.models import Payment, PaymentException, Refund
from payments.providers.types import UpdateKind
from payments.tests import builders as build

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 22, 6, 2, 9, tzinfo=UTC)


def paid(payment: Payment, **changes: Any) -> PaymentUpdate:
    """The provider's answer that this attempt is paid."""
    update = PaymentUpdate(
        account_id=payment.account_id,
        kind=UpdateKind.PAYMENT,
        reference=payment.reference,
        evidence=Evidence("query", payment.reference, "ab"),
        seen_at=timezone.now(),
        provider_reference=f"T{payment.pk}",
        amount=payment.amount,
        occurred_at=AT,
    )
    return replace(update, **changes)


def outcomes(results: list[UpdateResult]) -> list[str]:
    return [result.outcome.value for result in results]


def state(payment: Payment) -> tuple[str, str]:
    fresh = Payment.objects.select_related("order").get(pk=payment.pk)
    return fresh.status, fresh.order.status


def untouched(payment: Payment) -> bool:
    """A refusal has changed nothing: neither state nor money nor history."""
    fresh = Payment.objects.select_related("order").get(pk=payment.pk)
    facts = (
        fresh.status,
        fresh.paid_at,
        fresh.provider_reference,
        fresh.order.status,
        fresh.order.history_seq,
    )
    return facts == ("open", None, "", "pending", 1)


def test_query_pays_with_its_own_trigger() -> None:
    payment = build.build_payment(build.build_alipay())
    results = apply_updates([paid(payment)])
    assert results == [UpdateResult(results[0].outcome, payment.pk, payment.order_id)]
    assert (outcomes(results), state(payment)) == (["applied"], ("paid", "paid"))
    line = OrderEvent.objects.get(order=payment.order, seq=2)
    assert (line.trigger, line.at) == ("query", AT)


def test_same_update_twice_in_one_call() -> None:
    payment = build.build_payment(build.build_alipay())
    assert outcomes(apply_updates([paid(payment), paid(payment)])) == ["applied", "duplicate"]
    assert OutboxEntry.objects.filter(name="order.paid").count() == 1


def test_paid_and_refunded_in_order() -> None:
    payment = build.build_payment(build.build_alipay())
    back = paid(payment, kind=UpdateKind.REFUND, full_refund=True)
    assert outcomes(apply_updates([paid(payment), back])) == ["applied", "refund_applied"]
    assert state(payment) == ("refunded", "refunded")
    refund = Refund.objects.get()
    assert (refund.amount, refund.refunded_at) == (Decimal("199.00"), AT)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"amount": Decimal("198.99")}, "amount_mismatch"),
        ({"amount": Decimal("199.01")}, "amount_mismatch"),
        ({"amount": None}, "amount_mismatch"),
        ({"currency": "USD"}, "amount_mismatch"),
        ({"account_problem": "wrong_app_id"}, "wrong_account"),
        ({"account_id": 999_999}, "wrong_account"),
    ],
)
def test_mismatch_never_pays(changes: dict[str, Any], outcome: str) -> None:
    payment = build.build_payment(build.build_alipay())
    update = paid(payment, **changes)
    if "account_id" in changes:
        update = replace(update, account_id=build.build_webhook().pk)
    assert outcomes(apply_updates([update])) == [outcome]
    assert untouched(payment)
    case = PaymentException.objects.get()
    assert (case.kind, case.payment_id, case.detail["expected_amount"]) == (outcome, payment.pk, "199.00")
    assert OutboxEntry.objects.filter(name="payment.exception_raised").count() == 1


def test_attempt_for_less_never_pays() -> None:
    payment = build.build_payment(build.build_alipay(), amount=Decimal("0.01"))
    assert outcomes(apply_updates([paid(payment)])) == ["amount_mismatch"]
    assert untouched(payment)


def test_one_open_case_for_one_fact() -> None:
    payment = build.build_payment(build.build_alipay())
    wrong = paid(payment, amount=Decimal("1.00"), trigger=machine.NOTIFICATION)
    apply_updates([wrong])
    apply_updates([wrong])
    case = PaymentException.objects.get()
    user = get_user_model().objects.create_user("wang")
    with pytest.raises(DomainError, match="note_missing"):
        resolve(case, user=user, note="  ")
    resolve(case, user=user, note="queried the provider")
    with pytest.raises(DomainError, match="already_resolved"):
        resolve(case, user=user, note="again")
    case.refresh_from_db()
    assert (case.resolution, case.resolved_by) == ("queried the provider", user)
    apply_updates([replace(wrong, trigger=machine.QUERY)])
    assert not PaymentException.objects.open().exists(), "a repeated query is no news"
    apply_updates([wrong])
    assert PaymentException.objects.open().count() == 1


def test_unknown_reference_waits_ten_minutes() -> None:
    payment = build.build_payment(build.build_alipay())
    young = paid(payment, reference="NOBODY")
    result = apply_updates([young])[0]
    assert (result.outcome.value, result.retry_after) == ("", timedelta(seconds=15))
    old = replace(young, seen_at=timezone.now() - timedelta(minutes=10))
    assert outcomes(apply_updates([old])) == ["unknown_order"]
    closed = replace(young, kind=UpdateKind.CLOSED)
    assert outcomes(apply_updates([closed])) == ["noted"]
    assert untouched(payment)


def test_closed_attempt_pays_a_pending_order() -> None:
    payment = build.build_payment(build.build_alipay())
    closed = paid(payment, kind=UpdateKind.CLOSED)
    assert outcomes(apply_updates([closed, closed, paid(payment)])) == [
        "closed_noted",
        "duplicate",
        "applied",
    ]
    assert state(payment) == ("paid", "paid")


def test_each_update_has_its_own_result() -> None:
    account = build.build_alipay()
    payments = [build.build_payment(account) for _ in range(4)]
    updates = [
        paid(payments[0]),
        paid(payments[1], amount=Decimal("1.00")),
        paid(payments[2], reference="NOBODY"),
        paid(payments[3], provider_reference=f"T{payments[0].pk}"),
    ]
    assert outcomes(apply_updates(updates)) == ["applied", "amount_mismatch", "", "reference_conflict"]
    assert [state(payment)[1] for payment in payments] == ["paid", "pending", "pending", "pending"]
    assert Order.objects.filter(status="paid").count() == 1


def test_impossible_time_is_replaced() -> None:
    payment = build.build_payment(build.build_alipay())
    update = paid(payment, occurred_at=datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    assert outcomes(apply_updates([update])) == ["applied"]
    assert Order.objects.get(pk=payment.order_id).paid_at == update.seen_at
