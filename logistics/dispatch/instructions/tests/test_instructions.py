"""Instructions from the paid order to the parcel: routing, splitting, acknowledging, cancelling, and the stock of it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urljoin

import pytest
from django.db import transaction
from django.db.models import F, Sum
from django.test import Client
from django.utils import timezone

from logistics.dispatch.confirm import Confirmation, ProductQuantity, confirm_shipments
from logistics.dispatch.instructions import route
from logistics.dispatch.instructions.tests.builders import build_pull, count, run_events
from logistics.models import Dispatch, DispatchLine, Shipment, ShipmentException, Stock, Warehouse
from logistics.tests.builders import ERP, build_paid, new_number
from orders.changes import Hold, ReleaseHold
from orders.clients import add_client
from orders.history.lines import Actor
from orders.models import Order
from orders.tests.builders import apply_changes, build_merchant, move
from ordersite.queue import relay

pytestmark = pytest.mark.django_db
STAFF = Actor("staff", "1")


def call(method: str, path: str, body: Any = None, *, scope: str = "shipments:write") -> Any:
    token = add_client(build_merchant(), name="erp", scopes=(scope,))[1]
    data = json.dumps(body) if body is not None else ""
    headers = {"Authorization": f"Bearer {token}"}
    return Client().generic(
        method, urljoin("/api/v1/dispatches/", path), data, content_type="application/json", headers=headers
    )


def fetch(slug: str) -> list[dict[str, Any]]:
    answer = call("GET", f"?warehouse={slug}")
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["dispatches"]
    return found


def ack(*acks: dict[str, Any]) -> list[str]:
    answer = call("POST", "ack/", {"acks": list(acks)})
    assert answer.status_code == 200
    return [row["code"] for row in answer.json()["results"]]


def report(slug: str, levels: dict[str, int]) -> list[str]:
    rows = [{"warehouse": slug, "product_id": name, "on_hand": number} for name, number in levels.items()]
    answer = call("POST", "../stock/", {"levels": rows})
    assert answer.status_code == 200, answer.content
    return [row["code"] for row in answer.json()["results"]]


def confirm_all(order: Order, slug: str, **more: Any) -> str:
    row = Confirmation(
        order=order.number, warehouse=slug, carrier="yto", tracking_number=new_number(), **more
    )
    return confirm_shipments(order.merchant, [row], actor=ERP)[0].code


def assert_reserved_is_instructed() -> None:
    """Reservations equal what open instructions have left, product by product, and nothing is negative."""
    lines = DispatchLine.objects.filter(dispatch__in=Dispatch.objects.open())
    left = lines.values_list("dispatch__warehouse_id", "product_id").annotate(
        number=Sum(F("quantity") - F("shipped"))
    )
    wanted = {(warehouse, product): number for warehouse, product, number in left if number}
    rows = Stock.objects.values_list("warehouse_id", "product_id", "reserved", "on_hand")
    assert {(row[0], row[1]): row[2] for row in rows if row[2]} == wanted
    assert [row for row in rows if row[2] < 0 or (row[3] or 0) < 0] == []


def status_of(**where: Any) -> str:
    return str(Dispatch.objects.get(**where).status)


def test_a_shop_without_such_a_warehouse_goes_on_as_before() -> None:
    build_paid()

    run_events()

    assert not Dispatch.objects.exists()
    assert not ShipmentException.objects.exists()


def test_a_paid_order_goes_to_the_nearest_warehouse() -> None:
    near, named, far = (
        build_pull("hz", "浙江", cost="9.00"),
        build_pull("sh", "上海市", "浙江省"),
        build_pull("all"),
    )
    order = build_paid(cups=2)

    run_events()

    assert [(row.order_id, row.warehouse_id) for row in Dispatch.objects.all()] == [(order.pk, near.pk)]
    assert {named.pk, far.pk}.isdisjoint(Dispatch.objects.values_list("warehouse_id", flat=True))
    assert_reserved_is_instructed()


def test_cost_then_priority_decide_between_equals() -> None:
    build_pull("dear", "浙江省", cost="6.00", priority=1)
    build_pull("last", "浙江省", cost="5.00", priority=2)
    first = build_pull("first", "浙江省", cost="5.00", priority=1)
    build_paid()

    run_events()

    assert Dispatch.objects.get().warehouse_id == first.pk


def test_an_order_is_split_where_no_warehouse_has_all() -> None:
    cups, lids = build_pull("cups", "浙江省"), build_pull("lids", "浙江省")
    for warehouse, product, number in (
        (cups, "cup-1", 5),
        (cups, "lid-1", 0),
        (lids, "cup-1", 0),
        (lids, "lid-1", 5),
    ):
        count(warehouse, product, number)
    order = build_paid(cups=2, lids=1)

    run_events()

    assert {(row.warehouse_id, row.lines.get().product_id) for row in Dispatch.objects.all()} == {
        (cups.pk, "cup-1"),
        (lids.pk, "lid-1"),
    }
    assert confirm_all(order, "cups") == "ok"
    assert Order.objects.get(pk=order.pk).status == "paid"
    assert confirm_all(order, "lids") == "ok"
    assert Order.objects.get(pk=order.pk).status == "shipped"
    assert Shipment.objects.filter(order=order).count() == 2
    assert set(Dispatch.objects.values_list("status", flat=True)) == {"shipped"}
    assert dict(Stock.objects.filter(on_hand__gt=0).values_list("product_id", "on_hand")) == {
        "cup-1": 3,
        "lid-1": 4,
    }
    assert_reserved_is_instructed()


def test_what_nobody_has_is_a_case_and_no_instruction() -> None:
    count(build_pull("hz", "浙江省"), "cup-1", 1)
    order = build_paid(cups=2)

    run_events()

    assert not Dispatch.objects.exists()
    case = ShipmentException.objects.get()
    assert (case.kind, case.order_id, case.detail) == ("out_of_stock", order.pk, {"products": "cup-1 ×2"})


def test_stock_that_comes_in_sends_what_waited_for_it() -> None:
    """Only what was reported: another product brings nothing on its way."""
    warehouse = build_pull("hz", "浙江省")
    count(warehouse, "cup-1", 1)
    order = build_paid(cups=2)
    run_events()

    assert report("hz", {"lid-1": 9, "cup-1": 0}) == ["ok", "ok"]
    run_events()
    assert not Dispatch.objects.exists()

    assert report("hz", {"cup-1": 2}) == ["ok"]
    run_events()
    assert Dispatch.objects.get().order_id == order.pk
    assert not ShipmentException.objects.open().exists()
    assert_reserved_is_instructed()


def test_the_last_piece_is_promised_once() -> None:
    count(build_pull("hz", "浙江省"), "cup-1", 1)
    build_paid()
    build_paid()

    run_events()

    assert Dispatch.objects.count() == 1
    assert_reserved_is_instructed()


def test_repeated_events_instruct_once() -> None:
    build_pull("hz")
    order = build_paid()
    event = relay.Delivered(1, "order.paid", order.pk, timezone.now(), {})

    for _time in range(3):
        with transaction.atomic():
            route.handle_may_ship([event, event])

    assert Dispatch.objects.count() == 1
    assert_reserved_is_instructed()


def test_handed_out_until_acknowledged() -> None:
    build_pull("hz")
    order = build_paid(cups=2)
    run_events()

    first, again = fetch("hz"), fetch("hz")

    assert first == again
    assert {key: first[0][key] for key in ("order", "warehouse", "lines", "receiver")} == {
        "order": order.number,
        "warehouse": "hz",
        "lines": [{"product_id": "cup-1", "name": "保温杯", "quantity": 2}],
        "receiver": {
            "name": "王小明",
            "phone": "13800138000",
            "address": {
                "province": "浙江省", "city": "杭州市", "district": "西湖区", "street": "文三路 1 号", "postcode": "",
            },
        },
    }  # fmt: skip
    assert ack(
        {"id": first[0]["id"], "ok": True}, {"id": first[0]["id"], "ok": True}, {"id": 9**12, "ok": True}
    ) == [
        "ok",
        "already_acked",
        "unknown_dispatch",
    ]
    assert fetch("hz") == []


@pytest.mark.parametrize("code", ["out_of_stock", "address_unserved"])
def test_a_refusal_routes_anew_and_never_back(code: str) -> None:
    build_pull("hz", "浙江省")
    other = build_pull("all")
    build_paid()
    run_events()

    assert ack({"id": fetch("hz")[0]["id"], "ok": False, "code": code}) == ["ok"]
    run_events()

    assert status_of(warehouse__slug="hz") == "refused"
    assert status_of(warehouse=other) == "waiting"
    assert ack({"id": fetch("all")[0]["id"], "ok": False, "code": code}) == ["ok"]
    run_events()
    assert not Dispatch.objects.open().exists()
    assert ShipmentException.objects.get().kind == "out_of_stock"
    assert_reserved_is_instructed()


def test_another_refusal_is_a_case() -> None:
    build_pull("hz")
    build_pull("all")
    build_paid()
    run_events()

    ack({"id": fetch("hz")[0]["id"], "ok": False, "code": "damaged", "message": "外箱破损"})
    run_events()

    case = ShipmentException.objects.get()
    assert (case.kind, case.detail) == ("dispatch_refused", {"refusal": "damaged", "message": "外箱破损"})
    assert not Dispatch.objects.open().exists()


def test_a_held_order_never_leaves() -> None:
    build_pull("hz")
    order = build_paid()
    run_events()
    sent = fetch("hz")[0]

    apply_changes(Hold(order.pk, STAFF, "look"))

    assert fetch("hz") == []
    assert ack({"id": sent["id"], "ok": True}) == ["cancelled"]
    run_events()
    assert status_of() == "cancelled"
    assert_reserved_is_instructed()
    apply_changes(ReleaseHold(order.pk, STAFF, "fine"))
    run_events()
    assert [row["order"] for row in fetch("hz")] == [order.number]


def test_a_refund_cancels_before_the_warehouse_asks() -> None:
    build_pull("hz")
    order = build_paid()
    run_events()

    move(order, "refund", "refund_confirmed")
    run_events()

    assert status_of() == "cancelled"
    assert fetch("hz") == []
    assert_reserved_is_instructed()


def test_parts_of_an_instruction_stay_visible() -> None:
    warehouse = build_pull("hz")
    count(warehouse, "cup-1", 5)
    order = build_paid(cups=3)
    run_events()

    assert confirm_all(order, "hz", lines=(ProductQuantity("cup-1", 1),)) == "ok"

    assert (DispatchLine.objects.get().shipped, status_of()) == (1, "waiting")
    assert Stock.objects.values_list("on_hand", "reserved").get() == (4, 2)
    assert fetch("hz")[0]["lines"][0]["quantity"] == 2


def test_another_warehouse_that_sends_it_takes_the_instruction_away() -> None:
    build_pull("hz")
    order = build_paid(cups=3)
    count(Warehouse.objects.get(slug="main"), "cup-1", 9)
    run_events()

    assert confirm_all(order, "main") == "ok"

    assert status_of() == "cancelled"
    assert dict(Stock.objects.values_list("warehouse__slug", "on_hand")) == {"hz": None, "main": 6}
    assert_reserved_is_instructed()


def test_a_warehouse_sends_also_what_another_refused() -> None:
    """It has an open instruction of the order already, perhaps on a trolley: it gets a second one for the rest."""
    cups, lids = build_pull("cups", "浙江省"), build_pull("lids", "浙江省")
    count(cups, "lid-1", 0)
    count(lids, "cup-1", 0)
    order = build_paid(cups=2, lids=1)
    run_events()
    count(cups, "lid-1", 5)
    ack({"id": fetch("lids")[0]["id"], "ok": False, "code": "out_of_stock"})

    run_events()

    products = [[line["product_id"] for line in one["lines"]] for one in fetch("cups")]
    assert products == [["cup-1"], ["lid-1"]]
    assert_reserved_is_instructed()
    assert confirm_all(order, "cups") == "ok"
    assert Order.objects.get(pk=order.pk).status == "shipped"
    assert sorted(Dispatch.objects.values_list("status", flat=True)) == ["refused", "shipped", "shipped"]
    assert_reserved_is_instructed()


def test_the_youngest_instruction_gives_way() -> None:
    """Of one product that two warehouses share, a third has sent a part: no piece stays promised twice."""
    for slug, number in (("hz", 2), ("sh", 1)):
        count(build_pull(slug, "浙江省"), "cup-1", number)
    order = build_paid(cups=3)
    run_events()

    assert confirm_all(order, "main", lines=(ProductQuantity("cup-1", 1),)) == "ok"

    assert dict(Dispatch.objects.values_list("warehouse__slug", "status")) == {
        "hz": "waiting",
        "sh": "cancelled",
    }
    assert_reserved_is_instructed()


@pytest.mark.parametrize(
    "path",
    ["", "?warehouse=moon", "?warehouse=hz&limit=0", "?warehouse=hz&limit=501", "?warehouse=hz&more=1"],
)
def test_wrong_queries_are_refused(path: str) -> None:
    build_pull("hz")

    assert call("GET", path).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"acks": []},
        {"acks": [{"id": "1", "ok": True}]},
        {"acks": [{"id": 1}]},
        {"acks": [{"id": 1, "ok": 1}]},
    ],
)
def test_wrong_acks_change_nothing(body: Any) -> None:
    build_pull("hz")
    build_paid()
    run_events()

    assert call("POST", "ack/", body).status_code == 400
    assert status_of() == "waiting"


def test_the_scope_is_needed() -> None:
    assert call("GET", "?warehouse=hz", scope="orders:read").status_code == 403
    assert call("POST", "ack/", {"acks": [{"id": 1, "ok": True}]}, scope="orders:read").status_code == 403
