"""What a carrier is told of an ordered waybill: our reference, sender, receiver and goods."""

from __future__ import annotations

from collections.abc import Iterable

from logistics.carriers.types import Contact, Goods, WaybillRequest
from logistics.models import Warehouse, WaybillOrder
from orders.models import Order


def request_of(waybill: WaybillOrder) -> WaybillRequest:
    """The request of a waybill; the same each time, but for a corrected address of the warehouse. Two queries."""
    lines = waybill.lines.select_related("order_line").order_by("order_line__position")
    return WaybillRequest(
        reference=waybill.reference,
        carrier=waybill.carrier,
        sender=_sender(waybill.warehouse),
        receiver=_receiver(waybill.order),
        goods=tuple(Goods(line.order_line.name, line.quantity) for line in lines),
        insured_value=waybill.insured_value,
    )


def _sender(warehouse: Warehouse) -> Contact:
    """The warehouse's own address; where it is missing the carrier says so."""
    return Contact(
        name=warehouse.sender_name or warehouse.name,
        phone=warehouse.sender_phone,
        province=warehouse.province,
        city=warehouse.city,
        district=warehouse.district,
        street=warehouse.street,
    )


def _receiver(order: Order) -> Contact:
    return Contact(
        name=order.buyer_name,
        phone=order.buyer_phone,
        province=order.province,
        city=order.city,
        district=order.district,
        street=order.street,
    )


def personal_of(request: WaybillRequest) -> Iterable[str]:
    """What the log of calls hides: names, phones and streets of both sides."""
    for contact in (request.sender, request.receiver):
        yield from (contact.name, contact.phone, contact.street)
