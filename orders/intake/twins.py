"""Minute twins: the same buyer, the same products, the same minute.

The database refuses them by a unique constraint over (buyer, product set, minute, twin number). A first order that
was closed, or a buyer who confirmed, takes the next twin number and so stays covered by the same constraint.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Max

from orders import errors
from orders.models import Order, OrderStatus


def minute_of(at: datetime) -> int:
    """Whole minutes since 1970 (UTC)."""
    return int(at.timestamp()) // 60


def confirmed_number(order: Order) -> int:
    """The twin number of a confirmed duplicate: one above the highest, read once. Two confirmations at the same time
    read the same, and the constraint lets one of them in."""
    highest = _twins(order).aggregate(highest=Max("twin_number"))["highest"]
    return 0 if highest is None else highest + 1


def number_after_refusal(order: Order) -> int | None:
    """Why an insert was refused: None when it was not for a twin (then its number clashed), the next twin number when
    all twins are closed. Raises duplicate_suspected with the newest one that is not."""
    twins = list(_twins(order).order_by("-twin_number").values_list("number", "status", "twin_number"))
    for number, status, _twin in twins:
        if status != OrderStatus.CLOSED:
            raise errors.duplicate_suspected(number)
    return twins[0][2] + 1 if twins else None


def _twins(order: Order):  # type: ignore[no-untyped-def]
    return Order.objects.filter(buyer_id=order.buyer_id, product_set=order.product_set, minute=order.minute)
