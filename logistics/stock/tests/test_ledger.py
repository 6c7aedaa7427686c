"""The ledger: what is reserved, released and taken, and that neither figure becomes negative."""

from __future__ import annotations

import pytest
from django.db import transaction

from logistics.models import Stock
from logistics.stock import ledger
from logistics.stock.ledger import Shelf
from logistics.tests.builders import build_warehouse

pytestmark = pytest.mark.django_db


def shelf(product: str = "cup-1") -> Shelf:
    return Shelf(build_warehouse().pk, product)


def figures() -> tuple[int | None, int]:
    return Stock.objects.values_list("on_hand", "reserved").get()


@transaction.atomic
def test_a_product_without_a_row_is_not_counted() -> None:
    stock = ledger.lock([shelf()])

    stock.reserve(shelf(), 2, order_id=1)
    stock.take(shelf(), 1, order_id=1)
    stock.save()

    assert stock.available(shelf()) is None
    assert figures() == (None, 2)


@transaction.atomic
def test_available_is_what_is_not_reserved() -> None:
    Stock.objects.create(warehouse_id=shelf().warehouse_id, product_id="cup-1", on_hand=5, reserved=3)

    assert ledger.lock([shelf()]).available(shelf()) == 2


@transaction.atomic
def test_more_taken_than_counted_leaves_nothing() -> None:
    Stock.objects.create(warehouse_id=shelf().warehouse_id, product_id="cup-1", on_hand=2)
    stock = ledger.lock([shelf()])

    stock.take(shelf(), 3, order_id=1)
    stock.save()

    assert figures() == (0, 0)


@transaction.atomic
def test_more_released_than_reserved_is_a_fault() -> None:
    stock = ledger.lock([shelf()])
    stock.reserve(shelf(), 1, order_id=1)

    with pytest.raises(RuntimeError, match="released"):
        stock.release(shelf(), 2, order_id=1)


@transaction.atomic
def test_no_shelf_needs_no_lock() -> None:
    assert ledger.lock([]).rows == {}
