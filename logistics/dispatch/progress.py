"""What the events of a parcel say together, however they arrived: pure arithmetic on the whole timeline.

Pushes and polls bring events twice, late, out of order and in part. All that is derived here depends on the set of
events alone, never on the order of their arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from logistics.carriers.types import Route, RouteEvent, TrackingStatus

_UNKNOWN, _PENDING = TrackingStatus.UNKNOWN, TrackingStatus.PENDING
# How far a parcel has come. Of two statuses that two sources give one event, the greater counts; within one second it
# is the later.
RANK = {
    status: rank
    for rank, status in enumerate(
        (
            _UNKNOWN, _PENDING, TrackingStatus.PICKED_UP, TrackingStatus.IN_TRANSIT, TrackingStatus.EXCEPTION,
            TrackingStatus.OUT_FOR_DELIVERY, TrackingStatus.READY_FOR_PICKUP, TrackingStatus.DELIVERED,
            TrackingStatus.RETURNING, TrackingStatus.RETURNED,
        )
    )
}  # fmt: skip
_RANKS, _MOST_IN_A_SECOND = 16, 1000


@dataclass(frozen=True, slots=True)
class Milestone:
    """An event as far as it moves the parcel. `at` is UTC."""

    at: datetime
    status: TrackingStatus


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a parcel stands. Times are UTC.

    `has_moved`: something was said of it beside that it waits. `delivered_at`: the first signature, unless it had come
    back before.
    """

    status: TrackingStatus
    has_moved: bool = False
    delivered_at: datetime | None = None
    is_returned: bool = False


def progress_of(milestones: Iterable[Milestone]) -> Progress:
    """Walk the timeline, oldest first. A delivered parcel can only be returned, a returned one is at its end.

    An event of unknown meaning does not hide the last known status; where there is nothing else, the parcel moves.
    """
    status, has_moved, is_returned = _UNKNOWN, False, False
    delivered_at: datetime | None = None
    for one in milestones:
        has_moved |= one.status is not _PENDING
        if one.status is _UNKNOWN or is_returned:
            continue
        if one.status is TrackingStatus.RETURNED:
            is_returned = True
        elif delivered_at is not None and one.status is not TrackingStatus.RETURNING:
            continue
        elif one.status is TrackingStatus.DELIVERED:
            delivered_at = one.at
        status = one.status
    if status is _UNKNOWN:
        status = TrackingStatus.IN_TRANSIT
    return Progress(status, has_moved, delivered_at, is_returned)


def overall_statuses(route: Route) -> Sequence[TrackingStatus]:
    """For each event of a route, what the carrier says of the parcel as a whole, where the event's own code is unknown."""
    overall = [_UNKNOWN] * len(route.events)
    if route.events and route.events[-1].status is _UNKNOWN:
        overall[-1] = route.status
    return overall


def place_of_status(place: int, status: TrackingStatus) -> int:
    """The place of a stored event that means this now."""
    return place // _RANKS * _RANKS + RANK[status]


def places(events: Sequence[RouteEvent]) -> Iterator[int]:
    """The place of each event within its second: the carrier's order, then how far the parcel has come."""
    for _at, group in groupby(events, key=lambda event: event.at):
        for number, event in enumerate(group):
            yield min(number, _MOST_IN_A_SECOND) * _RANKS + RANK[event.status]
