"""Recover payments whose webhooks were acknowledged but lost in a restore or fail-over of the database.

Providers do not send an acknowledged webhook again. So every attempt of the window that is not settled is polled, closed
ones too (they may have been paid in the lost time), and the bills of the window are fetched: they also name attempts that
were lost entirely. Results are applied as usual payment updates.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from ordersite.database.locking import update_in_order
from ordersite.lib.china_time import BEIJING
from payments.models import BillFetch, Payment, PaymentAccount, PaymentStatus
from payments.models.payment import UNDECIDED, UNSETTLED, PaymentQuerySet
from payments.polling.poll import poll_providers
from payments.reconciliation.fetch import fetch_days

# Pause between polls while every account's circuit is open.
PAUSE_SECONDS = 1.0
BATCH = 1_000

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Recovered:
    """Counts of one recovery.

    `asked`: unsettled attempts of the window. `paid`: those that the poll settled. `unanswered`: those that could not be
    polled in time; normal polling continues with them.
    """

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
    since: datetime, *, patience: timedelta, report: Progress = lambda done, total: None
) -> Recovered:
    """Poll every unsettled attempt that was payable at or after `since` (aware), for at most `patience`.

    `report` gets the number polled and the total. Runs beside the workers, within each account's rate limit and circuit
    breaker. Safe to repeat: settled attempts are skipped, and updates are idempotent.
    """
    before = _counts(since)
    marked_at = _mark(since)
    total = sum(before.get(status, 0) for status in UNSETTLED)
    unanswered = _poll_all(
        since, marked_at, patience=patience, report=lambda left: report(total - left, total)
    )
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
    """Return the attempts that were payable at some time since then."""
    return Payment.objects.filter(Q(created_at__gte=since) | Q(expires_at__gte=since)).order_by()


def _counts(since: datetime) -> dict[str, int]:
    return dict(_window(since).values_list("status").annotate(n=Count("pk")))


def _mark(since: datetime) -> datetime:
    """Make all unsettled attempts due for polling and return the timestamp that marks those not polled yet.

    In batches, each with its locks by primary key: workers go on beside it.
    """
    now, after = timezone.now(), 0
    unsettled = _window(since).unsettled()
    while ids := list(unsettled.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            update_in_order(Payment.objects.filter(pk__in=ids).unsettled(), next_query_at=now)
        after = ids[-1]
    return now


def _poll_all(
    since: datetime, marked_at: datetime, *, patience: timedelta, report: Callable[[int], None]
) -> int:
    """Poll until none is left or time runs out; return how many were not polled."""
    until = time.monotonic() + patience.total_seconds()
    waiting = _window(since).filter(next_query_at=marked_at)
    while left := waiting.count():
        report(left)
        if time.monotonic() >= until:
            return left
        if not poll_providers():
            time.sleep(PAUSE_SECONDS)
    report(0)
    return 0


def bill_days(since: datetime, *, until: datetime) -> list[date]:
    """Return the Beijing days of the window; the day of `until` is left out, since its bill does not exist yet."""
    first, last = since.astimezone(BEIJING).date(), until.astimezone(BEIJING).date()
    return [first + timedelta(days=number) for number in range((last - first).days)]


def fetch_bills(since: datetime) -> Iterator[BillFetch]:
    """Fetch and match the bills of the window, account by account. A person settles the differences."""
    days = bill_days(since, until=timezone.now())
    for account in PaymentAccount.objects.order_by("pk"):
        yield from fetch_days(account, days)
