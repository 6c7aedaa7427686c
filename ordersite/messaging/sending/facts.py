"""Whether a fact is still true right before it is told: nobody reads that a parcel is on its way once it has arrived."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from logistics.models import Shipment, ShipmentStatus
from orders.models import Order, OrderStatus
from ordersite.messaging.models import BuyerMessage, MessageEvent

_GOES_ON = (OrderStatus.PAID, OrderStatus.SHIPPED, OrderStatus.COMPLETED)
_ORDER_STATES: Mapping[MessageEvent, tuple[str, ...]] = {
    MessageEvent.CREATED: (OrderStatus.PENDING, *_GOES_ON),
    MessageEvent.PAID: _GOES_ON,
    MessageEvent.PARTLY_REFUNDED: _GOES_ON,
    MessageEvent.REFUNDED: (OrderStatus.REFUNDED,),
    MessageEvent.CLOSED: (OrderStatus.CLOSED,),
}


def _under_way(parcel: Shipment) -> bool:
    return parcel.is_under_way


def _near(status: str) -> Callable[[Shipment], bool]:
    return lambda parcel: parcel.is_under_way and parcel.tracking_status == status


_PARCEL_STATES: Mapping[MessageEvent, Callable[[Shipment], bool]] = {
    MessageEvent.SHIPPED: _under_way,
    MessageEvent.MOVING: _under_way,
    MessageEvent.OUT_FOR_DELIVERY: _near("out_for_delivery"),
    MessageEvent.READY_FOR_PICKUP: _near("ready_for_pickup"),
    MessageEvent.DELIVERED: lambda parcel: parcel.status == ShipmentStatus.DELIVERED,
    MessageEvent.STALLED: _under_way,
}


def is_true(message: BuyerMessage) -> bool:
    """Whether the order and its parcel still are as the message says. A rule's message and a notice say nothing of that."""
    event, order, parcel = MessageEvent(message.event), message.order, message.shipment
    if order is None:
        return True
    if event in _PARCEL_STATES:
        return parcel is not None and _may_arrive(order) and _PARCEL_STATES[event](parcel)
    return event not in _ORDER_STATES or order.status in _ORDER_STATES[event]


def _may_arrive(order: Order) -> bool:
    """Whether the order's parcels are wanted: of a refunded one the refund is told."""
    return order.status in _GOES_ON
