"""Applies a carrier's route to a parcel: its events, its status and, at the last signature, the order's completion.

Routes may arrive twice, late, in part and out of order, by polls and pushes: events are unique by time and text, and
where the parcel stands follows from the whole timeline (`progress`), never from what arrived last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from logistics import cases
from logistics.carriers.types import Route, TrackingStatus
from logistics.dispatch.progress import Milestone, progress_of
from logistics.dispatch.refunded_rest import end_refunded
from logistics.dispatch.timeline import Timeline, store_events
from logistics.models import Shipment, ShipmentException, ShipmentStatus
from orders import lifecycle, machine
from orders.changes import Move, Result
from orders.history.lines import Actor, Evidence
from orders.machine import Action
from orders.models import Order, OrderStatus
from ordersite.database import bulk
from ordersite.queue import outbox

Kind = ShipmentException.Kind
_AFTER_DELIVERY = frozenset({TrackingStatus.RETURNING, TrackingStatus.RETURNED})
_COLUMNS = (
    "status", "tracking_status", "delivered_at", "last_event_at", "last_checked_at", "last_pushed_at", "next_check_at",
    "check_failures", "last_problem", "leased_until", "origin_city", "current_city", "destination_city", "estimated_at",
)  # fmt: skip
_DELIVERED, _RETURNED = ShipmentStatus.DELIVERED.value, ShipmentStatus.RETURNED.value


@dataclass(frozen=True, slots=True)
class Applied:
    """What a route changed; `completed` is about the order."""

    new_events: int
    delivered: bool = False
    completed: bool = False


def apply_route(
    shipment: Shipment,
    route: Route,
    *,
    next_check_in: timedelta | None,
    source: str = "",
    pushed_at: datetime | None = None,
) -> Applied:
    """Apply a route, whole or in part; applying it again changes nothing. `next_check_in`: None ends the polling.

    `source` is the connector whose codes the events bear; `pushed_at` (UTC) is set where the carrier said it by itself.
    Opens a transaction and locks the order, then its parcels.
    """
    with transaction.atomic():
        orders = lifecycle.lock([shipment.order_id])
        parcels = Shipment.objects.lock_of_order(shipment.order_id)
        parcel = next(row for row in parcels if row.pk == shipment.pk)
        if (parcel.carrier, parcel.tracking_number) != (shipment.carrier, shipment.tracking_number):
            return Applied(0)  # its number was changed while the carrier was queried for the old one
        timeline = store_events(parcel, route, source)
        _set_check(parcel, route, next_check_in)
        parcel.last_pushed_at = parcel.last_checked_at if pushed_at else parcel.last_pushed_at
        arrivals, completed = judge(parcel, timeline, Judged(orders, parcels, route))
    return Applied(timeline.new_events, _DELIVERED in arrivals, completed)


@dataclass(frozen=True, slots=True)
class Judged:
    """The locked order and parcels of a parcel that is judged, and the route that is the evidence.

    `actor` is the person who decided where it is; None where the carrier says it.
    """

    orders: Mapping[int, Order]
    parcels: Sequence[Shipment]
    route: Route
    actor: Actor | None = None


def judge(parcel: Shipment, timeline: Timeline, judged: Judged) -> tuple[frozenset[str], bool]:
    """Move a locked parcel to where its timeline says that it is, and its order with it.

    Returns the statuses that the parcel got now, and whether the order is completed now.
    """
    was_still, status_before = parcel.status == ShipmentStatus.SHIPPED, parcel.tracking_status
    arrivals = _move(parcel, timeline, judged.route)
    if bulk.update_rows(Shipment, [parcel], _COLUMNS) != 1:
        raise RuntimeError("a locked parcel was not changed")
    order = judged.orders[parcel.order_id]
    _publish_way(parcel, was_still=was_still, status_before=status_before)
    for arrived in sorted(arrivals):
        _publish_arrival(parcel, arrived)
    if _DELIVERED in arrivals or (was_still and parcel.status == ShipmentStatus.MOVING):
        _report_unwanted(order, parcel)
    _report_signed_back(parcel, timeline)
    completed = _DELIVERED in arrivals and _complete(
        order, judged.parcels, parcel, judged.route.raw, actor=judged.actor
    )
    if arrivals and not completed:
        end_refunded(judged.orders)
        completed = order.status == OrderStatus.COMPLETED
    return arrivals, completed


def _move(parcel: Shipment, timeline: Timeline, route: Route) -> frozenset[str]:
    """Set where the parcel stands and fire the transitions that follow from it; returns the statuses that it got now.

    What a parcel has reached it keeps, also where a corrected table reads its events otherwise: a delivered parcel can
    only be returned.
    """
    now = timezone.now()
    progress = progress_of(timeline.milestones or [Milestone(now, route.status)])
    parcel.last_event_at = timeline.milestones[-1].at if timeline.milestones else parcel.last_event_at
    arrivals = set()
    if progress.has_moved and parcel.status == ShipmentStatus.SHIPPED:
        parcel.move()
    if progress.delivered_at is not None:
        delivered_at = min(progress.delivered_at, now)
        if parcel.delivered_at is None:
            arrivals.add(_DELIVERED)
        if parcel.is_under_way:
            parcel.deliver(delivered_at)
        parcel.delivered_at = delivered_at
    if progress.is_returned and parcel.status != _RETURNED:
        parcel.come_back()
        arrivals.add(_RETURNED)
    if parcel.is_under_way or progress.delivered_at or progress.status in _AFTER_DELIVERY:
        parcel.tracking_status = progress.status.value
    return frozenset(arrivals)


def _set_check(parcel: Shipment, route: Route, next_check_in: timedelta | None) -> None:
    """Set the columns of a successful poll on the instance."""
    now = timezone.now()
    parcel.last_checked_at, parcel.leased_until = now, None
    parcel.check_failures, parcel.last_problem = 0, ""
    if parcel.is_under_way:
        parcel.next_check_at = None if next_check_in is None else now + next_check_in
        parcel.estimated_at = route.estimated_at or parcel.estimated_at
    parcel.origin_city = route.cities.origin or parcel.origin_city
    parcel.current_city = route.cities.current or parcel.current_city
    parcel.destination_city = route.cities.destination or parcel.destination_city


def _publish_way(parcel: Shipment, *, was_still: bool, status_before: str) -> None:
    """Publish what is news of a parcel under way: it moves, it is brought to the buyer, it waits for them."""
    events, now, payload = list[outbox.Event](), timezone.now(), _payload(parcel)
    if not parcel.is_under_way:
        return
    if was_still and parcel.status == ShipmentStatus.MOVING:
        events.append(outbox.Event("shipment.moved", parcel.pk, now, payload))
    if parcel.tracking_status != status_before:
        if parcel.tracking_status == TrackingStatus.OUT_FOR_DELIVERY:
            events.append(outbox.Event("shipment.out_for_delivery", parcel.pk, now, payload))
        if parcel.tracking_status == TrackingStatus.READY_FOR_PICKUP:
            events.append(outbox.Event("shipment.ready_for_pickup", parcel.pk, now, payload))
    outbox.publish(events)


def _payload(parcel: Shipment) -> dict[str, object]:
    return {"order": parcel.order_id, "carrier": parcel.carrier, "tracking_number": parcel.tracking_number}


def _publish_arrival(parcel: Shipment, arrived: str) -> None:
    if arrived == _DELIVERED:
        at = parcel.delivered_at or timezone.now()
        outbox.publish([outbox.Event("shipment.delivered", parcel.pk, at, _payload(parcel))])
    if arrived == _RETURNED:
        cases.open_cases([cases.Case(Kind.RETURNED, parcel)])


def _report_unwanted(order: Order, parcel: Shipment) -> None:
    """Open a case about a parcel that leaves or arrives although its order must not ship."""
    if code := cases.why_unwanted(order):
        detail = {"code": code, "order_status": str(order.status)}
        cases.open_cases([cases.Case(Kind.UNWANTED_PARCEL, parcel, detail)])


def _report_signed_back(parcel: Shipment, timeline: Timeline) -> None:
    """Open a case about a signature on the way back, once for each: the carrier does not say whose it is."""
    signed_at = progress_of(timeline.milestones).signed_back_at
    if signed_at is None:
        return
    detail = {"signed_at": signed_at.isoformat()}
    known = ShipmentException.objects.filter(kind=Kind.SIGNED_BACK, shipment=parcel, detail=detail)
    if not known.exists():
        cases.open_cases([cases.Case(Kind.SIGNED_BACK, parcel, detail)])


def _complete(
    order: Order, parcels: Sequence[Shipment], parcel: Shipment, raw: str, *, actor: Actor | None = None
) -> bool:
    """Complete the order if every parcel was delivered; returns whether it is completed now.

    One that went back after its signature was delivered all the same: the case of its return says what to do.

    An order that is still «paid» has goods left to ship: its last parcel will complete it. One that is refunded or closed
    is never completed: each of its parcels is a case of its own. Any other refusal (the transition switched off) opens
    a case.
    """
    is_going_on = order.status not in (OrderStatus.PAID, OrderStatus.REFUNDED, OrderStatus.CLOSED)
    if not is_going_on or any(row.delivered_at is None for row in parcels):
        return False
    move = Move(
        order.pk,
        Action.COMPLETE,
        machine.CARRIER,
        actor or Actor("carrier", parcel.carrier),
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
