"""What a parcel is insured for. Only what is bought is shown: the carrier is told this very sum."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from django.utils.translation import gettext as _

from logistics.accounts import HIGHEST_KEY
from logistics.dispatch.paid_value import paid_value
from logistics.models import CarrierAccount
from orders.errors import invalid
from orders.models import Order
from ordersite.lib.money import format_amount, parse_amount


def insured_value(
    order: Order, quantities: Mapping[int, int], account: CarrierAccount, *, wanted: Decimal | None
) -> Decimal | None:
    """The sum (yuan) for a parcel of these quantities by order line; None: not insured.

    `wanted` is refused where it is above the carrier's highest, else taken as it is. Without it the shop's switch
    decides: the paid value of the goods, at most the carrier's highest. Raises `DomainError` invalid.
    """
    highest = highest_of(account)
    if wanted is not None:
        if highest is not None and wanted > highest:
            problem = _("The carrier insures at most %(most)s yuan.") % {"most": format_amount(highest)}
            raise invalid(insured_value=problem)
        return wanted or None
    if not order.merchant.insures_parcels:
        return None
    value = paid_value(order, quantities)
    return min(value, highest) if value is not None and highest is not None else value


def highest_of(account: CarrierAccount) -> Decimal | None:
    """The carrier's highest insured value (yuan) as the account states it; None: not stated."""
    text = account.config.get(HIGHEST_KEY)
    return parse_amount(str(text)) if text else None
