"""The lane that takes approved refunds to their providers and asks what became of them, by the pace of each account.

A claim is one committed UPDATE. It notes before the call that the provider may have the order, so that after a crash
the same number is asked for first and then ordered again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F, Max, OuterRef, QuerySet
from django.utils import timezone

from ordersite.queue.wakeups import hint
from payments.models import PaymentAccount, RefundRequest
from payments.models.refund_request import AT_WORK
from payments.provider_calls import throttle
from payments.provider_calls.runner import Work, readable_keys, run
from payments.providers.registry import get_provider
from payments.refunds.approval import ORDER_HINT
from payments.refunds.call import Tried, Try, attempt
from payments.refunds.record import record_try

# So many due requests of an account are looked through for those that may go now.
_MOST_SEEN = 50


def order_refunds() -> int:
    """Try what is due, for about 2.5 seconds; returns how many tries were made."""
    return run(ORDERING)


def _accounts(before: datetime) -> list[PaymentAccount]:
    due = RefundRequest.objects.filter(account=OuterRef("pk"), next_try_at__lte=timezone.now())
    return throttle.accounts_with(due, before=before)


def claim(held: throttle.Hold) -> list[Try]:
    """The due requests of the held account that may go now, each claimed by a committed UPDATE."""
    keys = readable_keys(held.account)
    gap = get_provider(held.account.provider).refund_gap
    due = RefundRequest.objects.filter(account=held.account, next_try_at__lte=held.began_at)
    tries: list[Try] = []
    for request in due.select_related("payment__account", "account").order_by("next_try_at", "pk")[
        :_MOST_SEEN
    ]:
        if len(tries) == held.size:
            break
        free_at = _free_at(request, gap) if request.to_order else held.began_at
        if free_at > held.began_at:
            _claimed(request).update(next_try_at=free_at)
        elif _take(request, held):
            tries.append(Try(request, keys, request.to_order, held.lease))
    return tries


def _free_at(request: RefundRequest, gap: timedelta) -> datetime:
    """When the provider takes the next refund of this payment."""
    of_payment = RefundRequest.objects.filter(payment_id=request.payment_id)
    last: datetime | None = of_payment.aggregate(last=Max("ordered_at"))["last"]
    return last + gap if last else request.created_at


def _claimed(request: RefundRequest) -> QuerySet[RefundRequest]:
    """The row as it was read; nothing where somebody has moved it meanwhile."""
    return RefundRequest.objects.filter(pk=request.pk, next_try_at=request.next_try_at)


def _take(request: RefundRequest, held: throttle.Hold) -> bool:
    at = held.began_at
    columns = {"to_order": False, "ordered_at": at} if request.to_order else {}
    taken = _claimed(request).update(
        next_try_at=held.lease, last_tried_at=at, attempts=F("attempts") + 1, **columns
    )
    return taken == 1


def _request(tried: Tried) -> RefundRequest:
    return tried.one.request


ORDERING = Work("refunds", _accounts, claim, attempt, record_try, _request)


def try_now(request: RefundRequest) -> bool:
    """Have the lane try a request at once; False where it has ended, or a try is under way at this moment."""
    waiting = RefundRequest.objects.filter(pk=request.pk, status__in=AT_WORK, next_try_at__isnull=False)
    # While a try lasts, `next_try_at` is its lease.
    marked = waiting.exclude(next_try_at=F("last_tried_at") + throttle.TURN_LEASE).update(
        next_try_at=timezone.now()
    )
    if marked:
        hint(ORDER_HINT)
    return bool(marked)
