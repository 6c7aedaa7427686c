"""Searching orders by phone number in any spelling, and by the end of a number that a buyer reads out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

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


@pytest.mark.parametrize("read_out", ["1C7E-5DKW", "1c7e5dkw", "IC7E-5DKW", "lc7e5dkw"])
@pytest.mark.parametrize("days", [0, 399])
def test_the_end_of_a_number(read_out: str, days: int) -> None:
    order, other = build_order(), build_order()
    day = timezone.localtime() - timedelta(days=days)
    Order.objects.filter(pk=order.pk).update(number=f"{day:%Y%m%d}-1C7E-5DKW")
    Order.objects.filter(pk=other.pk).update(number=f"{day:%Y%m%d}-1C7E-5DKX")

    assert about.find(read_out) == [order.pk]
    assert about.find(read_out, merchant_id=order.merchant_id + 1) == []


def test_eight_digits_with_a_dash_may_be_a_phone() -> None:
    order = build_order()
    Order.objects.filter(pk=order.pk).update(buyer_phone="87654321")

    assert about.find("8765-4321") == [order.pk]
