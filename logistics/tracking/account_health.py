"""How an account at a carrier does: when it last gave a usable answer, how its calls went lately, its parcels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from logistics.models import CarrierAccount, CarrierCall, Shipment
from logistics.models.carrier_call import USABLE
from logistics.tracking.coverage import coverages

# Of a busy account the newest calls say it all, and reading a day's would take a second.
MOST_CALLS = 5_000
MOST_PARCELS = 10_000
# An account that answers many times a second has its row written once in this time.
EXACT_TO = timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of a span of time. `is_all` is False where only the newest MOST_CALLS were looked at.

    `median_ms` and `p95_ms` are of whole calls; None without any.
    """

    number: int
    usable: int
    median_ms: int | None
    p95_ms: int | None
    is_all: bool

    @property
    def share(self) -> float | None:
        """The share that brought a usable answer, 0 to 1; None without calls."""
        return self.usable / self.number if self.number else None


@dataclass(frozen=True, slots=True)
class AccountHealth:
    """`parcels` are polled through the account now, at most MOST_PARCELS counted."""

    last_hour: Calls
    last_day: Calls
    parcels: int


def health_of(account: CarrierAccount, now: datetime | None = None) -> AccountHealth:
    """Three queries, whatever the size of the log. `now` is UTC."""
    now = now or timezone.now()
    newest = CarrierCall.objects.filter(account=account).order_by("-id")[:MOST_CALLS]
    rows = list(newest.values_list("at", "result", "duration_ms", "is_first"))
    is_cut = len(rows) == MOST_CALLS
    return AccountHealth(_calls(rows, now - HOUR, is_cut), _calls(rows, now - DAY, is_cut), _parcels(account))


def _calls(rows: Sequence[tuple[datetime, str, int, bool]], since: datetime, is_cut: bool) -> Calls:
    recent = [row for row in rows if row[0] >= since]
    took = sorted(ms for _at, _result, ms, is_first in recent if is_first)
    return Calls(
        number=len(recent),
        usable=sum(result in USABLE for _at, result, _ms, _is_first in recent),
        median_ms=percentile(took, 0.5),
        p95_ms=percentile(took, 0.95),
        is_all=not (is_cut and len(recent) == len(rows)),
    )


def percentile(ordered: Sequence[int], share: float) -> int | None:
    """The least value that `share` of the ordered values do not exceed."""
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)] if ordered else None


def _parcels(account: CarrierAccount) -> int:
    found = [one for one in coverages(merchant_id=account.merchant_id) if one.account.pk == account.pk]
    if not found:
        return 0
    polled = Shipment.objects.filter(
        merchant=account.merchant_id, next_check_at__isnull=False, carrier__in=found[0].carriers
    )
    return polled.order_by()[: MOST_PARCELS + 1].count()


def note_answer(account_id: int) -> None:
    """The account gave a usable answer: a route, that it knows none, or that this one query cannot be answered."""
    now = timezone.now()
    is_old = Q(last_answer_at__isnull=True) | Q(last_answer_at__lt=now - EXACT_TO) | Q(last_answer_at__gt=now)
    rows = CarrierAccount.objects.filter(is_old | ~Q(last_problem=""), pk=account_id)
    rows.update(last_answer_at=now, last_problem="")


def note_problem(account_id: int, problem: str) -> None:
    """The account gave no usable answer; `problem` is a code, or a code and the carrier's own words."""
    CarrierAccount.objects.filter(pk=account_id).exclude(last_problem=problem).update(last_problem=problem)
