"""What a carrier tells of a parcel becomes events, the parcel's state and, at the last signature, a completed order.

Answers may come twice, late and out of order: events are unique by time and text, and the state is that of the
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
from logistics.carriers.types import RouteAnswer, RouteEvent, TrackingStatus
from logistics.models import Shipment, ShipmentException, ShipmentStatus, TrackingEvent
from orders import lifecycle, machine
from orders.lifecycle import Actor, Evidence, Result
from orders.models import Order
from orders.models import OrderStatus as S
from ordersite.database import bulk
from ordersite.queue import outbox

T = TrackingStatus
# From a final state a parcel only goes back.
_AFTER_DELIVERY = frozenset({T.RETURNING, T.RETURNED})
_COLUMNS = (
    "status", "tracking_status", "delivered_at", "last_event_at", "last_checked_at", "next_check_at", "check_failures",
    "last_problem", "leased_until", "origin_city", "current_city", "destination_city",
)  # fmt: skip
Kind = ShipmentException.Kind
S_DELIVERED, S_RETURNED = ShipmentStatus.DELIVERED.value, ShipmentStatus.RETURNED.value


@dataclass(frozen=True, slots=True)
class Applied:
    """What an answer changed."""

    new_events: int
    delivered: bool = False
    completed: bool = False


def apply_route(shipment: Shipment, answer: RouteAnswer, *, next_check_in: timedelta) -> Applied:
    """Take a whole route; taking it again changes nothing. Opens its own transaction: order, parcels, lines."""
    with transaction.atomic():
        orders = lifecycle.lock([shipment.order_id])
        parcels = list(
            Shipment.objects.select_for_update(no_key=True).filter(order_id=shipment.order_id).order_by("pk")
        )
        parcel = next(row for row in parcels if row.pk == shipment.pk)
        fresh = _keep_events(parcel, answer.events)
        arrived = _move(parcel, _status(parcel, answer))
        _note_check(parcel, answer, next_check_in)
        if bulk.update_rows(Shipment, [parcel], _COLUMNS) != 1:
            raise RuntimeError("a locked parcel was not changed")
        _tell(parcel, arrived)
        completed = arrived == S_DELIVERED and _complete(orders[parcel.order_id], parcels, parcel, answer.raw)
    return Applied(fresh, arrived == S_DELIVERED, completed)


def digest_text(text: str) -> str:
    """What tells two events of one second apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _keep_events(parcel: Shipment, events: Sequence[RouteEvent]) -> int:
    """Insert what is new, in the carrier's order: within one second the id decides."""
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


def _status(parcel: Shipment, answer: RouteAnswer) -> tuple[TrackingStatus, datetime | None]:
    """The parcel's status and since when, by the events on record; a code that nobody knows does not hide the
    last one that is known."""
    events = list(
        TrackingEvent.objects.filter(shipment_id=parcel.pk).order_by("-at", "-id").values_list("status", "at")
    )
    if not events:
        return answer.status, None
    known = next(((T(status), at) for status, at in events if status != T.UNKNOWN), None)
    parcel.last_event_at = events[0][1]
    newest_is_answers = bool(answer.events) and answer.events[-1].at == events[0][1]
    if events[0][0] == T.UNKNOWN and newest_is_answers and answer.status is not T.UNKNOWN:
        return answer.status, events[0][1]
    return known or (T.UNKNOWN, events[0][1])


def _move(parcel: Shipment, found: tuple[TrackingStatus, datetime | None]) -> str:
    """Set the tracking status and make the transition that it means; returns the state reached now, or nothing."""
    status, at = found
    if parcel.status == S_RETURNED or (parcel.status == S_DELIVERED and status not in _AFTER_DELIVERY):
        return ""
    if status is T.UNKNOWN:
        status = T.IN_TRANSIT if parcel.tracking_status == T.PENDING else T(parcel.tracking_status)
    parcel.tracking_status = status.value
    now = timezone.now()
    if status is T.DELIVERED:
        parcel.deliver(min(at or now, now))
        return S_DELIVERED
    if status is T.RETURNED:
        parcel.come_back()
        return S_RETURNED
    if status is not T.PENDING and parcel.status == ShipmentStatus.SHIPPED:
        parcel.move()
    return ""


def _note_check(parcel: Shipment, answer: RouteAnswer, next_check_in: timedelta) -> None:
    now = timezone.now()
    parcel.last_checked_at, parcel.leased_until = now, None
    parcel.check_failures, parcel.last_problem = 0, ""
    if parcel.status in (ShipmentStatus.SHIPPED, ShipmentStatus.MOVING):
        parcel.next_check_at = now + next_check_in
    parcel.origin_city = answer.cities.origin or parcel.origin_city
    parcel.current_city = answer.cities.current or parcel.current_city
    parcel.destination_city = answer.cities.destination or parcel.destination_city


def _tell(parcel: Shipment, arrived: str) -> None:
    if arrived == S_DELIVERED:
        payload = {
            "order": parcel.order_id, "carrier": parcel.carrier, "tracking_number": parcel.tracking_number,
        }  # fmt: skip
        at = parcel.delivered_at or timezone.now()
        outbox.publish([outbox.Event("shipment.delivered", parcel.pk, at, payload)])
    if arrived == S_RETURNED:
        cases.open_cases([cases.Case(Kind.RETURNED, parcel)])


def _complete(order: Order, parcels: Sequence[Shipment], parcel: Shipment, raw: str) -> bool:
    """The last signature completes the order.

    An order that is still «paid» has goods left to ship: its last parcel will complete it. Whatever else keeps it
    from completing (refunded meanwhile, the edge switched off) becomes a case for a person.
    """
    if order.status == S.PAID or any(row.status != S_DELIVERED for row in parcels):
        return False
    move = lifecycle.Move(
        order.pk,
        "complete",
        machine.CARRIER,
        Actor("carrier", parcel.carrier),
        _evidence(parcel, raw),
        at=max(row.delivered_at for row in parcels if row.delivered_at),
    )
    outcome = lifecycle.fire({order.pk: order}, [move])[0]
    if outcome.result is Result.REFUSED:
        detail = {"code": outcome.code, "order_status": str(order.status)}
        cases.open_cases([cases.Case(Kind.ORDER_NOT_COMPLETED, parcel, detail)])
    return outcome.result is Result.DONE


def _evidence(parcel: Shipment, raw: str) -> Evidence:
    """`raw` is the answer as it came; empty when nobody was asked just now."""
    digest = hashlib.sha256(raw.encode()).hexdigest() if raw else ""
    return Evidence("tracking", f"{parcel.carrier} {parcel.tracking_number}", digest)


def complete_order(order_id: int) -> bool:
    """Try once more to complete an order of which every parcel is signed for; True when it is completed now."""
    with transaction.atomic():
        orders = lifecycle.lock([order_id])
        parcels = list(
            Shipment.objects.select_for_update(no_key=True).filter(order_id=order_id).order_by("pk")
        )
        return bool(parcels) and _complete(orders[order_id], parcels, parcels[-1], "")
