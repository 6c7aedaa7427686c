"""What an answer of a provider means here: findings for the payment door, and when to ask again."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from orders.history.lines import Evidence
from payments.cases.open import Case, open_cases
from payments.lifecycle.apply import apply_updates
from payments.lifecycle.updates import PaymentUpdate
from payments.models import Payment, PaymentException
from payments.polling.call import QueryResult
from payments.polling.schedule import EXPIRY_GRACE, next_question_at
from payments.providers.types import TradeResult, TradeState, UpdateKind

# So long may a provider be silent about an attempt that waits to be closed before a person is told.
SILENCE = timedelta(hours=24)


def record_answer(result: QueryResult) -> None:
    """Apply what the provider said and set the next time to ask. Call outside of transactions.

    One finding a batch: money that came and went back is two facts about one order.
    """
    payment, now = result.query.payment, timezone.now()
    for update in _updates(result, now):
        apply_updates([update])
    _ask_again(result, now)
    if result.is_outage and payment.close_wanted_at and now - payment.close_wanted_at >= SILENCE:
        _tell_a_person(result)


def _updates(result: QueryResult, now: datetime) -> list[PaymentUpdate]:
    if result.error:
        return []
    answer = result.answer or TradeResult(state=TradeState.NOT_FOUND, raw="not_applicable")
    if answer.state in (TradeState.PAID, TradeState.REFUNDED):
        return _money_updates(result, answer, now)
    if answer.state is TradeState.CLOSED or (answer.state is TradeState.NOT_FOUND and _is_final(result, now)):
        return [_update(result, answer, UpdateKind.CLOSED, now)]
    return []


def _is_final(result: QueryResult, now: datetime) -> bool:
    """«Not known» proves nothing while the provider still takes money: a buyer may have its page open."""
    payment = result.query.payment
    return payment.close_wanted_at is not None and now >= payment.expires_at + EXPIRY_GRACE


def _money_updates(result: QueryResult, answer: TradeResult, now: datetime) -> list[PaymentUpdate]:
    paid = _update(result, answer, UpdateKind.PAYMENT, now)
    if answer.state is TradeState.PAID:
        return [paid]
    return [paid, replace(paid, kind=UpdateKind.REFUND, occurred_at=None, full_refund=True)]


def _update(result: QueryResult, answer: TradeResult, kind: UpdateKind, now: datetime) -> PaymentUpdate:
    payment = result.query.payment
    return PaymentUpdate(
        account_id=payment.account_id,
        kind=kind,
        reference=payment.reference,
        evidence=Evidence("query", payment.reference, hashlib.sha256(answer.raw.encode()).hexdigest()),
        seen_at=now,
        provider_reference=answer.provider_reference,
        amount=answer.amount,
        currency=answer.currency,
        occurred_at=answer.paid_at,
        refunded_total=answer.refunded_total,
    )


def _tell_a_person(result: QueryResult) -> None:
    payment = result.query.payment
    case = Case(
        kind=PaymentException.Kind.PROVIDER_SILENT,
        dedup_key=payment.reference,
        account_id=payment.account_id,
        order_id=payment.order_id,
        payment_id=payment.pk,
        amount=payment.amount,
        detail={"last_answer": _words(result)},
    )
    with transaction.atomic():
        open_cases([case])


def _ask_again(result: QueryResult, now: datetime) -> None:
    """Write what was heard; the next time only where our claim still stands: a newer wish to close goes first."""
    attempt = Payment.objects.filter(pk=result.query.payment.pk)
    attempt.update(last_answer=_words(result))
    if result.query.lease:
        claimed = attempt.filter(next_query_at=result.query.lease)
        claimed.undecided().update(next_query_at=_next_time(result, now))
        # A decided one is asked for once, because a refund of money that we never saw came up.
        claimed.decided().update(next_query_at=None)


def _next_time(result: QueryResult, now: datetime) -> datetime | None:
    """None: nobody can be asked, and nobody wants it closed."""
    payment = result.query.payment
    if result.answer or result.error:
        return next_question_at(payment, now=now)
    return payment.expires_at + EXPIRY_GRACE if payment.close_wanted_at else None


def _words(result: QueryResult) -> str:
    if result.error:
        return str(result.error)[:200]
    return str(result.answer.state) if result.answer else "not_applicable"
