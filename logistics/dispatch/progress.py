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
    """An event as far as it moves the parcel. `at` is UTC; `is_decided`: a person says so, who has asked the carrier."""

    at: datetime
    status: TrackingStatus
    is_decided: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a parcel stands. Times are UTC.

    `has_moved`: something was said of it beside that it waits. `delivered_at`: the first signature, unless it had turned
    back before. `signed_back_at`: a signature after that, of which nobody has said yet whose it is.
    """

    status: TrackingStatus
    has_moved: bool = False
    delivered_at: datetime | None = None
    is_returned: bool = False
    signed_back_at: datetime | None = None


def progress_of(milestones: Iterable[Milestone]) -> Progress:
    """Walk the timeline, oldest first. A delivered parcel can only be returned, a returned one is at its end.

    An event of unknown meaning does not hide the last known status; where there is nothing else, the parcel moves.

    A parcel that has turned back is on its way back until it has come back: its sender signs for it then, and some
    carriers have no word of their own for that. So a signature delivers it only where a person says that it is the buyer's.
    """
    walk = _Walk()
    for one in milestones:
        walk.take(one)
    status = TrackingStatus.IN_TRANSIT if walk.status is _UNKNOWN else walk.status
    return Progress(status, walk.has_moved, walk.delivered_at, walk.is_returned, walk.signed_back_at)


@dataclass(slots=True)
class _Walk:
    """Where a parcel stands as far as its timeline was walked."""

    status: TrackingStatus = _UNKNOWN
    has_moved: bool = False
    has_turned: bool = False
    is_returned: bool = False
    delivered_at: datetime | None = None
    signed_back_at: datetime | None = None

    def take(self, one: Milestone) -> None:
        self.has_moved |= one.status is not _PENDING
        if one.status is _UNKNOWN or self.is_returned:
            return
        match one.status:
            case TrackingStatus.RETURNED:
                self.status, self.is_returned, self.signed_back_at = one.status, True, None
            case TrackingStatus.RETURNING:
                self.status, self.has_turned = one.status, True
            case TrackingStatus.DELIVERED if self.has_turned:
                self._sign_after_turning(one)
            case TrackingStatus.DELIVERED if self.delivered_at is None:
                self.status, self.delivered_at = one.status, one.at
            case _ if self.delivered_at is None and not self.has_turned:
                self.status = one.status

    def _sign_after_turning(self, one: Milestone) -> None:
        """Where a person says that the buyer has it, the time is that of the carrier's signature."""
        if not one.is_decided:
            self.signed_back_at = self.signed_back_at or one.at
            return
        self.delivered_at = self.delivered_at or self.signed_back_at or one.at
        self.status, self.has_turned, self.signed_back_at = one.status, False, None


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
