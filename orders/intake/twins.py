"""Twins: orders of the same buyer for the same products, which are suspected duplicates.

Two unique constraints refuse them: over (buyer, product set, minute, twin number), and over (buyer, product set, twin
number) of the orders that wait for money, which knows no edge between two minutes. An order that follows a closed
one, or that the buyer has confirmed, takes the next twin number, so that the constraints cover it too.
"""

from __future__ import annotations

from django.db.models import Max

from orders import errors
from orders.models import Order, OrderStatus


def confirmed_number(order: Order) -> int:
    """The twin number of a confirmed duplicate: one above the highest.

    Two confirmations at the same time may read the same number; the constraint lets one of them in.
    """
    highest = Order.objects.twins_of(order).aggregate(highest=Max("twin_number"))["highest"]
    return 0 if highest is None else highest + 1


def number_after_refusal(order: Order) -> int | None:
    """The next twin number of an order whose insert was refused, if all its twins are closed.

    Returns None if it has no twins: then its order number clashed. Raises `duplicate_suspected` with the newest twin
    that is not closed.
    """
    rows = Order.objects.twins_of(order).order_by("-twin_number")
    twins = list(rows.values_list("number", "status", "twin_number"))
    for number, status, _twin in twins:
        if status != OrderStatus.CLOSED:
            raise errors.duplicate_suspected(number)
    return twins[0][2] + 1 if twins else None
