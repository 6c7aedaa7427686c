"""Orders that a statement's lines name by the order's own number instead of a payment's reference."""

from __future__ import annotations

from collections.abc import Iterable

from orders.intake.numbers import is_number
from orders.models import Order
from payments.models import StatementLine


def named_orders(lines: Iterable[StatementLine]) -> dict[str, Order]:
    """Return the orders by the numbers that lines without a payment name, of the merchant that owns the account.

    They are proposed to a person and never settled by themselves: anybody can write a number into a transfer's purpose.
    """
    named = [line for line in lines if line.payment_id is None and is_number(line.reference)]
    if not named:
        return {}
    merchants = {line.account.merchant_id for line in named}
    orders = Order.objects.filter(number__in={line.reference for line in named}, merchant__in=merchants)
    return {order.number: order for order in orders}
