"""Opens cases for stalled parcels: too long under way, or of a carrier that reports nothing.

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
from django.db.models.functions import Coalesce
from django.utils import timezone

from logistics import cases
from logistics.dispatch import route
from logistics.models import Shipment, ShipmentException
from logistics.models.shipment import UNDER_WAY
from logistics.tracking.silent_accounts import NO_ANSWER, find_silent_accounts
from orders.models import OrderStatus

Kind = ShipmentException.Kind
BATCH = 500
# Stored in English, shown in the reader's language by `orders.labels.note_label`.
ARRIVED, HEARD, COMPLETED = "the parcel has arrived", "the carrier reports again", "completed after all"
# A carrier is silent too when it knows nothing of a parcel two days after it left.
NOTHING_KNOWN = timedelta(hours=48)


@dataclass(slots=True)
class StalledCounts:
    """How many cases of each kind were opened, how many were resolved, and how many orders were completed late."""

    not_signed: int = 0
    carrier_silent: int = 0
    account_silent: int = 0
    resolved: int = 0
    completed: int = 0


def find_stalled(now: datetime | None = None) -> StalledCounts:
    """Open a case for each silent account, and for each stalled parcel and kind of the others. `now` is UTC.

    A case that a person has resolved is not opened again within the same span of time.
    """
    now = now or timezone.now()
    days = timedelta(days=settings.PARCEL_SILENCE_DAYS)
    accounts = find_silent_accounts(now)
    counts = StalledCounts(account_silent=accounts.opened)
    under_way: QuerySet[Shipment] = Shipment.objects.under_way()
    if accounts.spared is not None:
        under_way = under_way.exclude(accounts.spared)
    overdue = under_way.filter(shipped_at__lt=now - days)
    counts.not_signed = _open_cases(Kind.NOT_SIGNED, overdue, resolved_since=now - days)
    unheard = under_way.annotate(last_news_at=Coalesce("last_checked_at", "created_at")).filter(
        Q(last_news_at__lt=now - NO_ANSWER)
        | Q(last_event_at__isnull=True, shipped_at__lt=now - NOTHING_KNOWN)
    )
    counts.carrier_silent = _open_cases(Kind.CARRIER_SILENT, unheard, resolved_since=now - NOTHING_KNOWN)
    counts.resolved = accounts.resolved + _resolve_moved_on()
    counts.completed = _complete_late()
    return counts


def _resolve_moved_on() -> int:
    """Resolve the cases whose parcel has arrived, or whose carrier reports again; returns how many."""
    waiting = ShipmentException.objects.open().filter(kind__in=(Kind.NOT_SIGNED, Kind.CARRIER_SILENT))
    silent = Q(kind=Kind.CARRIER_SILENT)
    arrived = waiting.exclude(shipment__status__in=UNDER_WAY)
    heard = waiting.filter(
        silent, shipment__status__in=UNDER_WAY, shipment__last_event_at__gt=F("created_at")
    )
    return _resolve(arrived, ARRIVED) + _resolve(heard, HEARD)


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
