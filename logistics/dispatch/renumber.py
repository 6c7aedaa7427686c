"""Corrects the waybill number of a parcel: tracking starts anew, and nothing of the wrong number stays on its card."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from logistics import errors
from logistics.carriers.numbers import tidy_number
from logistics.models import CARRIERS, Shipment, TrackingEvent
from orders import lifecycle
from orders.changes import Note
from orders.history.lines import Actor, Evidence
from ordersite.lib.errors import DomainError
from ordersite.queue import wakeups

TRIGGER = "waybill_number_changed"
_POLL_TASK = "logistics.poll_tracking"


def change_number(shipment_id: int, *, carrier: str, number: str, actor: Actor, reason: str) -> Shipment:
    """Give a parcel that is under way another carrier and number, with a line of history.

    The database's trigger audits the change as well. Raises `DomainError`: unknown_carrier, number_invalid,
    number_unchanged, parcel_arrived, tracking_number_used.
    """
    number = tidy_number(number)
    if carrier not in dict(CARRIERS):
        raise DomainError("unknown_carrier", errors.CONFIRMATIONS["unknown_carrier"])
    if not 6 <= len(number) <= 40:
        raise DomainError("number_invalid", _("A waybill number has 6 to 40 letters and digits."))
    with transaction.atomic():
        order_id = Shipment.objects.values_list("order_id", flat=True).get(pk=shipment_id)
        order = lifecycle.lock([order_id])[order_id]
        parcels = Shipment.objects.lock_of_order(order_id)
        parcel = next(row for row in parcels if row.pk == shipment_id)
        old = f"{parcel.carrier} {parcel.tracking_number}"
        _check(parcel, carrier, number)
        _start_anew(parcel, carrier, number)
        evidence = Evidence("waybill_change", f"{old} → {carrier} {number}")
        lifecycle.apply_one(order, Note(order_id, TRIGGER, actor, evidence, reason))
        transaction.on_commit(lambda: wakeups.wake(_POLL_TASK))
    return parcel


def _check(parcel: Shipment, carrier: str, number: str) -> None:
    if (parcel.carrier, parcel.tracking_number) == (carrier, number):
        raise DomainError("number_unchanged", _("The parcel has this number already."))
    if not parcel.is_under_way:
        raise DomainError(
            "parcel_arrived", _("The parcel has arrived or come back; its number is not changed any more.")
        )


def _start_anew(parcel: Shipment, carrier: str, number: str) -> None:
    """Write number and carrier, and set all that was known of the old number back."""
    parcel.start_anew(timezone.now())
    parcel.carrier, parcel.tracking_number = carrier, number
    try:
        with transaction.atomic():
            parcel.save()
    except IntegrityError as error:
        raise DomainError("tracking_number_used", errors.CONFIRMATIONS["tracking_number_used"]) from error
    TrackingEvent.objects.filter(shipment_id=parcel.pk).delete()
