"""From a finding that needs a person to the case that the person reads."""

from __future__ import annotations

from orders import machine
from payments.cases.open import Case, fact_key
from payments.lifecycle.updates import Finding, Outcome
from payments.models import Payment, PaymentException


def case_of(finding: Finding, payment: Payment | None, outcome: Outcome) -> Case:
    """What was said stands beside what we know, so that a person sees the difference."""
    numbers = (finding.reference, finding.provider_reference, finding.refund_reference)
    return Case(
        kind=PaymentException.Kind(outcome.value),
        dedup_key=fact_key(finding.account_id, *numbers),
        account_id=finding.account_id,
        order_id=payment.order_id if payment else None,
        payment_id=payment.pk if payment else None,
        notification_id=finding.notification_id,
        amount=finding.refund_amount if finding.amount is None else finding.amount,
        detail={**_said(finding), **_known(payment)},
        is_news=finding.trigger != machine.QUERY,
    )


def _said(finding: Finding) -> dict[str, object]:
    said = {
        "kind": str(finding.kind),
        "reference": finding.reference,
        "provider_reference": finding.provider_reference,
        "amount": finding.amount,
        "currency": finding.currency,
        "refund_reference": finding.refund_reference,
        "refunded_total": finding.refunded_total,
        "account_problem": finding.account_problem,
        "last_answer": finding.detail,
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
