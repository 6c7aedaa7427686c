"""`POST /api/v1/shipments/confirm/`: validation, scopes and results."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from logistics.models import Shipment
from logistics.tests.builders import build_paid, new_number
from orders.clients import add_client
from orders.models import ApiClient, Order, OrderEvent
from orders.tests.builders import build_merchant

pytestmark = pytest.mark.django_db

PATH = "/api/v1/shipments/confirm/"


def token(*scopes: str) -> str:
    return add_client(build_merchant(), name="erp", scopes=scopes or ("shipments:write",))[1]


def post(body: Any, *, bearer: str | None = None) -> Any:
    raw = body if isinstance(body, str | bytes) else json.dumps(body)
    headers = {"Authorization": f"Bearer {bearer or token()}"}
    return Client().post(PATH, raw, content_type="application/json", headers=headers)


def row(order: Order, **more: Any) -> dict[str, Any]:
    return {
        "order": order.number,
        "warehouse": "main",
        "carrier": "yto",
        "tracking_number": new_number(),
        **more,
    }


def test_each_row_has_a_result_in_order() -> None:
    order = build_paid(cups=2)
    rows = [
        row(
            order,
            insured_value="500.00",
            shipped_at="2026-11-22T10:00:00+08:00",
            lines=[{"product_id": "cup-1", "quantity": 1}],
        ),
        {**row(order), "order": "20261122-XXXX-0000"},
        row(order, carrier="pigeon"),
        row(order),
    ]

    answer = post({"confirmations": rows})

    assert answer.status_code == 200
    results = answer.json()["results"]
    ids = list(Shipment.objects.order_by("pk").values_list("pk", flat=True))
    assert [(r["order"], r["ok"], r["code"], r["shipment"]) for r in results] == [
        (order.number, True, "ok", ids[0]),
        ("20261122-XXXX-0000", False, "unknown_order", None),
        (order.number, False, "unknown_carrier", None),
        (order.number, True, "ok", ids[1]),
    ]
    assert all(set(result) == {"order", "ok", "code", "message", "shipment"} for result in results)
    assert Order.objects.get().status == "shipped"
    line = OrderEvent.objects.filter(kind="waybill").first()
    assert line is not None
    assert (line.actor_kind, line.actor_id) == ("client", str(ApiClient.objects.get().pk))


@pytest.mark.parametrize("scopes", [("orders:write",), ("orders:read",)])
def test_scope_is_required(scopes: tuple[str, ...]) -> None:
    order = build_paid()
    answer = post({"confirmations": [row(order)]}, bearer=token(*scopes))
    assert answer.status_code == 403
    assert not Shipment.objects.exists()


@pytest.mark.parametrize("bearer", ["", "nobody"])
def test_token_is_required(bearer: str) -> None:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    answer = Client().post(PATH, "{}", content_type="application/json", headers=headers)
    assert answer.status_code == 401
    assert set(answer.json()) == {"code", "message", "details"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"order": None}, "order"),
        ({"order": 20261122}, "order"),
        ({"tracking_number": "A\x00B"}, "tracking_number"),
        ({"tracking_number": "X" * 41}, "tracking_number"),
        ({"tracking_number": "  "}, "tracking_number"),
        ({"insured_value": "1.234"}, "insured_value"),
        ({"insured_value": 500}, "insured_value"),
        ({"insured_value": "-1.00"}, "insured_value"),
        ({"insured_value": "NaN"}, "insured_value"),
        ({"shipped_at": "2026-11-22T10:00:00"}, "shipped_at"),
        ({"shipped_at": "yesterday"}, "shipped_at"),
        ({"shipped_at": 1700000000}, "shipped_at"),
        ({"tracking_number": "ß" * 40}, "tracking_number"),
        ({"carrier": "\ud800"}, "carrier"),
        ({"lines": []}, "lines"),
        ({"lines": [{"product_id": "cup-1", "quantity": 0}]}, "lines"),
        ({"lines": [{"product_id": "cup-1", "quantity": 1.5}]}, "lines"),
        ({"lines": [{"product_id": "cup-1", "quantity": 1, "price": "1.00"}]}, "lines"),
    ],
)
def test_malformed_row_refuses_the_whole_call(change: dict[str, Any], field: str) -> None:
    order = build_paid()
    answer = post({"confirmations": [row(order), {**row(order), **change}]})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert field in json.dumps(answer.json()["details"])
    assert not Shipment.objects.exists()
    assert Order.objects.get().status == "paid"


@pytest.mark.parametrize(
    "body", ["", "[]", "{", '{"confirmations": []}', '{"confirmations": 1}', "{}", b"\xff"]
)
def test_malformed_body_is_refused(body: str | bytes) -> None:
    assert post(body).status_code == 400


@pytest.mark.parametrize("given", ["2999-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00"])
def test_future_time_counts_as_now(given: str) -> None:
    answer = post({"confirmations": [row(build_paid(), shipped_at=given)]})
    assert answer.json()["results"][0]["code"] == "ok"
    assert timezone.now() - Shipment.objects.get().shipped_at < timedelta(minutes=1)


def test_first_day_of_the_calendar_is_clamped() -> None:
    answer = post({"confirmations": [row(build_paid(), shipped_at="0001-01-01T00:00:00+08:00")]})
    assert answer.json()["results"][0]["code"] == "ok"
    assert Shipment.objects.get().shipped_at == datetime(2000, 1, 1, tzinfo=UTC)


def test_at_most_500_rows() -> None:
    order = build_paid()
    rows = [row(order) for _ in range(501)]
    assert post({"confirmations": rows}).status_code == 400
    assert not Shipment.objects.exists()
    codes = [result["code"] for result in post({"confirmations": rows[:500]}).json()["results"]]
    assert codes == ["ok"] + ["over_shipped"] * 499
