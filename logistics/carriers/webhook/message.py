"""Reads the JSON of the webhook form: `{carrier, tracking_number, events: [{at, status, text, location?}]}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from logistics.carriers.numbers import tidy_number
from logistics.carriers.types import (
    PushedRoute,
    PushRejected,
    Route,
    RouteEvent,
    TrackingStatus,
    tidy_events,
)
from ordersite.lib.strict_json import loads_object

STATUSES: Mapping[str, TrackingStatus] = {
    status.value: status for status in TrackingStatus if status is not TrackingStatus.UNKNOWN
}
MOST_EVENTS = 200
_CARRIER = re.compile(r"[a-z0-9]{1,20}", re.ASCII)
_NUMBER = re.compile(r"[0-9A-Z-]{6,40}", re.ASCII)
# Clocks differ; beyond this an event has not happened.
_MOST_AHEAD = timedelta(hours=24)
_OLDEST_YEAR = 2000


def read_message(body: bytes, *, at: datetime) -> PushedRoute:
    """Read a message that arrived `at` (aware). Events may stand in any order. Raises `PushRejected`."""
    try:
        message = loads_object(body)
    except ValueError as error:
        raise PushRejected("malformed", f"the body {error}") from error
    _refuse_others(message, ("carrier", "tracking_number", "events"), "")
    carrier = _text(message, "carrier", "carrier", longest=20)
    number = tidy_number(_text(message, "tracking_number", "tracking_number", longest=60))
    if not _CARRIER.fullmatch(carrier):
        raise PushRejected("malformed", "carrier")
    if not _NUMBER.fullmatch(number):
        raise PushRejected("malformed", "tracking_number")
    rows = message.get("events")
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_EVENTS:
        raise PushRejected("malformed", f"events: 1 to {MOST_EVENTS} objects")
    events = [_event(row, f"events[{place}]", at) for place, row in enumerate(rows)]
    tidy = tidy_events(sorted(events, key=lambda event: event.at, reverse=True))
    return PushedRoute(
        carrier=carrier, tracking_number=number, route=Route(events=tidy, status=tidy[-1].status)
    )


def _event(row: Any, place: str, now: datetime) -> RouteEvent:
    if not isinstance(row, dict):
        raise PushRejected("malformed", place)
    _refuse_others(row, ("at", "status", "text", "location"), f"{place}.")
    status = STATUSES.get(_text(row, "status", f"{place}.status", longest=30))
    if status is None:
        raise PushRejected("malformed", f"{place}.status: one of {', '.join(STATUSES)}")
    return RouteEvent(
        at=_time(row, f"{place}.at", now),
        status=status,
        text=_text(row, "text", f"{place}.text", longest=500),
        location=_text(row, "location", f"{place}.location", longest=100) if row.get("location") else "",
        provider_code=status.value,
    )


def _refuse_others(row: Mapping[str, Any], known: tuple[str, ...], prefix: str) -> None:
    for name in row:
        if name not in known:
            raise PushRejected("malformed", f"{prefix}{name[:40]}: unknown")


def _text(row: Mapping[str, Any], name: str, place: str, *, longest: int) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise PushRejected("malformed", f"{place}: a text")
    if len(value) > longest:
        raise PushRejected("malformed", f"{place}: at most {longest} characters")
    return value.strip()


def _time(row: Mapping[str, Any], place: str, now: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(_text(row, "at", place, longest=40))
        if at.tzinfo is None:
            raise ValueError("no zone")
        at = at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise PushRejected("malformed", f"{place}: ISO 8601 with a zone") from error
    if at.year < _OLDEST_YEAR or at > now + _MOST_AHEAD:
        raise PushRejected("malformed", f"{place}: not a time of the past")
    return at
