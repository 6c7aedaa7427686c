"""The last links of the diagnosis: dispatched, shipped, tracked, signed for."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from logistics import labels
from logistics.diagnosis.obstacles import Obstacle, obstacles_of
from logistics.diagnosis.panel import rows_of
from logistics.models import Dispatch, DispatchStatus, Shipment, ShipmentStatus
from orders.models import Order, OrderStatus
from ordersite.lib.durations import time_since
from ordersite.lib.panels import Link

_OF_DISPATCH = frozenset({"not_dispatched", "dispatch_unanswered", "dispatch_refused", "out_of_stock"})


def explain(order: Order, parcels: Sequence[Shipment]) -> list[Link]:
    """The links of an order with these parcels. A fixed number of queries."""
    obstacle = obstacles_of([order]).get(order.pk)
    rows = rows_of(order)
    return [
        _dispatched_link(order, rows, obstacle),
        _shipped_link(order, parcels, rows, obstacle),
        _tracked_link(parcels),
        _signed_link(order, parcels),
    ]


def _broken_by(name: str, obstacle: Obstacle) -> Link:
    return Link(
        name,
        "broken" if obstacle.is_broken else "waiting",
        obstacle.at,
        obstacle.evidence,
        obstacle.code,
        obstacle.cause,
        advice=obstacle.advice,
    )


def _dispatched_link(order: Order, rows: Sequence[Dispatch], obstacle: Obstacle | None) -> Link:
    """Instructions are made for paid orders of shops whose warehouses take them."""
    if obstacle and obstacle.code in _OF_DISPATCH:
        return _broken_by("dispatched", obstacle)
    live = [row for row in rows if row.is_open or row.status == DispatchStatus.SHIPPED]
    if not live:
        return Link("dispatched", "not_applicable")
    return Link("dispatched", "good", live[0].created_at, f"{live[0].warehouse.name} #{live[0].pk}")


def _shipped_link(
    order: Order, parcels: Sequence[Shipment], rows: Sequence[Dispatch], obstacle: Obstacle | None
) -> Link:
    name = "shipped"
    if obstacle and obstacle.code not in _OF_DISPATCH:
        return _broken_by(name, obstacle)
    if parcels and order.status != OrderStatus.PAID:
        return Link(name, "good", parcels[-1].shipped_at, parcels[-1].tracking_number)
    if order.status != OrderStatus.PAID:
        return Link(name, "not_applicable")
    if order.held:
        cause = _("The order is held and must not ship.")
        advice = _("Look into why it is held: release it, or refund it.")
        return Link(name, "broken", cause_code="held", cause=cause, advice=advice)
    if order.is_stopped:
        cause = _("A refund of the order is under way: it must not ship meanwhile.")
        return Link(name, "waiting", order.paid_at, cause_code="refund_under_way", cause=cause)
    return _not_shipped(order, bool(parcels), [row for row in rows if row.is_open])


def _not_shipped(order: Order, is_partly: bool, rows: Sequence[Dispatch]) -> Link:
    cause = _("The warehouse has sent a part.") if is_partly else _("The warehouse has not confirmed yet.")
    if rows:
        since = _("%(warehouse)s has had its instruction for %(time)s.")
        oldest = rows[-1]
        cause = (
            f"{cause} {since % {'warehouse': oldest.warehouse.name, 'time': time_since(oldest.created_at)}}"
        )
    advice = _("Ask the warehouse when it sends the goods; its confirmation ships the order.")
    at = rows[-1].created_at if rows else order.paid_at
    return Link("shipped", "waiting", at, cause_code="not_shipped", cause=cause, advice=advice)


def _tracked_link(parcels: Sequence[Shipment]) -> Link:
    if not parcels:
        return Link("tracked", "not_applicable")
    worst = next((parcel for parcel in parcels if parcel.last_problem and parcel.is_under_way), None)
    if worst is not None:
        return Link(
            "tracked",
            "waiting" if worst.last_problem.startswith("nothing_found") else "broken",
            worst.last_poll_at,
            worst.tracking_number,
            worst.last_problem.partition(":")[0],
            labels.problem_label(worst.last_problem),
        )
    unpolled = next((parcel for parcel in parcels if parcel.last_checked_at is None), None)
    if unpolled is not None:
        return Link("tracked", "waiting", None, unpolled.tracking_number, "not_asked", _("Not polled yet."))
    return Link("tracked", "good", parcels[-1].last_checked_at, parcels[-1].tracking_number)


def _signed_link(order: Order, parcels: Sequence[Shipment]) -> Link:
    if not parcels:
        return Link("signed", "not_applicable")
    back = next((parcel for parcel in parcels if parcel.status == ShipmentStatus.RETURNED), None)
    if back is not None:
        cause = _("The parcel went back to the sender.")
        return Link("signed", "broken", back.last_event_at, back.tracking_number, "returned", cause)
    under_way = next((parcel for parcel in parcels if parcel.is_under_way), None)
    if under_way is not None:
        label = labels.tracking_label(under_way.tracking_status)
        return Link("signed", "waiting", None, under_way.tracking_number, "under_way", str(label.text))
    if order.status == OrderStatus.SHIPPED:
        cause = _("Every parcel is signed for, but the order was not completed.")
        return Link("signed", "broken", parcels[-1].delivered_at, "", "order_not_completed", cause)
    return Link("signed", "good", parcels[-1].delivered_at, parcels[-1].tracking_number)
