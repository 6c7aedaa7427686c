"""The throttle of carrier accounts, and the claim of the parcel that is polled next."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from logistics.models import CarrierAccount, Shipment
from logistics.tracking.coverage import Coverage
from ordersite.database.skip_locked import claim_rows
from ordersite.outside_accounts.throttle import Throttle

# The lease is longer than the longest single query (20 s at the gateway), so that a live poller is never overtaken.
CARRIERS = Throttle(accounts=CarrierAccount, lease=timedelta(seconds=45), only_active=True)
MISCONFIGURED_BACKOFF = timedelta(minutes=10)
DAY = timedelta(days=1)


def claim_next(coverage: Coverage, *, floor: timedelta, cap: int | None = None) -> Shipment | None:
    """Claim the due parcel that is polled next, important customers' first; None when none is due.

    The claim counts as the query, so that floor and cap (queries in 24 hours) are kept although a process died with it.
    """
    # Two look-ups by index instead of one over all that is under way: in the index the due time follows the tier.
    return _claim_due(coverage, floor, cap, True) or _claim_due(coverage, floor, cap, False)


def _claim_due(coverage: Coverage, floor: timedelta, cap: int | None, is_important: bool) -> Shipment | None:
    now = timezone.now()
    due = Shipment.objects.filter(
        merchant=coverage.account.merchant_id,
        is_important=is_important,
        next_check_at__lte=now,
        carrier__in=coverage.carriers,
    )
    return _claim(due.order_by("next_check_at"), now=now, floor=floor, cap=cap)


def claim_this(shipment: Shipment, *, floor: timedelta, cap: int | None = None) -> Shipment | None:
    """Claim this parcel, due or not; None within the floor, beyond the cap, or while another process has claimed it."""
    parcel = Shipment.objects.filter(pk=shipment.pk, next_check_at__isnull=False)
    return _claim(parcel.order_by(), now=timezone.now(), floor=floor, cap=cap)


def _claim(
    parcels: QuerySet[Shipment], *, now: datetime, floor: timedelta, cap: int | None
) -> Shipment | None:
    is_free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    is_past_floor = Q(last_poll_at__isnull=True) | Q(last_poll_at__lte=now - floor)
    is_below_cap = Q(capped_until__isnull=True) | Q(capped_until__lte=now)
    claimed = claim_rows(
        parcels.filter(is_free, is_past_floor, is_below_cap),
        limit=1,
        values={"leased_until": now + CARRIERS.lease, "last_poll_at": now, "checks": F("checks") + 1},
    )
    if not claimed:
        return None
    parcel = Shipment.objects.select_related("order").get(pk=claimed[0][0])
    if cap is not None:
        _count(parcel, now=now, cap=cap)
    return parcel


def _count(parcel: Shipment, *, now: datetime, cap: int) -> None:
    """Count the query of a claimed parcel; with the last one of the day it is not claimed again before the day is over."""
    if parcel.queries_since is None or parcel.queries_since <= now - DAY:
        parcel.queries_since, parcel.queries_today = now, 0
    parcel.queries_today += 1
    parcel.capped_until = parcel.queries_since + DAY if parcel.queries_today >= cap else None
    Shipment.objects.filter(pk=parcel.pk).update(
        queries_since=parcel.queries_since,
        queries_today=parcel.queries_today,
        capped_until=parcel.capped_until,
    )
