"""Records a provider's answer about a refund: a payment update for the payment door, and the next try.

An unknown outcome is resolved here: query the same number, order it again under that number, or open a case.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from orders.history.lines import Evidence
from payments.cases.open import Case, fact_key, open_cases
from payments.lifecycle.apply import apply_updates
from payments.lifecycle.updates import PaymentUpdate
from payments.models import PaymentException, RefundRequest, RefundStatus
from payments.providers.registry import get_provider
from payments.providers.types import RefundResult, RefundState, UpdateKind
from payments.refunds.call import RefundCall, RefundCallResult

# A refund takes from seconds to days (WeChat: query five times a minute apart, then wider).
_PAUSES = ((5, timedelta(minutes=1)), (8, timedelta(minutes=5)), (12, timedelta(minutes=15)))
_LONGEST_PAUSE = timedelta(hours=1)
# Pause before the query after an order without an answer, so that the provider knows of it (Alipay asks for 10 s).
_QUERY_AFTER = timedelta(seconds=10)
# How long a provider may not take an order (or say nothing usable about it), or have it under way, before a case is
# opened.
NOT_TAKEN = timedelta(hours=1)
TAKES_LONG = timedelta(days=3)
_KINDS = {
    RefundState.SUCCEEDED: UpdateKind.REFUND,
    RefundState.FAILED: UpdateKind.REFUND_FAILED,
    RefundState.ABNORMAL: UpdateKind.REFUND_ABNORMAL,
}


def record_result(result: RefundCallResult) -> None:
    """Apply the answer and set the time of the next try. Call outside of transactions."""
    now = timezone.now()
    if result.answer and result.answer.state in _KINDS:
        apply_updates([_update(result.call, result.answer, now)])
    with transaction.atomic():
        request = RefundRequest.objects.lock(result.call.request.pk)
        _schedule(request, result, now)
        if request.is_at_work and _is_stuck(request, result, now):
            open_cases([_case(request)])


def _update(call: RefundCall, answer: RefundResult, now: datetime) -> PaymentUpdate:
    request = call.request
    succeeded = answer.state is RefundState.SUCCEEDED
    return PaymentUpdate(
        account_id=request.account_id,
        kind=_KINDS[answer.state],
        reference=request.payment.reference,
        evidence=Evidence(
            "query",
            request.reference,
            hashlib.sha256(answer.raw.encode()).hexdigest(),
            call.keys.fingerprint if call.keys else "",
        ),
        seen_at=now,
        refund_reference=request.reference,
        refund_amount=(answer.amount or request.amount) if succeeded else request.amount,
        refunded_total=answer.refunded_total if succeeded else None,
        detail=answer.detail,
    )


def _schedule(request: RefundRequest, result: RefundCallResult, now: datetime) -> None:
    """Record the answer; plan the next try only where our claim still stands and nothing has ended it."""
    request.last_answer = _summary(result)
    if request.next_try_at == result.call.lease and request.is_at_work:
        if _is_under_way(request, result):
            request.order_out()
        request.to_order = result.is_nothing_there
        request.next_try_at = next_try_at(request, result, now=now)
    request.save(update_fields=["status", "last_answer", "to_order", "next_try_at"])


def _is_under_way(request: RefundRequest, result: RefundCallResult) -> bool:
    """Whether the provider has the order or may have it, as after an order without a usable answer."""
    if request.status == RefundStatus.ABNORMAL:
        return result.answer is not None and result.answer.state is RefundState.PROCESSING
    return request.status == RefundStatus.APPROVED and not result.is_nothing_there


def next_try_at(request: RefundRequest, result: RefundCallResult, *, now: datetime) -> datetime:
    """When the request is tried next (UTC). `request.attempts` counts the try that was just made."""
    pause = next((pause for most, pause in _PAUSES if request.attempts <= most), _LONGEST_PAUSE)
    if request.status == RefundStatus.ABNORMAL:
        return now + _LONGEST_PAUSE
    if result.error and result.call.is_order and not result.error.outcome_known:
        return now + min(pause, _QUERY_AFTER)
    if result.answer and result.answer.state is RefundState.NOT_DONE and request.attempts <= 2:
        gap = get_provider(result.call.request.account.provider).refund_gap
        return max(now, (request.ordered_at or now) + gap)
    return now + pause


def _is_stuck(request: RefundRequest, result: RefundCallResult, now: datetime) -> bool:
    """Whether the provider has taken too long, counted from the decision.

    Answers that cannot be used, and refused queries, do not become better by waiting for days.
    """
    waited = now - (request.decided_at or request.created_at)
    is_useless = result.error is not None and not result.is_outage
    is_untaken = result.error is not None and request.status == RefundStatus.APPROVED
    return waited >= (NOT_TAKEN if is_useless or is_untaken else TAKES_LONG)


def _case(request: RefundRequest) -> Case:
    return Case(
        kind=PaymentException.Kind.REFUND_TROUBLE,
        dedup_key=fact_key("slow", request.reference),
        account_id=request.account_id,
        order_id=request.order_id,
        payment_id=request.payment_id,
        amount=request.amount,
        detail={"refund_reference": request.reference, "last_answer": request.last_answer},
    )


def _summary(result: RefundCallResult) -> str:
    if result.answer is None:
        return str(result.error)[:200]
    return f"{result.answer.state} {result.answer.detail}".strip()[:200]
