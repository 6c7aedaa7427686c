"""Polls one parcel at once for a person, makes parcels due now, and says which are polled first and sooner.

`next_check_at` of a parcel says when it is due; `run` polls what is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from logistics.models import CarrierAccount, Shipment
from logistics.tracking.coverage import coverage_of, floors_by_carrier, limit_of, pollers_limit
from logistics.tracking.pace import SECOND
from logistics.tracking.poller import Counts, Poller, poller_of
from logistics.tracking.throttle import claim_this, slack_of
from orders import lifecycle
from ordersite.database.locking import update_in_order
from ordersite.outside_accounts.web_calls import web_calls
from ordersite.queue import wakeups

TASK = "logistics.poll_tracking"


@dataclass(frozen=True, slots=True)
class Refresh:
    """The result of a refresh.

    `code` is refreshed, too_soon, arrived, too_old, no_account, circuit_open, busy_here (a worker polls it), failed or
    a code of `CARRIER_ERRORS`.
    `allowed_at` (UTC) is when the parcel may be refreshed again.
    """

    code: str
    allowed_at: datetime | None = None


def refresh_now(shipment: Shipment, *, counts: Counts | None = None) -> Refresh:
    """Poll one parcel now, for a button or a command, if the minimum interval allows it. Calls the carrier."""
    counts = Counts() if counts is None else counts
    if not shipment.is_polled:
        return Refresh("too_old" if shipment.is_under_way else "arrived")
    coverage = coverage_of(shipment.merchant_id, shipment.carrier)
    poller = poller_of(coverage) if coverage else None
    if poller is None:
        return Refresh("no_account")
    if poller.account.is_circuit_open:
        return Refresh("circuit_open", poller.account.circuit_open_until)
    with web_calls().query(poller.account) as has_slot:
        if not has_slot or not _takes_a_call(poller.account):
            poll_soon([shipment])
            return Refresh("busy_here")
        return _claim_and_poll(shipment, poller, counts)


def _takes_a_call(account: CarrierAccount) -> bool:
    """Whether a person may call this account now: once a second where its calls are limited, beside the pollers."""
    if limit_of(account) is None:
        return True
    if limit_of(account) == pollers_limit(account):
        return False
    now = timezone.now()
    is_free = Q(last_refresh_at__isnull=True) | Q(last_refresh_at__lte=now - timedelta(seconds=SECOND))
    return bool(CarrierAccount.objects.filter(is_free, pk=account.pk).update(last_refresh_at=now))


def _claim_and_poll(shipment: Shipment, poller: Poller, counts: Counts) -> Refresh:
    parcel = claim_this(shipment, floor=poller.floor, cap=poller.cap)
    if parcel is None:
        counts.too_soon += 1
        return Refresh("too_soon", _allowed_at(shipment, poller.floor))
    poller.poll(parcel, counts)
    return _refreshed(parcel, poller.floor)


def _refreshed(parcel: Shipment, floor: timedelta) -> Refresh:
    after = Shipment.objects.only("last_problem", "last_poll_at").get(pk=parcel.pk)
    code = after.last_problem.partition(":")[0]
    return Refresh({"": "refreshed", "fault": "failed"}.get(code, code), _allowed_at(after, floor))


def _allowed_at(shipment: Shipment, floor: timedelta) -> datetime | None:
    parcel = Shipment.objects.only("last_poll_at", "capped_until").get(pk=shipment.pk)
    return _free_at(parcel, floor) if parcel.last_poll_at else None


def _free_at(parcel: Shipment, floor: timedelta) -> datetime:
    """When the interval and the cap of the day allow the next query (UTC)."""
    after_floor = parcel.last_poll_at + floor + slack_of(floor) if parcel.last_poll_at else parcel.created_at
    return max(after_floor, parcel.capped_until) if parcel.capped_until else after_floor


def refresh_allowed_at(shipment: Shipment, floors: Mapping[str, timedelta]) -> datetime | None:
    """When this parcel may be polled again (UTC, may be past); None when it has arrived or no account can poll it.

    `floors` are the `floors_by_carrier` of its merchant.
    """
    floor = floors.get(shipment.carrier)
    if floor is None or not shipment.is_polled:
        return None
    return _free_at(shipment, floor)


def poll_soon(shipments: Sequence[Shipment]) -> int:
    """Make these parcels of one merchant due now if the minimum interval allows it; returns how many.

    Calls no carrier itself, so that a click on the public page never waits for one.
    """
    now = timezone.now()
    floors = floors_by_carrier(shipments[0].merchant_id) if shipments else {}
    ready = [row.pk for row in shipments if (at := refresh_allowed_at(row, floors)) is not None and at <= now]
    if not ready:
        return 0
    with transaction.atomic():
        update_in_order(Shipment.objects.filter(pk__in=ready, next_check_at__gt=now), next_check_at=now)
    wakeups.wake(TASK)
    return len(ready)


def set_tier(order_id: int, *, is_important: bool) -> int:
    """Set the tier of an order's parcels; returns how many changed. Those made important are polled soon."""
    with transaction.atomic():
        lifecycle.lock([order_id])
        parcels = [
            row for row in Shipment.objects.lock_of_order(order_id) if row.is_important != is_important
        ]
        Shipment.objects.filter(pk__in=[row.pk for row in parcels]).update(is_important=is_important)
    polled = [row for row in parcels if row.is_polled]
    if is_important and polled:
        poll_soon(polled)
    return len(parcels)
