"""Corrects the carrier of a parcel where the company that is queried for it says that it is another one's."""

from __future__ import annotations

import logging

from django.db import IntegrityError, transaction

from logistics.models import CARRIERS, Shipment
from ordersite.database.locking import update_in_order

_CODES = frozenset(code for code, _name in CARRIERS)

logger = logging.getLogger(__name__)


def correct_carrier(parcel: Shipment, carrier: str) -> bool:
    """Give a parcel of a locked order its right carrier; returns whether that is changed now.

    Changes nothing where the right carrier has a parcel of this number already. A trigger audits the change.
    """
    if carrier == parcel.carrier or carrier not in _CODES:
        return False
    if Shipment.objects.filter(carrier=carrier, tracking_number=parcel.tracking_number).exists():
        logger.warning("carrier not corrected: the number is taken", extra={"shipment": parcel.pk})
        return False
    try:
        with transaction.atomic():
            update_in_order(Shipment.objects.filter(pk=parcel.pk), carrier=carrier)
    except IntegrityError:  # another confirmation took it in this moment
        return False
    parcel.carrier = carrier
    return True
