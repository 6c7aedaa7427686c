"""Parcels that nobody hears of: under way for too long, a carrier that does not answer, a signature without end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from logistics import cases as exceptions
from logistics.dispatch import route
from logistics.models import Shipment, ShipmentException, ShipmentStatus

Kind = ShipmentException.Kind
BATCH = 500
# A carrier that has not answered for a day, or knows nothing of a parcel two days after it left, is silent.
NO_ANSWER = timedelta(hours=24)
NOTHING_KNOWN = timedelta(hours=48)


@dataclass(slots=True)
class Found:
    """How many cases were opened or, of the last kind, settled."""

    not_signed: int = 0
    carrier_silent: int = 0
    completed: int = 0


def find_silent_parcels(now: datetime | None = None) -> Found:
    """Open a case a parcel and kind; a case that a person closed is not opened again for the same time span."""
    now = now or timezone.now()
    days = timedelta(days=settings.PARCEL_SILENCE_DAYS)
    found = Found()
    under_way = Shipment.objects.filter(status__in=[ShipmentStatus.SHIPPED, ShipmentStatus.MOVING])
    overdue = under_way.filter(shipped_at__lt=now - days)
    found.not_signed = _open(Kind.NOT_SIGNED, overdue, closed_after=now - days)
    unheard = under_way.annotate(heard_at=Coalesce("last_checked_at", "created_at")).filter(
        Q(heard_at__lt=now - NO_ANSWER) | Q(last_event_at__isnull=True, shipped_at__lt=now - NOTHING_KNOWN)
    )
    found.carrier_silent = _open(Kind.CARRIER_SILENT, unheard, closed_after=now - NOTHING_KNOWN)
    found.completed = _complete_late()
    return found


def _open(kind: str, parcels: QuerySet[Shipment], *, closed_after: datetime) -> int:
    same = ShipmentException.objects.filter(shipment=OuterRef("pk"), kind=kind)
    known = same.filter(Q(resolved_at__isnull=True) | Q(resolved_at__gt=closed_after))
    return sum(_raise(kind, batch) for batch in _batches(parcels.exclude(Exists(known))))


def _raise(kind: str, batch: list[Shipment]) -> int:
    cases = [
        exceptions.Case(
            kind, parcel, {"shipped_at": parcel.shipped_at.isoformat(), "problem": parcel.last_problem}
        )
        for parcel in batch
    ]
    with transaction.atomic():
        return exceptions.open_cases(cases)


def _batches(parcels: QuerySet[Shipment]) -> Iterator[list[Shipment]]:
    """By keyset, so that memory stays bounded however long nobody looked."""
    after = 0
    while batch := list(parcels.filter(pk__gt=after).order_by("pk")[:BATCH]):
        yield batch
        after = batch[-1].pk


def _complete_late() -> int:
    """Orders that could not complete when the last parcel was signed for (the edge was switched off): once more."""
    completed = 0
    cases = ShipmentException.objects.filter(kind=Kind.ORDER_NOT_COMPLETED, resolved_at__isnull=True)
    for case in cases.filter(order__status="shipped").annotate(of=F("order_id")).order_by("pk")[:BATCH]:
        if route.complete_order(case.order_id):
            exceptions.resolve(case, user=None, note="completed after all")
            completed += 1
    return completed
