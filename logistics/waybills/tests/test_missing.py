"""Shipped orders without a waybill number become cases, once, and are resolved when the number is there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from logistics.models import ShipmentException
from logistics.tests.builders import build_shipment
from logistics.waybills.missing import find_missing_numbers
from orders.models import Order
from orders.tests.builders import build_order_in

pytestmark = pytest.mark.django_db


def build_shipped_without_parcel() -> Order:
    order = build_order_in("shipped")
    Order.objects.filter(pk=order.pk).update(shipped_at=timezone.now() - timedelta(hours=2))
    return order


def test_an_order_without_a_number_is_one_case() -> None:
    order = build_shipped_without_parcel()
    build_order_in("shipped")  # a moment ago
    parcel = build_shipment()
    Order.objects.filter(pk=parcel.order_id).update(shipped_at=timezone.now() - timedelta(hours=2))

    assert find_missing_numbers() == 1
    assert find_missing_numbers() == 0

    case = ShipmentException.objects.get()
    assert (case.kind, case.order_id, case.shipment) == ("number_missing", order.pk, None)


def test_a_number_that_was_added_resolves_it() -> None:
    order = build_shipped_without_parcel()
    find_missing_numbers()
    parcel = build_shipment()
    type(parcel).objects.filter(pk=parcel.pk).update(order_id=order.pk)

    find_missing_numbers()

    assert not ShipmentException.objects.open().exists()
