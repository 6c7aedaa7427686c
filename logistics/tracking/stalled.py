"""Opens cases for stalled parcels, and resolves those whose parcel has moved on.

A parcel stalls when it does not move, is not picked up, is not delivered, is not collected or not signed for in time
(`stall_limits`), or when its carrier answers nothing about it.

What stalled because the account itself is silent is one case of the account. Also retries the orders that could not
complete when their last parcel was signed for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce
from django.utils import timezone

from logistics import cases
from logistics.dispatch import route
from logistics.models import Shipment, ShipmentException, ShipmentStatus
from logistics.models.shipment import UNDER_WAY
from logistics.tracking.silent_accounts import NO_ANSWER, find_silent_accounts
from logistics.tracking.stall_limits import IN_LOCKER, PENDING, StallLimits
from orders.models import OrderStatus

Kind = ShipmentException.Kind
BATCH = 500
# Stored in English, shown in the reader's language by `orders.labels.note_label`.
ARRIVED, HEARD, COMPLETED = "the parcel has arrived", "the carrier reports again", "completed after all"
MOVED = "the parcel has moved on"
SENT_BACK, WANTED = "the parcel came back", "nothing stops the order any more"
OF_STALLED = (
    Kind.NOT_SIGNED, Kind.CARRIER_SILENT, Kind.NO_NEWS, Kind.NOT_PICKED_UP, Kind.FAILED_DELIVERIES, Kind.AT_LOCKER,
)  # fmt: skip
# A case that a person has resolved is opened again after this time at the earliest.
AGAIN_AFTER = timedelta(hours=48)


@dataclass(slots=True)
class StalledCounts:
    """How many cases of each kind were opened, how many were resolved, and how many orders were completed late."""

    not_signed: int = 0
    no_news: int = 0
    not_picked_up: int = 0
    failed_deliveries: int = 0
    at_locker: int = 0
    carrier_silent: int = 0
    account_silent: int = 0
    resolved: int = 0
    completed: int = 0


def find_stalled(now: datetime | None = None) -> StalledCounts:
    """Open a case for each silent account, and for each stalled parcel and kind of the others. `now` is UTC.

    A case that a person has resolved is not opened again within the same span of time.
    """
    now = now or timezone.now()
    accounts = find_silent_accounts(now)
    counts = StalledCounts(account_silent=accounts.opened)
    under_way: QuerySet[Shipment] = Shipment.objects.under_way()
    if accounts.spared is not None:
        under_way = under_way.exclude(accounts.spared)
    # A person is busy with those already: no more is heard of them.
    undecided = ShipmentException.objects.open().filter(
        shipment=OuterRef("pk"), kind__in=(Kind.SIGNED_BACK, Kind.WAYBILL_VOID)
    )
    under_way = under_way.exclude(Exists(undecided))
    for kind, parcels in StallLimits(now).stalled(under_way):
        again_after = timedelta(days=settings.PARCEL_SILENCE_DAYS) if kind == Kind.NOT_SIGNED else AGAIN_AFTER
        setattr(counts, kind, _open_cases(kind, parcels, resolved_since=now - again_after))
    # What is too old to be polled is not silent: nobody asks.
    polled = under_way.filter(next_check_at__isnull=False)
    unheard = polled.annotate(last_news_at=Coalesce("last_checked_at", "created_at")).filter(
        last_news_at__lt=now - NO_ANSWER
    )
    counts.carrier_silent = _open_cases(Kind.CARRIER_SILENT, unheard, resolved_since=now - AGAIN_AFTER)
    counts.resolved = accounts.resolved + _resolve_moved_on() + _resolve_wanted()
    counts.completed = _complete_late()
    return counts


def _resolve_moved_on() -> int:
    """Resolve the cases whose parcel has arrived, or moved on as far as their kind asks for; returns how many."""
    waiting = ShipmentException.objects.open().filter(kind__in=OF_STALLED)
    under_way = waiting.filter(shipment__status__in=UNDER_WAY)
    heard = under_way.filter(
        kind__in=(Kind.CARRIER_SILENT, Kind.NO_NEWS), shipment__last_event_at__gt=F("created_at")
    )
    moved = under_way.filter(
        Q(kind=Kind.NOT_PICKED_UP) & ~Q(shipment__tracking_status=PENDING)
        | Q(kind=Kind.AT_LOCKER) & ~Q(shipment__tracking_status=IN_LOCKER)
        | Q(kind=Kind.FAILED_DELIVERIES, shipment__tracking_status__in=(IN_LOCKER, "returning"))
    )
    arrived = waiting.exclude(shipment__status__in=UNDER_WAY)
    signed = ShipmentException.objects.open().filter(kind=Kind.SIGNED_BACK)
    decided = signed.exclude(shipment__tracking_status="returning")
    void = ShipmentException.objects.open().filter(kind=Kind.WAYBILL_VOID)
    replaced = void.exclude(shipment__status=ShipmentStatus.SHIPPED) | void.exclude(
        shipment__tracking_number=KT("detail__tracking_number")
    )
    return sum(
        _resolve(found, note)
        for found, note in (
            (arrived, ARRIVED),
            (heard, HEARD),
            (moved, MOVED),
            (decided, MOVED),
            (replaced, MOVED),
        )
    )


def _resolve_wanted() -> int:
    """Resolve the cases of parcels that may arrive after all, or came back; returns how many."""
    rows = ShipmentException.objects.open().filter(kind=Kind.UNWANTED_PARCEL)
    resolved = 0
    for case in rows.select_related("order", "shipment").order_by("pk")[:BATCH]:
        if case.shipment and case.shipment.status == ShipmentStatus.RETURNED:
            resolved += cases.resolve(case, user=None, note=SENT_BACK)
        elif case.order and not cases.why_unwanted(case.order):
            resolved += cases.resolve(case, user=None, note=WANTED)
    return resolved


def _resolve(found: QuerySet[ShipmentException], note: str) -> int:
    """Resolve up to a batch of cases with a note of the product's own."""
    return sum(cases.resolve(case, user=None, note=note) for case in found.order_by("pk")[:BATCH])


def _open_cases(kind: str, parcels: QuerySet[Shipment], *, resolved_since: datetime) -> int:
    same = ShipmentException.objects.filter(shipment=OuterRef("pk"), kind=kind)
    known = same.filter(Q(resolved_at__isnull=True) | Q(resolved_at__gt=resolved_since))
    return sum(_open_batch(kind, batch) for batch in _batches(parcels.exclude(Exists(known))))


def _open_batch(kind: str, batch: list[Shipment]) -> int:
    new = [
        cases.Case(
            kind, parcel, {"shipped_at": parcel.shipped_at.isoformat(), "problem": parcel.last_problem}
        )
        for parcel in batch
    ]
    with transaction.atomic():
        return cases.open_cases(new)


def _batches(parcels: QuerySet[Shipment]) -> Iterator[list[Shipment]]:
    """Lists of at most BATCH parcels, read by keyset, so that memory stays bounded after a long pause."""
    after = 0
    while batch := list(parcels.filter(pk__gt=after).order_by("pk")[:BATCH]):
        yield batch
        after = batch[-1].pk


def _complete_late() -> int:
    """Retry the completions that were refused while their transition was switched off; returns how many succeeded."""
    completed = 0
    refused = ShipmentException.objects.open().filter(kind=Kind.ORDER_NOT_COMPLETED)
    for case in refused.filter(order__status=OrderStatus.SHIPPED).order_by("pk")[:BATCH]:
        if route.complete_order(case.order_id or 0):
            cases.resolve(case, user=None, note=COMPLETED)
            completed += 1
    return completed
