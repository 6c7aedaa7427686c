"""Takes personal data out of what couriers write before a buyer's page shows it: anyone with the link may read that."""

from __future__ import annotations

from orders.models import Order
from ordersite.lib.masking import mask_name, mask_phone, mask_phones

# Shorter words stand in too many texts by chance.
_LEAST_NAME, _LEAST_STREET = 2, 4


def for_buyers(text: str, order: Order) -> str:
    """Return a courier's text without the order's street and with every mobile number and the buyer's name masked."""
    masked = mask_phones(text.replace(order.buyer_phone, mask_phone(order.buyer_phone)))
    if len(order.buyer_name) >= _LEAST_NAME:
        masked = masked.replace(order.buyer_name, mask_name(order.buyer_name))
    if len(order.street) >= _LEAST_STREET:
        masked = masked.replace(order.street, "…").replace("".join(order.street.split()), "…")
    return masked
