"""After a database was restored or failed over: what providers were told «success» for, and we have forgotten.

They will not call again. So everybody is asked: for each attempt of the window that is not settled here, closed ones
too (they may have been paid in the time that is lost), and for the bills of the window, which also name what we do not
know at all. What comes of it goes through the usual doors.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db.models import Count, Q
from django.utils import timezone

from ordersite.lib.china_time import BEIJING
from payments.models import BillFetch, Payment, PaymentAccount, PaymentStatus
from payments.models.payment import UNDECIDED, UNSETTLED, PaymentQuerySet
from payments.polling.poll import poll_providers
from payments.reconciliation.fetch import fetch_days

# The pause between two polls when no account may be called, because their circuits are open.
REST_SECONDS = 1.0

Told = Callable[[int, int], None]


@dataclass(slots=True)
class Recovered:
    """`asked`: attempts of the window that were not settled here. `paid`: those that turned out to be paid.
    `unanswered`: those that could not be queried in time; polling goes on with them."""

    asked: int = 0
    paid: int = 0
    refunded: int = 0
    closed: int = 0
    undecided: int = 0
    unanswered: int = 0
    bills: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, int | dict[str, int]]:
        return {name: getattr(self, name) for name in self.__slots__}


def recover_payments(
    since: datetime, *, patience: timedelta, told: Told = lambda done, of: None
) -> Recovered:
    """Ask for all that lived at or after `since` (UTC), within `patience`; `told` hears how far it is.

    Runs beside the workers, at the rate and with the circuit breaker of each account. May be run again: who is settled
    is not asked about, and what was applied is not applied twice.
    """
    before = _counts(since)
    marked_at = _mark(since)
    total = sum(before.get(status, 0) for status in UNSETTLED)
    unanswered = _ask_all(since, marked_at, patience=patience, told=lambda left: told(total - left, total))
    after = _counts(since)
    return Recovered(
        asked=total,
        paid=after.get(PaymentStatus.PAID, 0) - before.get(PaymentStatus.PAID, 0),
        refunded=after.get(PaymentStatus.REFUNDED, 0) - before.get(PaymentStatus.REFUNDED, 0),
        closed=after.get(PaymentStatus.CLOSED, 0),
        undecided=sum(after.get(status, 0) for status in UNDECIDED),
        unanswered=unanswered,
    )


def _window(since: datetime) -> PaymentQuerySet:
    """Attempts that could be paid at some moment since then."""
    return Payment.objects.filter(Q(created_at__gte=since) | Q(expires_at__gte=since)).order_by()


def _counts(since: datetime) -> dict[str, int]:
    return dict(_window(since).values_list("status").annotate(n=Count("pk")))


def _mark(since: datetime) -> datetime:
    """Have all of them asked now. Whoever still bears this very moment has not been asked yet."""
    now = timezone.now()
    _window(since).unsettled().update(next_query_at=now)
    return now


def _ask_all(
    since: datetime, marked_at: datetime, *, patience: timedelta, told: Callable[[int], None]
) -> int:
    """Returns how many could not be queried: their account's circuit is open, or time ran out."""
    until = time.monotonic() + patience.total_seconds()
    waiting = _window(since).filter(next_query_at=marked_at)
    while left := waiting.count():
        told(left)
        if time.monotonic() >= until:
            return left
        if not poll_providers():
            time.sleep(REST_SECONDS)
    told(0)
    return 0


def bill_days(since: datetime, *, until: datetime) -> list[date]:
    """The days (Beijing) whose bills may name what was lost; the day of `until` has none yet."""
    first, last = since.astimezone(BEIJING).date(), until.astimezone(BEIJING).date()
    return [first + timedelta(days=number) for number in range((last - first).days)]


def fetch_bills(since: datetime) -> Iterator[BillFetch]:
    """Fetch and match the bills of the window, account by account. Settling what they show is a person's work."""
    days = bill_days(since, until=timezone.now())
    for account in PaymentAccount.objects.order_by("pk"):
        yield from fetch_days(account, days)
