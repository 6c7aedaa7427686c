"""`POST /api/v1/stock/`: validation, scopes, results, and the case of a level below the reservations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from logistics.models import ShipmentException, Stock, Warehouse
from logistics.stock import ledger
from logistics.stock.ledger import Shelf
from logistics.tests.builders import build_warehouse
from orders.clients import add_client
from orders.tests.builders import build_merchant

pytestmark = pytest.mark.django_db

PATH = "/api/v1/stock/"


def post(body: Any, *, scope: str = "shipments:write") -> Any:
    token = add_client(build_merchant(), name="erp", scopes=(scope,))[1]
    headers = {"Authorization": f"Bearer {token}"}
    return Client().post(PATH, json.dumps(body), content_type="application/json", headers=headers)


def level(on_hand: Any = 5, **more: Any) -> dict[str, Any]:
    return {"warehouse": "main", "product_id": "cup-1", "on_hand": on_hand, **more}


def reserve(warehouse: Warehouse, quantity: int) -> None:
    shelf = Shelf(warehouse.pk, "cup-1")
    with transaction.atomic():
        stock = ledger.lock([shelf])
        stock.reserve(shelf, quantity, order_id=1)
        stock.save()


def test_each_row_has_a_result_in_order() -> None:
    build_warehouse()

    answer = post({"levels": [level(5), level(3, warehouse="moon"), level(0, product_id="lid-1")]})

    assert answer.status_code == 200
    assert [
        (row["warehouse"], row["product_id"], row["ok"], row["code"]) for row in answer.json()["results"]
    ] == [
        ("main", "cup-1", True, "ok"),
        ("moon", "cup-1", False, "unknown_warehouse"),
        ("main", "lid-1", True, "ok"),
    ]
    assert dict(Stock.objects.values_list("product_id", "on_hand")) == {"cup-1": 5, "lid-1": 0}


def test_a_level_is_absolute_and_the_last_row_stands() -> None:
    build_warehouse()
    post({"levels": [level(5)]})

    post({"levels": [level(9), level(4)]})

    assert Stock.objects.get().on_hand == 4


def test_another_shops_warehouse_is_unknown() -> None:
    build_warehouse(build_merchant("other"))

    answer = post({"levels": [level()]})

    assert answer.json()["results"][0]["code"] == "unknown_warehouse"
    assert not Stock.objects.exists()


def test_a_level_below_the_reservations_opens_one_case() -> None:
    reserve(build_warehouse(), 3)

    post({"levels": [level(2)]})
    post({"levels": [level(1)]})

    case = ShipmentException.objects.get()
    assert (case.kind, case.product_id, case.order_id) == ("stock_short", "cup-1", None)
    assert case.detail == {"on_hand": "2", "reserved": "3"}


def test_enough_stock_resolves_the_case() -> None:
    reserve(build_warehouse(), 3)
    post({"levels": [level(2)]})

    post({"levels": [level(3)]})

    assert not ShipmentException.objects.open().exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"levels": []},
        {"levels": [level(-1)]},
        {"levels": [level("5")]},
        {"levels": [level(1.5)]},
        {"levels": [level(True)]},
        {"levels": [level(10**12)]},
        {"levels": [level(extra=1)]},
        {"levels": [level(product_id="")]},
        {"levels": [level(product_id="a\u0000")]},
        {"levels": [level()] * 501},
        {"levels": [level()], "more": 1},
    ],
)
def test_malformed_bodies_change_nothing(body: Any) -> None:
    build_warehouse()

    answer = post(body)

    assert answer.status_code == 400
    assert not Stock.objects.exists()


def test_the_scope_is_needed() -> None:
    build_warehouse()

    assert post({"levels": [level()]}, scope="orders:read").status_code == 403
    assert Client().post(PATH, "{}", content_type="application/json").status_code == 401
    assert not Stock.objects.exists()
