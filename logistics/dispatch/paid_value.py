"""What was paid for a part of an order's goods: what a parcel of them is insured for."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal

from orders.models import Order, OrderLine
from ordersite.lib.money import ZERO

FEN = Decimal("0.01")


def paid_value(order: Order, quantities: Mapping[int, int]) -> Decimal | None:
    """What was paid for these quantities by order line (yuan); None where that is nothing."""
    lines = OrderLine.objects.filter(pk__in=list(quantities))
    return paid_share(order, sum((line.unit_price * quantities[line.pk] for line in lines), ZERO))


def paid_share(order: Order, goods: Decimal) -> Decimal | None:
    """What was paid for goods of this price (yuan): their share of the order's goods less its discount, rounded down to
    the fen. None where that is nothing.
    """
    if not order.goods_amount:
        return None
    paid = goods * max(order.goods_amount - order.discount, ZERO) / order.goods_amount
    return paid.quantize(FEN, rounding=ROUND_DOWN) or None
