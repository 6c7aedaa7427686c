"""Records the result of a query: payment updates are applied, the next poll is scheduled."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from orders.history.lines import Evidence
from payments.cases.open import Case, open_cases
from payments.lifecycle.apply import apply_updates
from payments.lifecycle.updates import PaymentUpdate
from payments.models import Payment, PaymentException, PaymentQuery
from payments.polling.call import QueryResult
from payments.polling.schedule import EXPIRY_GRACE, next_poll_at
from payments.providers.types import TradeResult, TradeState, UpdateKind

# A case is opened when a provider has given no usable answer for so long about an attempt that waits to be closed.
SILENT_AFTER = timedelta(hours=24)


def record_result(result: QueryResult) -> None:
    """Apply the provider's answer, keep it and schedule the next poll. Call outside transactions."""
    payment, now = result.query.payment, timezone.now()
    if updates := _updates(result, now):
        apply_updates(updates)
    _keep_answer(result, now)
    _schedule(result, now)
    if result.error and payment.close_wanted_at and now - payment.close_wanted_at >= SILENT_AFTER:
        _open_case(result)


def _updates(result: QueryResult, now: datetime) -> list[PaymentUpdate]:
    if result.error:
        return []
    answer = result.answer or TradeResult(state=TradeState.NOT_FOUND, raw="not_applicable")
    if answer.state in (TradeState.PAID, TradeState.REFUNDED):
        return [_money_update(result, answer, now)]
    if answer.state is TradeState.CLOSED or (answer.state is TradeState.NOT_FOUND and _is_final(result, now)):
        return [_update(result, answer, UpdateKind.CLOSED, now)]
    return []


def _is_final(result: QueryResult, now: datetime) -> bool:
    """Whether «not known» means closed: only after the expiry, since a buyer may still have the payment page open."""
    payment = result.query.payment
    return payment.close_wanted_at is not None and now >= payment.expires_at + EXPIRY_GRACE


def _money_update(result: QueryResult, answer: TradeResult, now: datetime) -> PaymentUpdate:
    """The payment, with what went back of it, so that the order is never paid without its refunds."""
    kind = UpdateKind.PAID_REFUNDED if answer.is_refunded else UpdateKind.PAYMENT
    update = _update(result, answer, kind, now)
    return replace(update, full_refund=answer.state is TradeState.REFUNDED)


def _update(result: QueryResult, answer: TradeResult, kind: UpdateKind, now: datetime) -> PaymentUpdate:
    payment = result.query.payment
    return PaymentUpdate(
        account_id=payment.account_id,
        kind=kind,
        reference=payment.reference,
        evidence=Evidence(
            "query",
            payment.reference,
            hashlib.sha256(answer.raw.encode()).hexdigest(),
            result.query.keys.fingerprint if result.query.keys else "",
        ),
        seen_at=now,
        provider_reference=answer.provider_reference,
        amount=answer.amount,
        currency=answer.currency,
        occurred_at=answer.paid_at,
        refunded_total=answer.refunded_total,
    )


def _open_case(result: QueryResult) -> None:
    payment = result.query.payment
    case = Case(
        kind=PaymentException.Kind.PROVIDER_SILENT,
        dedup_key=payment.reference,
        account_id=payment.account_id,
        order_id=payment.order_id,
        payment_id=payment.pk,
        amount=payment.amount,
        detail={"last_answer": _summary(result)},
    )
    with transaction.atomic():
        open_cases([case])


def _keep_answer(result: QueryResult, now: datetime) -> None:
    """Add the answer to the attempt's log: the same answer again only counts up the last row.

    A buyer's page queries every 3 s: a row for each of them would bury what is worth reading.
    """
    payment_id, error = result.query.payment.pk, result.error
    row = PaymentQuery(payment_id=payment_id, first_at=now, last_at=now)
    if error:
        row.error_code, row.error = error.code, error.message[:200]
    else:
        row.answer = _summary(result)
    last = PaymentQuery.objects.latest_of([payment_id]).filter(answer=row.answer, error_code=row.error_code)
    if not last.update(times=F("times") + 1, last_at=now, error=row.error):
        row.save(force_insert=True)


def _schedule(result: QueryResult, now: datetime) -> None:
    """Store the answer, and the next poll unless a request to close has replaced our lease meanwhile."""
    attempt = Payment.objects.filter(pk=result.query.payment.pk)
    attempt.update(last_answer=_summary(result))
    if result.query.lease:
        claimed = attempt.filter(next_query_at=result.query.lease)
        claimed.undecided().update(next_query_at=_next_time(result, now))
        # A decided attempt is polled once, when a refund was notified and the provider may know more of it.
        is_unanswered = result.error is not None and now - result.query.payment.created_at < SILENT_AFTER
        claimed.decided().update(next_query_at=_next_time(result, now) if is_unanswered else None)


def _next_time(result: QueryResult, now: datetime) -> datetime | None:
    """When to poll next (UTC); None where the account cannot be queried and nobody wants the attempt closed."""
    payment = result.query.payment
    if result.answer or result.error:
        return next_poll_at(payment, now=now)
    return payment.expires_at + EXPIRY_GRACE if payment.close_wanted_at else None


def _summary(result: QueryResult) -> str:
    if result.error:
        return str(result.error)[:200]
    return str(result.answer.state) if result.answer else "not_applicable"
