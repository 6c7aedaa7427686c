"""Orders approved refunds at their providers and queries their state, at the rate of each account.

What an answer means, and what follows an unknown one (query, order again, or a case), stands in `record`.

A claim is one committed UPDATE. It notes before the call that the provider may have the order, so that after a crash
the same number is queried first and then ordered again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F, Max, OuterRef, QuerySet
from django.utils import timezone

from ordersite.outside_accounts.throttle import Lease
from ordersite.queue.wakeups import wake
from payments.models import PaymentAccount, RefundRequest
from payments.provider_calls.runner import CallKind, readable_keys, run
from payments.provider_calls.throttle import PROVIDERS
from payments.providers.registry import get_provider
from payments.refunds.approval import REFUND_TASK
from payments.refunds.call import RefundCall, RefundCallResult, call_provider
from payments.refunds.record import record_result

# How many due requests of an account are read to find those that may go out now.
_MOST_SEEN = 50


def order_refunds() -> int:
    """Make the calls that are due, for about 2.5 seconds; returns their number."""
    return run(REFUNDS)


def _accounts(before: datetime) -> list[PaymentAccount]:
    due = RefundRequest.objects.due(timezone.now()).filter(account=OuterRef("pk"))
    return PROVIDERS.ready(due, before=before)


def claim(lease: Lease[PaymentAccount]) -> list[RefundCall]:
    """Claim the account's due requests that may go out now, each by a committed UPDATE."""
    account, now = lease.account, lease.taken_at
    keys, gap = readable_keys(account), get_provider(account.provider).refund_gap
    due = RefundRequest.objects.due(now).filter(account=account)
    due = due.select_related("payment__account", "account").order_by("next_try_at", "pk")
    calls: list[RefundCall] = []
    for request in due[:_MOST_SEEN]:
        if len(calls) == lease.size:
            break
        allowed_at = _allowed_at(request, gap) if request.to_order else now
        if allowed_at > now:
            _unchanged(request).update(next_try_at=allowed_at)
        elif _take(request, lease):
            calls.append(RefundCall(request, keys, request.to_order, lease.until))
    return calls


def _allowed_at(request: RefundRequest, gap: timedelta) -> datetime:
    """When the provider takes the next refund of this payment."""
    of_payment = RefundRequest.objects.filter(payment_id=request.payment_id)
    last: datetime | None = of_payment.aggregate(last=Max("ordered_at"))["last"]
    return last + gap if last else request.created_at


def _unchanged(request: RefundRequest) -> QuerySet[RefundRequest]:
    """The row as it was read; no row where its next try has been changed meanwhile."""
    return RefundRequest.objects.filter(pk=request.pk, next_try_at=request.next_try_at)


def _take(request: RefundRequest, lease: Lease[PaymentAccount]) -> bool:
    at = lease.taken_at
    columns = {"to_order": False, "ordered_at": at} if request.to_order else {}
    taken = _unchanged(request).update(
        next_try_at=lease.until, last_tried_at=at, attempts=F("attempts") + 1, **columns
    )
    return taken == 1


def _request(result: RefundCallResult) -> RefundRequest:
    return result.call.request


REFUNDS = CallKind("refunds", _accounts, claim, call_provider, record_result, _request)


def try_now(request: RefundRequest) -> bool:
    """Make a request due at once; False where it has ended, or a call about it is under way at this moment."""
    waiting = RefundRequest.objects.at_work().filter(pk=request.pk, next_try_at__isnull=False)
    # While a call lasts, `next_try_at` is its lease.
    marked = waiting.exclude(next_try_at=F("last_tried_at") + PROVIDERS.lease).update(
        next_try_at=timezone.now()
    )
    if marked:
        wake(REFUND_TASK)
    return bool(marked)
