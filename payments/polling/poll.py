"""Queries providers about undecided attempts on a widening schedule, and closes those that shall be closed.

Nothing here calls the outside inside a transaction. What a provider answers goes through the payment door as a payment
update; an attempt that stays undecided is queried again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import F, Q
from django.utils import timezone

from ordersite.lib.http import Gateway
from ordersite.outside_accounts.throttle import Lease
from ordersite.outside_accounts.web_calls import web_calls
from ordersite.queue.wakeups import wake
from payments.models import Payment, PaymentAccount
from payments.polling.call import QueryResult, StatusQuery, query_provider
from payments.polling.record import record_result
from payments.provider_calls.runner import CallKind, readable_keys, run
from payments.provider_calls.throttle import PROVIDERS, accounts_to_query, claim_payments

TASK = "payments.ask_providers"
LEAST_INTERVAL = timedelta(seconds=3)

# For a person who waits at a page: better «not known yet» soon than the answer late.
_PAGE_GATEWAY = Gateway(connect=1.0, read=3.0, write=2.0, total=4.0)


def poll_providers() -> int:
    """Query what is due, for about 2.5 seconds; returns the number of queried payments."""
    return run(QUERIES)


def _accounts(before: datetime) -> list[PaymentAccount]:
    return accounts_to_query(before=before)


def _claim(lease: Lease[PaymentAccount]) -> list[StatusQuery]:
    payments, keys = claim_payments(lease), readable_keys(lease.account)
    return [
        StatusQuery(payment, keys, close=payment.close_wanted_at is not None, lease=lease.until)
        for payment in payments
    ]


def _payment(result: QueryResult) -> Payment:
    return result.query.payment


QUERIES = CallKind("queries", _accounts, _claim, query_provider, record_result, _payment)


class NotQueried(StrEnum):
    """Why a query did not go out."""

    SETTLED = "settled"
    CIRCUIT_OPEN = "circuit_open"
    BUSY = "busy"
    TOO_SOON = "too_soon"


def query_now(payment: Payment) -> bool:
    """Query one undecided attempt at once, for a buyer who waits; at most every 3 s, and not while the account's
    circuit is open. Where the web threads wait for providers enough already, it becomes due and the workers query it.

    Returns whether it was queried. The payment instance is not refreshed.
    """
    return payment.is_undecided and isinstance(query_for_staff(payment), QueryResult)


def query_for_staff(payment: Payment) -> QueryResult | NotQueried:
    """Query one attempt whose money has not been seen at once, with the bounds of `query_now`.

    A closed one too: a buyer may have paid it, and its notification may be lost. The instance is not refreshed.
    """
    if payment.is_settled:
        return NotQueried.SETTLED
    if payment.account.is_circuit_open:
        return NotQueried.CIRCUIT_OPEN
    with web_calls().query(payment.account) as has_slot:
        if not has_slot:
            _query_soon(payment)
            return NotQueried.BUSY
        if not _may_query_again(payment):
            return NotQueried.TOO_SOON
        return _query(StatusQuery(payment, readable_keys(payment.account), close=False))


def _query_soon(payment: Payment) -> None:
    """Make the attempt due, unless it was queried a moment ago or a query is under way."""
    now = timezone.now()
    # While a query lasts, `next_query_at` is its lease.
    is_idle = Q(last_query_at__lte=now - LEAST_INTERVAL) & ~Q(
        next_query_at=F("last_query_at") + PROVIDERS.lease
    )
    waiting = Payment.objects.unsettled().filter(pk=payment.pk, next_query_at__gt=now)
    if waiting.filter(Q(last_query_at__isnull=True) | is_idle).update(next_query_at=now):
        wake(TASK)


def close_now(payment: Payment) -> QueryResult | None:
    """Mark an attempt as to be closed, query it and close it at once; None while the account's circuit is open, or
    while web threads wait for providers enough already.

    The mark is committed first, so that polling finishes the work if this process dies.
    """
    with web_calls().query(payment.account) as has_slot:
        return _close(payment, is_left=not has_slot or payment.account.is_circuit_open)


def _close(payment: Payment, *, is_left: bool) -> QueryResult | None:
    """Mark it and close it, or leave it to polling."""
    now = timezone.now()
    lease = now if is_left else now + PROVIDERS.lease
    undecided = Payment.objects.undecided().filter(pk=payment.pk)
    undecided.update(close_wanted_at=now, next_query_at=lease, last_query_at=now, queries=F("queries") + 1)
    payment.close_wanted_at = now
    if is_left:
        wake(TASK)
        return None
    return _query(StatusQuery(payment, readable_keys(payment.account), close=True, lease=lease))


def _query(query: StatusQuery) -> QueryResult:
    """Call outside the account's lease; the result counts for its circuit breaker all the same."""
    result = query_provider(query, _PAGE_GATEWAY)
    record_result(result)
    PROVIDERS.record_calls(query.payment.account_id, [result.is_outage])
    return result


def _may_query_again(payment: Payment) -> bool:
    """Claim the next query by a guarded UPDATE: one of all who look at the same moment gets it."""
    now = timezone.now()
    is_over = Q(last_query_at__isnull=True) | Q(last_query_at__lte=now - LEAST_INTERVAL)
    unsettled = Payment.objects.unsettled().filter(is_over, pk=payment.pk)
    return unsettled.update(last_query_at=now, queries=F("queries") + 1) == 1
