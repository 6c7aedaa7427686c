"""Finding orders by a payment's, a refund's or a provider's number."""

from __future__ import annotations

import re

from payments.models import Payment

MOST_FOUND = 50
# Our own numbers and the providers' (up to 64 letters, digits, - and _).
_SHAPE = re.compile(r"[0-9A-Za-z_-]{6,64}", re.ASCII)


def find(term: str, *, merchant_id: int | None = None) -> list[int]:
    """Ids of the orders with this payment reference, refund reference or provider's reference; at most 50.

    The whole number must match, which the indexes serve. `merchant_id`: only orders of that merchant.
    """
    text = term.strip()
    if not _SHAPE.fullmatch(text):
        return []
    orders = Payment.objects.order_by().values_list("order_id", flat=True)
    if merchant_id is not None:
        orders = orders.filter(order__merchant_id=merchant_id)
    ours = list(orders.filter(reference=text.upper()))
    ours = ours or list(orders.filter(refund_requests__reference=text.upper()))
    return ours or list(dict.fromkeys(orders.filter(provider_reference=text)[:MOST_FOUND]))
