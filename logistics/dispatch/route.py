"""Applies a carrier's route to a parcel: its events, its status and, at the last signature, the order's completion.

Routes may arrive twice, late and out of order: events are unique by time and text, and the status is that of the
event with the greatest time of its own, never of the last to arrive.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from logistics import cases
from logistics.carriers.types import Route, RouteEvent, TrackingStatus
from logistics.dispatch.refunded_rest import end_refunded
from logistics.models import Shipment, ShipmentException, ShipmentStatus, TrackingEvent
from orders import lifecycle, machine
from orders.changes import Move, Result
from orders.history.lines import Actor, Evidence
from orders.machine import Action
from orders.models import Order, OrderStatus
from ordersite.database import bulk
from ordersite.queue import outbox

Kind = ShipmentException.Kind
# A delivered parcel can only be returned.
_AFTER_DELIVERY = frozenset({TrackingStatus.RETURNING, TrackingStatus.RETURNED})
_COLUMNS = (
    "status", "tracking_status", "delivered_at", "last_event_at", "last_checked_at", "next_check_at", "check_failures",
    "last_problem", "leased_until", "origin_city", "current_city", "destination_city",
)  # fmt: skip
_DELIVERED, _RETURNED = ShipmentStatus.DELIVERED.value, ShipmentStatus.RETURNED.value


@dataclass(frozen=True, slots=True)
class Applied:
    """What a route changed; `completed` is about the order."""

    new_events: int
    delivered: bool = False
    completed: bool = False


def apply_route(shipment: Shipment, route: Route, *, next_check_in: timedelta) -> Applied:
    """Apply a whole route; applying it again changes nothing.

    Opens a transaction and locks the order, then its parcels.
    """
    with transaction.atomic():
        orders = lifecycle.lock([shipment.order_id])
        parcels = Shipment.objects.lock_of_order(shipment.order_id)
        parcel = next(row for row in parcels if row.pk == shipment.pk)
        new_events = _insert_events(parcel, route.events)
        arrived = _move(parcel, _status(parcel, route))
        _set_check(parcel, route, next_check_in)
        if bulk.update_rows(Shipment, [parcel], _COLUMNS) != 1:
            raise RuntimeError("a locked parcel was not changed")
        _publish_arrival(parcel, arrived)
        completed = arrived == _DELIVERED and _complete(orders[parcel.order_id], parcels, parcel, route.raw)
        if arrived and not completed:
            end_refunded(orders)
            completed = orders[parcel.order_id].status == OrderStatus.COMPLETED
    return Applied(new_events, arrived == _DELIVERED, completed)


def digest_text(text: str) -> str:
    """A short digest of an event's text; it distinguishes two events of one second."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _insert_events(parcel: Shipment, events: Sequence[RouteEvent]) -> int:
    """Insert the new events in the carrier's order, since within one second the id decides; returns how many."""
    now = timezone.now()
    rows = [
        TrackingEvent(
            shipment_id=parcel.pk,
            at=event.at,
            status=event.status.value,
            text=event.text,
            location=event.location,
            provider_code=event.provider_code,
            text_digest=digest_text(event.text),
            received_at=now,
        )
        for event in events
    ]
    return len(bulk.insert_rows(TrackingEvent, rows, ignore_conflicts=True, returning=("id",)))


def _status(parcel: Shipment, route: Route) -> tuple[TrackingStatus, datetime | None]:
    """The parcel's tracking status and since when (UTC), by the stored events.

    An event with an unknown code does not hide the last known status. Sets `last_event_at`.
    """
    events = list(
        TrackingEvent.objects.filter(shipment_id=parcel.pk).order_by("-at", "-id").values_list("status", "at")
    )
    if not events:
        return route.status, None
    unknown = TrackingStatus.UNKNOWN
    known = next(((TrackingStatus(status), at) for status, at in events if status != unknown), None)
    newest, newest_at = events[0]
    parcel.last_event_at = newest_at
    newest_is_of_route = bool(route.events) and route.events[-1].at == newest_at
    if newest == unknown and newest_is_of_route and route.status is not unknown:
        return route.status, newest_at
    return known or (unknown, newest_at)


def _move(parcel: Shipment, status_since: tuple[TrackingStatus, datetime | None]) -> str:
    """Set the tracking status and fire the transition that follows from it.

    Returns `delivered` or `returned` if the parcel got there now, otherwise an empty string.
    """
    status, at = status_since
    if parcel.status == _RETURNED or (parcel.status == _DELIVERED and status not in _AFTER_DELIVERY):
        return ""
    if status is TrackingStatus.UNKNOWN:
        is_new = parcel.tracking_status == TrackingStatus.PENDING
        status = TrackingStatus.IN_TRANSIT if is_new else TrackingStatus(parcel.tracking_status)
    parcel.tracking_status = status.value
    now = timezone.now()
    if status is TrackingStatus.DELIVERED:
        parcel.deliver(min(at or now, now))
        return _DELIVERED
    if status is TrackingStatus.RETURNED:
        parcel.come_back()
        return _RETURNED
    if status is not TrackingStatus.PENDING and parcel.status == ShipmentStatus.SHIPPED:
        parcel.move()
    return ""


def _set_check(parcel: Shipment, route: Route, next_check_in: timedelta) -> None:
    """Set the columns of a successful poll on the instance."""
    now = timezone.now()
    parcel.last_checked_at, parcel.leased_until = now, None
    parcel.check_failures, parcel.last_problem = 0, ""
    if parcel.is_under_way:
        parcel.next_check_at = now + next_check_in
    parcel.origin_city = route.cities.origin or parcel.origin_city
    parcel.current_city = route.cities.current or parcel.current_city
    parcel.destination_city = route.cities.destination or parcel.destination_city


def _publish_arrival(parcel: Shipment, arrived: str) -> None:
    if arrived == _DELIVERED:
        payload = {
            "order": parcel.order_id, "carrier": parcel.carrier, "tracking_number": parcel.tracking_number,
        }  # fmt: skip
        at = parcel.delivered_at or timezone.now()
        outbox.publish([outbox.Event("shipment.delivered", parcel.pk, at, payload)])
    if arrived == _RETURNED:
        cases.open_cases([cases.Case(Kind.RETURNED, parcel)])


def _complete(order: Order, parcels: Sequence[Shipment], parcel: Shipment, raw: str) -> bool:
    """Complete the order if every parcel is delivered; returns whether it is completed now.

    An order that is still «paid» has goods left to ship: its last parcel will complete it. Any other refusal
    (refunded meanwhile, the transition switched off) opens a case.
    """
    if order.status == OrderStatus.PAID or any(row.status != _DELIVERED for row in parcels):
        return False
    move = Move(
        order.pk,
        Action.COMPLETE,
        machine.CARRIER,
        Actor("carrier", parcel.carrier),
        _evidence(parcel, raw),
        at=max(row.delivered_at for row in parcels if row.delivered_at),
    )
    outcome = lifecycle.apply_one(order, move)
    if outcome.result is Result.REFUSED:
        detail = {"code": outcome.code, "order_status": str(order.status)}
        cases.open_cases([cases.Case(Kind.ORDER_NOT_COMPLETED, parcel, detail)])
    return outcome.result is Result.DONE


def _evidence(parcel: Shipment, raw: str) -> Evidence:
    """The evidence of a completion; `raw` is the carrier's response, empty when no carrier was polled just now."""
    digest = hashlib.sha256(raw.encode()).hexdigest() if raw else ""
    return Evidence("tracking", f"{parcel.carrier} {parcel.tracking_number}", digest)


def complete_order(order_id: int) -> bool:
    """Retry the completion of an order whose parcels are all delivered; returns whether it is completed now."""
    with transaction.atomic():
        orders = lifecycle.lock([order_id])
        parcels = Shipment.objects.lock_of_order(order_id)
        return bool(parcels) and _complete(orders[order_id], parcels, parcels[-1], "")
