"""Turns a payment update that needs a person into the case that the person reads."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from orders import machine
from ordersite.lib.money import ZERO
from payments.cases.open import Case, fact_key
from payments.lifecycle.updates import Outcome, PaymentUpdate
from payments.models import Payment, PaymentException
from payments.providers.types import UpdateKind

_Kind = PaymentException.Kind
_KINDS: Mapping[Outcome, PaymentException.Kind] = {
    Outcome.UNKNOWN_ORDER: _Kind.UNKNOWN_ORDER,
    Outcome.AMOUNT_MISMATCH: _Kind.AMOUNT_MISMATCH,
    Outcome.WRONG_ACCOUNT: _Kind.WRONG_ACCOUNT,
    Outcome.ALREADY_PAID: _Kind.ALREADY_PAID,
    Outcome.ORDER_CLOSED: _Kind.ORDER_CLOSED,
    Outcome.ORDER_REFUSED: _Kind.ORDER_REFUSED,
    Outcome.REFERENCE_CONFLICT: _Kind.REFERENCE_CONFLICT,
    Outcome.REFUND_EVENT: _Kind.REFUND_EVENT,
    Outcome.REFUND_TROUBLE: _Kind.REFUND_TROUBLE,
    Outcome.REVERSED: _Kind.REVERSED,
    Outcome.UNCLEAR: _Kind.UNCLEAR,
}
_REFUNDS = frozenset({UpdateKind.REFUND, UpdateKind.REFUND_FAILED, UpdateKind.REFUND_ABNORMAL})


def case_of(
    update: PaymentUpdate, payment: Payment | None, outcome: Outcome, *, risen: Decimal = ZERO
) -> Case:
    """Build the case of this outcome; what the provider reported stands beside what we know.

    `risen` is by how much (yuan) the payment's refunded sum has risen.
    """
    numbers = [update.reference, update.provider_reference, update.refund_reference]
    if not any(numbers):
        # A message that names nothing is a fact of its own.
        numbers = ["notification", str(update.notification_id)]
    return Case(
        kind=_KINDS[outcome],
        dedup_key=fact_key(update.account_id, *numbers),
        account_id=update.account_id,
        order_id=payment.order_id if payment else None,
        payment_id=payment.pk if payment else None,
        notification_id=update.notification_id,
        amount=_amount(update, outcome, payment, risen),
        detail={**_reported(update), **_known(payment)},
        is_news=update.trigger != machine.QUERY,
    )


def case_of_kept_out(payment: Payment, update: PaymentUpdate) -> Case:
    """Build the case of money that its order had refused, and that another attempt has made surplus now."""
    detail = {
        "kind": str(UpdateKind.PAYMENT),
        "reference": payment.reference,
        "provider_reference": payment.provider_reference,
        "amount": payment.amount,
        "currency": payment.currency,
        "paid_by": update.reference,
    }
    return Case(
        kind=PaymentException.Kind.ALREADY_PAID,
        dedup_key=fact_key(payment.account_id, payment.reference, payment.provider_reference, ""),
        account_id=payment.account_id,
        order_id=payment.order_id,
        payment_id=payment.pk,
        amount=payment.amount - payment.refunded_amount,
        detail=detail,
    )


def _amount(
    update: PaymentUpdate, outcome: Outcome, payment: Payment | None, risen: Decimal
) -> Decimal | None:
    """The amount (yuan) that the case is about: of a refund what went back, never the whole payment beside it."""
    paid = payment.amount if payment else update.amount
    if update.kind not in _REFUNDS and outcome not in (Outcome.REFUND_EVENT, Outcome.REFUND_TROUBLE):
        return paid if update.amount is None else update.amount
    return update.refund_amount or risen or update.refunded_total or (paid if update.full_refund else None)


def _reported(update: PaymentUpdate) -> dict[str, object]:
    reported = {
        "kind": str(update.kind),
        "reference": update.reference,
        "provider_reference": update.provider_reference,
        "amount": update.amount,
        "currency": update.currency,
        "refund_reference": update.refund_reference,
        "refund_amount": update.refund_amount,
        "refunded_total": update.refunded_total,
        "account_problem": update.account_problem,
        "last_answer": update.detail,
    }
    return {name: value for name, value in reported.items() if value not in (None, "")}


def _known(payment: Payment | None) -> dict[str, object]:
    if payment is None:
        return {}
    return {
        "expected_amount": payment.amount,
        "expected_currency": payment.currency,
        "known_provider_reference": payment.provider_reference,
    }
