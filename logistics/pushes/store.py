"""What is stored of a push: a row for each parcel, the raw call, and what it says, both sealed."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from logistics.carriers.numbers import tidy_number
from logistics.carriers.types import (
    CityStrip,
    PushCall,
    PushedRoute,
    PushRejected,
    Route,
    RouteEvent,
    TrackingStatus,
)
from logistics.models import CarrierNotification, PushBody
from logistics.models.notification import place_of_push, routes_place
from logistics.pushes.known import Known
from ordersite.queue.inbox import Inbox, StoredCall

# Fields of a new row; the statement itself sets `attempts` and `last_error`.
FIELDS = (
    "account_id", "check_result", "reject_code", "reject_detail", "carrier", "tracking_number", "corrected_carrier",
    "event_count", "facts_digest", "body_digest", "remote_address", "received_at", "answered_ms", "outcome", "done_at",
    "due_at",
)  # fmt: skip
INBOX = Inbox(CarrierNotification, FIELDS, PushBody, ("headers", "sealed_body", "key_id", "sealed_routes"))
_VERIFIED = CarrierNotification.CheckResult.VERIFIED.value
_REJECTED = CarrierNotification.CheckResult.REJECTED.value
_EMPTY: Mapping[str, Any] = dict.fromkeys(FIELDS, "") | {"event_count": 0, "done_at": None}


@dataclass(frozen=True, slots=True)
class ReceivedPush:
    """A push with its account.

    `headers` are those to be stored. `started` is `time.perf_counter()` at its arrival.
    """

    known: Known
    call: PushCall
    headers: Mapping[str, str]
    remote_address: str
    started: float


def verified_push(received: ReceivedPush, routes: Sequence[PushedRoute]) -> StoredCall:
    """The rows of a genuine push, each parcel's facts once, in the order of their digests."""
    found = {facts_digest(route): _verified_values(route) for route in routes}
    return _stored(received, [found[digest] | {"facts_digest": digest} for digest in sorted(found)], routes)


def rejected_push(received: ReceivedPush, rejected: PushRejected) -> StoredCall:
    """The row of a rejected push: done from the start, kept only for people to read."""
    values = {
        "check_result": _REJECTED,
        "reject_code": rejected.reason[:30],
        "reject_detail": rejected.detail,
        "outcome": CarrierNotification.Effect.REJECTED.value,
        "done_at": received.call.received_at,
    }
    return _stored(received, [values], [])


def _verified_values(route: PushedRoute) -> dict[str, Any]:
    return {
        "check_result": _VERIFIED,
        "carrier": route.carrier[:20],
        "tracking_number": tidy_number(route.tracking_number)[:40],
        "corrected_carrier": route.corrected_carrier[:20],
        "event_count": min(len(route.route.events), 30_000),
    }


def _stored(
    received: ReceivedPush, rows: Sequence[dict[str, Any]], routes: Sequence[PushedRoute]
) -> StoredCall:
    call, account_id = received.call, received.known.id
    digest = hashlib.sha256(call.body).hexdigest()
    place = place_of_push(account_id, digest)
    key_id, sealed = settings.KEY_RING.seal_bytes(call.body, bound_to=place)
    _key, sealed_routes = settings.KEY_RING.seal_bytes(write_routes(routes), bound_to=routes_place(place))
    shared = {
        **_EMPTY,
        "account_id": account_id,
        "body_digest": digest,
        "remote_address": received.remote_address,
        "received_at": call.received_at,
        "due_at": call.received_at,
        "answered_ms": round((time.perf_counter() - received.started) * 1000),
    }
    full = [shared | row for row in rows]
    raw = {
        "headers": dict(received.headers),
        "sealed_body": sealed,
        "key_id": key_id,
        "sealed_routes": sealed_routes,
    }
    return StoredCall([tuple(row[name] for name in FIELDS) for row in full], raw)


def facts_digest(route: PushedRoute) -> str:
    """A digest of what a push says of a parcel, without what our table makes of its codes."""
    facts = [
        route.carrier,
        route.tracking_number,
        route.corrected_carrier,
        [
            [event.at.isoformat(), event.text, event.location, event.provider_code]
            for event in route.route.events
        ],
        # Where there is no event, the state is all that is said.
        "" if route.route.events else route.route.status.value,
        *(["ended"] if route.has_ended else []),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def write_routes(routes: Sequence[PushedRoute]) -> bytes:
    """What a push says, as it is sealed."""
    return json.dumps([_as_json(one) for one in routes], ensure_ascii=False).encode()


def _as_json(one: PushedRoute) -> dict[str, Any]:
    cities = one.route.cities
    return {
        "facts": facts_digest(one),
        "carrier": one.carrier,
        "tracking_number": one.tracking_number,
        "corrected_carrier": one.corrected_carrier,
        "has_ended": one.has_ended,
        "status": one.route.status.value,
        "cities": [cities.origin, cities.current, cities.destination],
        "events": [
            [event.at.isoformat(), event.status.value, event.text, event.location, event.provider_code]
            for event in one.route.events
        ],
    }


def read_routes(content: bytes) -> dict[str, PushedRoute]:
    """What a push says of each parcel, by the digest of the facts."""
    return {row["facts"]: _from_json(row) for row in json.loads(content)}


def _from_json(row: Mapping[str, Any]) -> PushedRoute:
    events = tuple(
        RouteEvent(
            at=datetime.fromisoformat(at),
            status=TrackingStatus(status),
            text=text,
            location=location,
            provider_code=code,
        )
        for at, status, text, location, code in row["events"]
    )
    origin, current, destination = row["cities"]
    return PushedRoute(
        carrier=row["carrier"],
        tracking_number=row["tracking_number"],
        corrected_carrier=row["corrected_carrier"],
        has_ended=row.get("has_ended", False),
        route=Route(
            events=events,
            status=TrackingStatus(row["status"]),
            cities=CityStrip(origin=origin, current=current, destination=destination),
        ),
    )
