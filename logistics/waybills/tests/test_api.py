"""`POST /api/v1/orders/{number}/waybills/`: what it answers, what it stores, what it refuses."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from logistics.models import CarrierAccount, CarrierCall, Shipment, ShipmentLine, WaybillOrder, WaybillStatus
from logistics.tests.builders import build_paid, build_warehouse, confirm, parcel_of
from logistics.waybills.resolve import resolve_waybills
from logistics.waybills.tests.builders import (
    build_reserved,
    build_small_account,
    caller,
    make_due,
    post_waybill,
)
from logistics.waybills.tests.small_carrier import LABEL, NAME, SmallCarrier
from orders.changes import Hold
from orders.history.lines import Actor
from orders.models import Merchant, Order, OrderEvent
from orders.models.idempotency import IdempotencyKey
from orders.tests.builders import apply_changes, build_merchant, build_order_in
from orders.tests.calls import build_caller

pytestmark = pytest.mark.django_db


def test_a_waybill_is_made_and_its_order_ships(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    order = build_paid(cups=2)

    answer = post_waybill(caller(), order)

    assert answer.status_code == 201, answer.content
    waybill, parcel = WaybillOrder.objects.get(), Shipment.objects.get()
    [number] = carrier.numbers.values()
    assert answer.json() == {
        "shipment": parcel.pk,
        "carrier": NAME,
        "tracking_number": number,
        "label_url": answer.json()["label_url"],
    }
    assert answer.json()["label_url"].endswith(f"/api/v1/waybills/{waybill.reference}/label/")
    assert (parcel.tracking_number, parcel.carrier) == (number, NAME)
    assert [line.quantity for line in ShipmentLine.objects.all()] == [2]
    assert (waybill.status, waybill.parcel_id) == (WaybillStatus.MADE, parcel.pk)
    assert Order.objects.get(pk=order.pk).status == "shipped"
    history = OrderEvent.objects.filter(order_id=order.pk).order_by("seq").values_list("kind", flat=True)
    assert list(history)[-2:] == ["waybill", "transition"]
    assert carrier.calls == ["create", "label"]


def test_every_call_is_in_the_log_without_secrets(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    order = build_paid()

    post_waybill(caller(), order)

    calls = list(CarrierCall.objects.order_by("pk"))
    assert [call.operation for call in calls] == ["create_waybill", "fetch_label"]
    assert {call.subject for call in calls} == {WaybillOrder.objects.get().reference}
    assert order.buyer_name not in "".join(call.request for call in calls)


def test_the_label_is_kept_and_needs_a_token(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    made = post_waybill(caller(), build_paid()).json()
    path = "/api" + made["label_url"].partition("/api")[2]

    found: Any = caller().get(path)

    assert (found.status_code, b"".join(found.streaming_content)) == (200, LABEL)
    assert found["Content-Disposition"].startswith("attachment")
    assert build_caller(scopes=("orders:read",)).get(path).status_code == 403
    other = build_caller("other", scopes=("shipments:write",))
    assert other.get(path).status_code == 404


def test_a_carrier_without_labels_gets_one_of_ours(carrier: SmallCarrier) -> None:
    carrier.gives_label = False
    build_small_account(carrier)
    made = post_waybill(caller(), build_paid()).json()

    found = caller().get("/api" + made["label_url"].partition("/api")[2])

    assert (found.status_code, found["Content-Type"]) == (200, "image/svg+xml")
    assert made["tracking_number"].encode() in found.content
    assert b"571-A1" in found.content
    assert "文三路".encode() in found.content


def test_a_replay_orders_nothing(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    order, client = build_paid(), caller()
    first = post_waybill(client, order, key="k")

    again = post_waybill(client, order, key="k")
    of_another_client = post_waybill(caller(), order, key="k")

    assert (again.status_code, again["Idempotent-Replayed"]) == (200, "true")
    assert again.json() == first.json()
    assert of_another_client.json()["code"] == "over_shipped"
    assert carrier.made == 1


def test_another_body_with_the_same_key_is_refused(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    order, client = build_paid(cups=2), caller()
    one = [{"product_id": "cup-1", "quantity": 1}]
    post_waybill(client, order, key="k", lines=one)

    other = post_waybill(client, order, key="k")

    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert carrier.made == 1


def test_a_call_in_progress_has_to_wait(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    order, client = build_paid(), caller()
    post_waybill(client, order, key="k")
    waybill = build_reserved(build_paid())
    WaybillOrder.objects.filter(pk=waybill.pk).update(leased_until=timezone.now() + timedelta(minutes=1))
    from_key(waybill.pk)

    answer = post_waybill(client, order, key="k")

    assert (answer.status_code, answer.json()["code"]) == (409, "request_in_progress")
    assert answer["Retry-After"] == "1"


def from_key(waybill_id: int) -> None:
    """Let the only key stand for this waybill."""
    IdempotencyKey.objects.update(subject_id=waybill_id)


@pytest.mark.parametrize("fault", ["lost", "acted_503"])
def test_an_unknown_answer_is_202_and_resolved(carrier: SmallCarrier, fault: str) -> None:
    build_small_account(carrier)
    carrier.faults["create"] = [fault]
    order, client = build_paid(), caller()

    answer = post_waybill(client, order, key="k")

    assert (answer.status_code, answer.json()["state"]) == (202, "unknown")
    assert not Shipment.objects.exists()
    make_due()
    resolve_waybills()
    parcel = Shipment.objects.get()
    assert parcel.pk == answer.json()["shipment"]
    assert carrier.calls.count("create") == 1
    assert post_waybill(client, order, key="k").json()["tracking_number"] == parcel.tracking_number


def test_a_refusal_has_the_carriers_words_and_frees_the_goods(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    carrier.faults["create"] = ["地址超区"]
    order, client = build_paid(), caller()

    answer = post_waybill(client, order, key="k")

    assert (answer.status_code, answer.json()["code"]) == (422, "waybill_refused")
    assert "地址超区" in answer.json()["message"]
    assert post_waybill(client, order, key="k").status_code == 422
    assert (carrier.made, Order.objects.get(pk=order.pk).status) == (0, "paid")
    assert post_waybill(client, order).status_code == 201


def test_reserved_goods_are_shipped_by_nobody_else(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    order = build_paid(cups=2)
    carrier.faults["create"] = ["lost"]
    one = [{"product_id": "cup-1", "quantity": 1}]
    assert post_waybill(caller(), order, lines=one).status_code == 202

    assert (
        post_waybill(caller(), order, lines=[{"product_id": "cup-1", "quantity": 2}]).json()["code"]
        == "over_shipped"
    )
    [rest] = confirm(order.merchant, parcel_of(order))

    assert rest.ok
    assert [line.quantity for line in ShipmentLine.objects.all()] == [1]
    assert Order.objects.get(pk=order.pk).status == "paid"
    make_due()
    resolve_waybills()
    assert Order.objects.get(pk=order.pk).status == "shipped"


def test_orders_that_must_not_ship_are_refused(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    build_warehouse()
    held = build_paid()
    apply_changes(Hold(held.pk, Actor("staff", "x"), "risk"))

    assert post_waybill(caller(), held).json()["code"] == "held"
    assert post_waybill(caller(), build_order_in("pending")).json()["code"] == "not_paid"
    assert post_waybill(caller(), build_order_in("refunded")).json()["code"] == "not_paid"
    assert carrier.calls == []
    assert not WaybillOrder.objects.exists()


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"carrier": "pigeon"}, 409, "unknown_carrier"),
        ({"account": "nobody"}, 404, "unknown_account"),
        ({"warehouse": "moon"}, 409, "unknown_warehouse"),
        ({"carrier": "sf"}, 409, "waybills_not_offered"),
        ({"lines": [{"product_id": "cup-9", "quantity": 1}]}, 409, "over_shipped"),
        ({"lines": [{"product_id": "cup-1", "quantity": 2}]}, 409, "over_shipped"),
        ({"lines": []}, 400, "invalid"),
        ({"insured_value": "1.001"}, 400, "invalid"),
        ({"insured_value": 5}, 400, "invalid"),
        ({"weight": "1"}, 400, "invalid"),
        ({"account": "\u0000"}, 400, "invalid"),
        ({"insured_value": "20000.01"}, 400, "invalid"),
    ],
)
def test_refused_before_anything_is_stored(
    carrier: SmallCarrier, changes: dict[str, Any], status: int, code: str
) -> None:
    build_small_account(carrier, max_insured_value="20000")

    answer = post_waybill(caller(), build_paid(), **changes)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert carrier.calls == []
    assert not WaybillOrder.objects.exists()


def test_orders_and_accounts_of_others_do_not_exist(carrier: SmallCarrier) -> None:
    other = build_merchant("other")
    build_small_account(carrier, merchant=other)

    assert post_waybill(caller(), build_paid()).json()["code"] == "unknown_account"
    assert post_waybill(caller(), build_paid(merchant=other)).status_code == 404
    assert build_caller(scopes=("orders:write",)).post("/api/v1/orders/x/waybills/").status_code == 403
    assert build_caller(scopes=("shipments:write",)).post("/api/v1/orders/x/waybills/").status_code in (
        400,
        415,
    )


def test_a_closed_account_and_an_open_circuit(carrier: SmallCarrier) -> None:
    account = build_small_account(carrier)
    accounts = CarrierAccount.objects.filter(pk=account.pk)
    accounts.update(failures_in_a_row=5, next_call_at=timezone.now() + timedelta(minutes=5))
    order = build_paid()

    assert post_waybill(caller(), order).status_code == 202
    assert carrier.calls == []
    assert resolve_waybills() == 0

    accounts.update(failures_in_a_row=0, next_call_at=None)
    resolve_waybills()
    assert carrier.calls[:2] == ["find", "create"]
    accounts.update(is_active=False)
    assert post_waybill(caller(), build_paid()).json()["code"] == "account_disabled"


def test_only_what_the_carrier_insured_is_shown(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    post_waybill(caller(), build_paid(), insured_value="500.00")
    carrier.insures = False
    post_waybill(caller(), build_paid(), insured_value="500.00")

    values = list(Shipment.objects.order_by("pk").values_list("insured_value", flat=True))
    assert values == [Decimal("500.00"), None]


def test_a_shop_insures_the_paid_value_of_each_parcel(carrier: SmallCarrier) -> None:
    build_small_account(carrier, max_insured_value="25.00")
    Merchant.objects.update(insures_parcels=True)
    build_merchant()
    Merchant.objects.update(insures_parcels=True)
    order = build_paid(cups=4)
    Order.objects.filter(pk=order.pk).update(discount="5.00", total_amount="35.00")

    post_waybill(caller(), order, lines=[{"product_id": "cup-1", "quantity": 1}])
    post_waybill(caller(), order, lines=[{"product_id": "cup-1", "quantity": 3}])

    values = list(Shipment.objects.order_by("pk").values_list("insured_value", flat=True))
    assert values == [Decimal("8.75"), Decimal("25.00")]


def test_a_confirmation_alone_shows_no_insurance() -> None:
    order = build_paid()
    Merchant.objects.update(insures_parcels=True)

    confirm(order.merchant, parcel_of(order))

    assert Shipment.objects.get().insured_value is None
