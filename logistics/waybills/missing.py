"""Finds shipped orders without a waybill number, once a night: nobody can say where their goods are."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from logistics import cases
from logistics.models import Shipment, ShipmentException
from orders.models import Order, OrderStatus

# A warehouse's program may confirm in two steps.
PATIENCE = timedelta(hours=1)
BATCH = 1_000
_HIGHEST = 2**63 - 1
_KIND = ShipmentException.Kind.NUMBER_MISSING


def find_missing_numbers() -> int:
    """Open a case for each shipped order without a number, and resolve those that have one; returns how many opened."""
    _resolve_found()
    numbered = Shipment.objects.filter(order_id=OuterRef("pk")).exclude(tracking_number="")
    shipped = Order.objects.filter(status=OrderStatus.SHIPPED, shipped_at__lt=timezone.now() - PATIENCE)
    missing = shipped.filter(~Exists(numbered)).order_by("-pk")
    opened, last = 0, _HIGHEST
    while ids := list(missing.filter(pk__lt=last).values_list("pk", flat=True)[:BATCH]):
        last = ids[-1]
        with transaction.atomic():
            opened += cases.open_order_cases([cases.OrderCase(_KIND, order_id) for order_id in ids])
    return opened


def _resolve_found() -> None:
    numbered = Shipment.objects.filter(order_id=OuterRef("order_id")).exclude(tracking_number="")
    for case in ShipmentException.objects.open().filter(Exists(numbered), kind=_KIND):
        cases.resolve(case, user=None, note="the number is known")
