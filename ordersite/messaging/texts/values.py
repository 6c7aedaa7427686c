"""The values of the variables: what an order and its parcel say now."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from logistics.labels import carrier_name
from logistics.models import Shipment
from orders.models import Order
from ordersite.lib.money import format_amount
from ordersite.messaging.texts.variables import one_line


def tracking_link(order: Order) -> str:
    """The public page of the order; before it ships the page shows its QR code."""
    return f"{settings.PUBLIC_BASE_URL}/track/{order.tracking_token}/"


def values_of(order: Order, parcel: Shipment | None) -> dict[str, str]:
    """The value of each variable, in the language that is active. Two queries: the shop and the lines."""
    values = {
        "shop": order.merchant.name,
        "order_number": order.number,
        "amount": format_amount(order.total_amount),
        "refunded_amount": format_amount(order.refunded_amount),
        "products": _products(order),
        "link": tracking_link(order),
        "carrier": carrier_name(parcel.carrier) if parcel else "",
        "tracking_number": parcel.tracking_number if parcel else "",
    }
    return {name: one_line(value) for name, value in values.items()}


# What previews show: no buyer's data.
EXAMPLE: Mapping[str, str] = {
    "shop": "示范店",
    "order_number": "20261130-0001",
    "amount": "199.00",
    "refunded_amount": "199.00",
    "products": "保温杯 500ml",
    "link": "https://shop.example/track/AbCdEfGhIjKlMnOpQrStUvWx/",
    "carrier": "顺丰速运",
    "tracking_number": "SF1234567890123",
}


def _products(order: Order) -> str:
    names = [line.name for line in order.lines.all()]
    more = len(names) - 1
    return f"{names[0]} +{more}" if more > 0 else "".join(names[:1])
