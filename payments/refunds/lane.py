"""The lane that takes approved refunds to their providers and asks what became of them, by the pace of each account.

Whatever is called at an account, be it a question about a payment or a refund, holds the account's turn first: they
share its rate and its rest. A claim is one committed UPDATE. It notes before the call that the provider may have the
order, so that after a crash the same number is asked for first and then ordered again.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Max, OuterRef, QuerySet
from django.utils import timezone

from ordersite.lib.http import Gateway
from ordersite.rails.hints import hint
from payments import lane
from payments.models import RefundRequest
from payments.models.refund_request import AT_WORK
from payments.providers.registry import get_provider
from payments.query import IDLE_SECONDS, PACE_SECONDS, SLICE_SECONDS, readable_keys
from payments.refunds.answers import record_try
from payments.refunds.ordering import Tried, Try, attempt, refund_gap
from payments.refunds.request import ORDER_HINT

# So many due requests of an account are looked through for those that may go now.
_MOST_SEEN = 50

_GATEWAY = Gateway()

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Running:
    """An account's turn whose calls are out."""

    held: lane.Hold
    futures: list[Future[Tried]]

    @property
    def is_done(self) -> bool:
        return all(future.done() for future in self.futures)


def order_refunds() -> int:
    """Try what is due, account by account, for about SLICE_SECONDS; returns how many tries were made."""
    until = time.monotonic() + SLICE_SECONDS
    tried, running = 0, list[Running]()
    with ThreadPoolExecutor(lane.WORKERS, thread_name_prefix="refunds") as pool:
        while True:
            waiting = _begin_turns(pool, running) if time.monotonic() < until else False
            if not running and not waiting:
                return tried
            tried += _collect(running)


def _begin_turns(pool: ThreadPoolExecutor, running: list[Running]) -> bool:
    """Begin turns while workers are free; returns whether an account has work that may begin in a moment."""
    now = timezone.now()
    due = RefundRequest.objects.filter(account=OuterRef("pk"), next_try_at__lte=now)
    accounts = lane.accounts_with(due, before=now + timedelta(seconds=PACE_SECONDS))
    for account in accounts:
        busy = sum(len(one.futures) for one in running)
        if busy + lane.TURN_SIZE <= lane.WORKERS and (held := lane.hold(account)):
            tries = claim(held)
            running.append(Running(held, [pool.submit(attempt, one, _GATEWAY) for one in tries]))
    return bool(accounts)


def claim(held: lane.Hold) -> list[Try]:
    """The due requests of the held account that may go now, each claimed by a committed UPDATE."""
    keys = readable_keys(held.account)
    gap = refund_gap(get_provider(held.account.provider))
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


def _take(request: RefundRequest, held: lane.Hold) -> bool:
    at = held.began_at
    columns = {"to_order": False, "ordered_at": at} if request.to_order else {}
    taken = _claimed(request).update(
        next_try_at=held.lease, last_tried_at=at, attempts=F("attempts") + 1, **columns
    )
    return taken == 1


def _collect(running: list[Running]) -> int:
    """Wait a moment, record the turns that are done and give them back; returns how many tries that were."""
    open_calls = [future for one in running for future in one.futures if not future.done()]
    if open_calls:
        wait(open_calls, timeout=IDLE_SECONDS, return_when=FIRST_COMPLETED)
    elif not running:
        time.sleep(IDLE_SECONDS)
    finished = [one for one in running if one.is_done]
    for one in finished:
        running.remove(one)
        results = [future.result() for future in one.futures]
        for tried in results:
            _record(tried)
        lane.give_back(one.held, [tried.outage for tried in results], calls=len(results))
    return sum(len(one.futures) for one in finished)


def _record(tried: Tried) -> None:
    """The edge: an answer that cannot be recorded is kept as an error on its request and does not stop the others."""
    try:
        record_try(tried)
    except Exception as error:
        logger.exception("refund not recorded", extra={"reference": tried.one.request.reference})
        RefundRequest.objects.filter(pk=tried.one.request.pk).update(last_answer=repr(error)[:200])


def try_now(request: RefundRequest) -> bool:
    """Have the lane try a request at once; False where it has ended, or a try is under way at this moment."""
    waiting = RefundRequest.objects.filter(pk=request.pk, status__in=AT_WORK, next_try_at__isnull=False)
    # While a try lasts, `next_try_at` is its lease.
    marked = waiting.exclude(next_try_at=F("last_tried_at") + lane.TURN_LEASE).update(
        next_try_at=timezone.now()
    )
    if marked:
        hint(ORDER_HINT)
    return bool(marked)
