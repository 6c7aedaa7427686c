"""The throttle of carrier accounts, and the claim of the parcel that is polled next."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, DateTimeField, F, Q, QuerySet, Value, When
from django.utils import timezone

from logistics.models import CarrierAccount, Shipment
from logistics.tracking.coverage import Coverage
from ordersite.database.skip_locked import claim_rows
from ordersite.outside_accounts.throttle import Throttle

# The lease is longer than the longest single query (20 s at the gateway), so that a live poller is never overtaken.
CARRIERS = Throttle(accounts=CarrierAccount, lease=timedelta(seconds=45), only_active=True)
MISCONFIGURED_BACKOFF = timedelta(minutes=10)
DAY = timedelta(days=1)
# A claimed query waits for its pace or for a free call: that long at most, and the floor is kept by as much more.
LONGEST_SLACK = timedelta(seconds=5)


def slack_of(floor: timedelta) -> timedelta:
    """How much later than its claim a query may be sent."""
    return min(floor / 10, LONGEST_SLACK)


def claim_next(coverage: Coverage, *, floor: timedelta, cap: int | None = None) -> Shipment | None:
    """Claim the due parcel that is polled next; None when none is due."""
    return next(iter(claim_due(coverage, floor=floor, cap=cap, limit=1)), None)


def claim_due(
    coverage: Coverage,
    *,
    floor: timedelta,
    cap: int | None = None,
    limit: int = 1,
    after: datetime | None = None,
) -> list[Shipment]:
    """Claim up to `limit` due parcels in the order of polling: important customers' first, then as they fell due.

    The claim counts as the query, so that floor and cap (queries in 24 hours) are kept although a process died with it.
    `after`: of the others, only those that fell due then (UTC) or later. It spares passing thousands of parcels of a
    carrier that is down once for every claim.
    """
    now = timezone.now()
    due = Shipment.objects.filter(
        merchant=coverage.account.merchant_id, next_check_at__lte=now, carrier__in=coverage.carriers
    ).order_by("next_check_at")
    # Two look-ups by index instead of one over all that is under way: in the index the due time follows the tier.
    important = _claim(due.filter(is_important=True), now=now, floor=floor, cap=cap, limit=limit)
    left = limit - len(important)
    usual = due.filter(is_important=False)
    usual = usual.filter(next_check_at__gte=after) if after else usual
    plain = _claim(usual, now=now, floor=floor, cap=cap, limit=left) if left else []
    return important + plain


def claim_this(shipment: Shipment, *, floor: timedelta, cap: int | None = None) -> Shipment | None:
    """Claim this parcel, due or not; None within the floor, beyond the cap, or while another process has claimed it."""
    parcel = Shipment.objects.filter(pk=shipment.pk, next_check_at__isnull=False)
    return next(iter(_claim(parcel.order_by(), now=timezone.now(), floor=floor, cap=cap, limit=1)), None)


def _claim(
    parcels: QuerySet[Shipment], *, now: datetime, floor: timedelta, cap: int | None, limit: int
) -> list[Shipment]:
    is_free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    is_past_floor = Q(last_poll_at__isnull=True) | Q(last_poll_at__lte=now - floor - slack_of(floor))
    is_below_cap = Q(capped_until__isnull=True) | Q(capped_until__lte=now)
    values = {"leased_until": now + CARRIERS.lease, "last_poll_at": now, "checks": F("checks") + 1}
    claimed = claim_rows(
        parcels.filter(is_free, is_past_floor, is_below_cap),
        limit=limit,
        values=values if cap is None else {**values, **_counted(now=now, cap=cap)},
    )
    if not claimed:
        return []
    found = Shipment.objects.select_related("order").filter(pk__in=[pk for (pk,) in claimed])
    return sorted(found, key=lambda parcel: (parcel.next_check_at or now, parcel.pk))


def _counted(*, now: datetime, cap: int) -> dict[str, Any]:
    """Count the query of a claimed parcel; with the last one of the day it is not claimed again before the day is over."""
    is_new_day = Q(queries_since__isnull=True) | Q(queries_since__lte=now - DAY)
    used_up = Q(queries_today__gte=cap - 1)
    first_is_last = now + DAY if cap <= 1 else None
    return {
        "queries_since": Case(When(is_new_day, then=Value(now)), default=F("queries_since")),
        "queries_today": Case(When(is_new_day, then=Value(1)), default=F("queries_today") + 1),
        "capped_until": Case(
            When(is_new_day, then=Value(first_is_last, DateTimeField())),
            When(used_up, then=F("queries_since") + DAY),
            default=Value(None, DateTimeField()),
        ),
    }
