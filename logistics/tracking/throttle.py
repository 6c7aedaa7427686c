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


def claim_next(coverage: Coverage, *, floor: timedelta) -> Shipment | None:
    """Claim the due parcel that is polled next, important customers' first; None when none is due.

    The claim counts as the query, so that the floor is kept although a process died with the claim.
    """
    # Two look-ups by index instead of one over all that is under way: in the index the due time follows the tier.
    return _claim_due(coverage, floor, True) or _claim_due(coverage, floor, False)


def _claim_due(coverage: Coverage, floor: timedelta, is_important: bool) -> Shipment | None:
    now = timezone.now()
    due = Shipment.objects.filter(
        merchant=coverage.account.merchant_id,
        is_important=is_important,
        next_check_at__lte=now,
        carrier__in=coverage.carriers,
    )
    return _claim(due.order_by("next_check_at"), now=now, floor=floor)


def claim_this(shipment: Shipment, *, floor: timedelta) -> Shipment | None:
    """Claim this parcel, due or not; None within the floor or while another process has claimed it."""
    parcel = Shipment.objects.filter(pk=shipment.pk, next_check_at__isnull=False)
    return _claim(parcel.order_by(), now=timezone.now(), floor=floor)


def _claim(parcels: QuerySet[Shipment], *, now: datetime, floor: timedelta) -> Shipment | None:
    is_free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    is_past_floor = Q(last_poll_at__isnull=True) | Q(last_poll_at__lte=now - floor)
    claimed = claim_rows(
        parcels.filter(is_free, is_past_floor),
        limit=1,
        values={"leased_until": now + CARRIERS.lease, "last_poll_at": now, "checks": F("checks") + 1},
    )
    if not claimed:
        return None
    return Shipment.objects.select_related("order").get(pk=claimed[0][0])
