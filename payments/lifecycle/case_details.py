"""From a finding that needs a person to the case that the person reads."""

from __future__ import annotations

from orders import machine
from payments.cases.open import Case, fact_key
from payments.lifecycle.updates import Outcome, PaymentUpdate
from payments.models import Payment, PaymentException


def case_of(update: PaymentUpdate, payment: Payment | None, outcome: Outcome) -> Case:
    """What was said stands beside what we know, so that a person sees the difference."""
    numbers = (update.reference, update.provider_reference, update.refund_reference)
    return Case(
        kind=PaymentException.Kind(outcome.value),
        dedup_key=fact_key(update.account_id, *numbers),
        account_id=update.account_id,
        order_id=payment.order_id if payment else None,
        payment_id=payment.pk if payment else None,
        notification_id=update.notification_id,
        amount=update.refund_amount if update.amount is None else update.amount,
        detail={**_said(update), **_known(payment)},
        is_news=update.trigger != machine.QUERY,
    )


def _said(update: PaymentUpdate) -> dict[str, object]:
    said = {
        "kind": str(update.kind),
        "reference": update.reference,
        "provider_reference": update.provider_reference,
        "amount": update.amount,
        "currency": update.currency,
        "refund_reference": update.refund_reference,
        "refunded_total": update.refunded_total,
        "account_problem": update.account_problem,
        "last_answer": update.detail,
    }
    return {name: value for name, value in said.items() if value not in (None, "")}


def _known(payment: Payment | None) -> dict[str, object]:
    if payment is None:
        return {}
    return {
        "expected_amount": payment.amount,
        "expected_currency": payment.currency,
        "known_provider_reference": payment.provider_reference,
    }
