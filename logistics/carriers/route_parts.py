"""Builds a route from the rows of a carrier that names a city with each event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from logistics.carriers.types import CityStrip, Route, RouteEvent, TrackingStatus, tidy_events

_AT_THE_END = frozenset(
    (TrackingStatus.OUT_FOR_DELIVERY, TrackingStatus.READY_FOR_PICKUP, TrackingStatus.DELIVERED)
)


@dataclass(frozen=True, slots=True)
class CityEvent:
    """An event and its city; empty where the carrier does not say it."""

    event: RouteEvent
    city: str


def route_from(rows: Sequence[CityEvent], *, raw: str) -> Route:
    """The route of rows in the carrier's order, the oldest first.

    The last event of a known status says where the parcel is. Its destination is known once a courier or a locker has it.
    """
    events = tidy_events(row.event for row in reversed(rows))
    known = [event.status for event in events if event.status is not TrackingStatus.UNKNOWN]
    return Route(
        events=events, status=known[-1] if known else TrackingStatus.UNKNOWN, cities=_strip(rows), raw=raw
    )


def _strip(rows: Sequence[CityEvent]) -> CityStrip:
    named = sorted((row for row in rows if row.city), key=lambda row: row.event.at)
    if not named:
        return CityStrip()
    ends = [row.city for row in named if row.event.status in _AT_THE_END]
    return CityStrip(origin=named[0].city, current=named[-1].city, destination=ends[-1] if ends else "")
