"""Composes what the API says of orders from the `about` modules of the three apps; webhooks say the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from logistics import about as logistics_about
from orders import about as orders_about
from orders.models import Order
from orders.serializers import order_json
from payments import about as payments_about


def compose(orders: Sequence[Order]) -> list[dict[str, Any]]:
    """Return these orders with lines, payments and shipments as JSON values, with a fixed number of queries."""
    lines = orders_about.parts(orders)
    payments = payments_about.parts(orders)
    shipments = logistics_about.parts(orders)
    return [
        order_json(
            order,
            lines=lines.get(order.pk, []),
            payments=payments.get(order.pk, []),
            shipments=shipments.get(order.pk, []),
        )
        for order in orders
    ]
