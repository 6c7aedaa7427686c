"""Searching orders by phone number in any spelling."""

from __future__ import annotations

import pytest

from orders import about
from orders.models import Order
from orders.tests.builders import build_order

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "written", ["13912345678", "+8613912345678", "8613912345678", "139-1234-5678", "+86-13912345678"]
)
@pytest.mark.parametrize("read_out", ["13912345678", "+8613912345678", "139 1234 5678", "86-139-1234-5678"])
def test_mobile_number_in_every_spelling(written: str, read_out: str) -> None:
    order = build_order()
    Order.objects.filter(pk=order.pk).update(buyer_phone=written)
    assert about.find(read_out) == [order.pk]


@pytest.mark.parametrize("term", ["13912345679", "1391234", "²3912345678", "", "-", "\x00"])
def test_another_number_finds_nothing(term: str) -> None:
    order = build_order()
    Order.objects.filter(pk=order.pk).update(buyer_phone="+8613912345678")
    assert about.find(term) == []
