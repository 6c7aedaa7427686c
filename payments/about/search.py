"""Finding orders by a payment's, a refund's or a provider's number."""

from __future__ import annotations

import re

from payments.models import (
    Payment,
)

MOST_FOUND = 50


# Our own numbers and the providers' (up to 64 letters, digits, - and _).
_SHAPE = re.compile(r"[0-9A-Za-z_-]{6,64}", re.ASCII)


def find(term: str, *, merchant_id: int | None = None) -> list[int]:
    """Orders by the reference of a payment or refund or the provider's number, whole; indexed, at most 50.

    Of one merchant, if given.
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
