"""Stores the events of a parcel: each time and text once, in an order that does not depend on their arrival."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from logistics.carriers.types import Route, TrackingStatus
from logistics.dispatch.progress import RANK, Milestone, overall_statuses, places
from logistics.models import Shipment, TrackingEvent
from ordersite.database import bulk

# The source of an event that a person has written who asked the carrier.
STAFF = "staff"
_MERGED = ("status", "overall_status", "place", "source", "provider_code", "location")


@dataclass(frozen=True, slots=True)
class Timeline:
    """The stored events of a parcel, oldest first; `new_events` of them were stored now."""

    milestones: Sequence[Milestone]
    new_events: int = 0


def digest_text(text: str) -> str:
    """A short digest of an event's text; it distinguishes two events of one second."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def store_events(parcel: Shipment, route: Route, source: str) -> Timeline:
    """Store the events of a route beside those that are there. Call with the parcel's order locked."""
    rows = _rows(parcel, route, source)
    inserted = bulk.insert_rows(
        TrackingEvent, sorted(rows, key=_key), ignore_conflicts=True, returning=("id",)
    )
    stored = events_of(parcel)
    if len(inserted) < len(rows) and _merge(stored, rows):
        stored.sort(key=lambda event: (event.at, event.place, event.text_digest))
    return Timeline(milestones_of(stored), len(inserted))


def events_of(parcel: Shipment) -> list[TrackingEvent]:
    """The stored events of a parcel, oldest first."""
    return list(TrackingEvent.objects.filter(shipment_id=parcel.pk).order_by(*TrackingEvent.OLDEST_FIRST))


def milestones_of(events: Sequence[TrackingEvent]) -> list[Milestone]:
    """The events as far as they move the parcel."""
    return [Milestone(event.at, _status(event), event.source == STAFF) for event in events]


def _status(event: TrackingEvent) -> TrackingStatus:
    """What an event means, or what the carrier said of the whole parcel then."""
    known = event.status != TrackingStatus.UNKNOWN
    return TrackingStatus(event.status if known else event.overall_status or TrackingStatus.UNKNOWN)


def _rows(parcel: Shipment, route: Route, source: str) -> list[TrackingEvent]:
    now = timezone.now()
    columns = zip(route.events, overall_statuses(route), places(route.events), strict=True)
    return [
        TrackingEvent(
            shipment_id=parcel.pk,
            at=event.at,
            status=event.status.value,
            overall_status="" if overall is TrackingStatus.UNKNOWN else overall.value,
            place=place,
            text=event.text,
            location=event.location,
            provider_code=event.provider_code,
            source=source,
            text_digest=digest_text(event.text),
            received_at=now,
        )
        for event, overall, place in columns
    ]


def _key(event: TrackingEvent) -> tuple[Any, str]:
    return (event.at, event.text_digest)


def _merge(stored: Sequence[TrackingEvent], rows: Sequence[TrackingEvent]) -> bool:
    """Take over from events that were there before what they say more; returns whether anything changed."""
    by_key = {_key(event): event for event in stored}
    changed: dict[int, TrackingEvent] = {}
    for row in rows:
        event = by_key[_key(row)]
        better = max(event, row, key=_weight)
        merged = {name: getattr(better, name) for name in _MERGED}
        merged["place"] = max(event.place, row.place)
        merged["overall_status"] = max(event.overall_status, row.overall_status, key=_rank)
        if any(getattr(event, name) != value for name, value in merged.items()):
            for name, value in merged.items():
                setattr(event, name, value)
            changed[event.pk] = event
    bulk.update_rows(TrackingEvent, [changed[pk] for pk in sorted(changed)], _MERGED)
    return bool(changed)


def _weight(event: TrackingEvent) -> tuple[int, str, str, str]:
    """Of two reports of one event the heavier counts, whichever arrived first."""
    return (_rank(event.status), event.source, event.provider_code, event.location)


def _rank(status: str) -> int:
    return RANK[TrackingStatus(status or TrackingStatus.UNKNOWN)]
