"""Parcels of a carrier with an account of its own are polled there, against the sandbox in its own process."""

from __future__ import annotations

import json

import pytest

from logistics.accounts import keys_of, save_account
from logistics.carriers.types import CarrierError, MadeWaybill
from logistics.carriers.yto.adapter import Yto
from logistics.carriers.yto.tests.account import yto_request
from logistics.carriers.zto.adapter import Zto
from logistics.carriers.zto.tests.account import zto_request
from logistics.models import CarrierAccount, Shipment, TrackingEvent
from logistics.tests.builders import build_shipment
from logistics.tracking.poller import Counts
from logistics.tracking.run import poll_tracking
from logistics.tracking.tests.outside import COURIER, outside
from orders.models import Order
from orders.tests.builders import build_merchant
from ordersite.lib.http import Gateway
from sandbox.tests.running import Running

__all__ = ["outside"]


def zto_account(outside: Running, **changes: str) -> CarrierAccount:
    data = {
        "app_key": "SANDBOXZTO", "app_secret": "SANDBOXZTOSECRET", "gateway_url": f"{outside.url}/zto",
        "account_id": "sandbox", "account_password": "ZTO123", "min_interval_seconds": "0", **changes,
    }  # fmt: skip
    return save_account("zto", carrier="zto", merchant=build_merchant(), data=data).account


def poll_again(parcel: Shipment) -> Counts:
    Shipment.objects.filter(pk=parcel.pk).update(next_check_at=parcel.created_at)
    return poll_tracking()


@pytest.mark.django_db
def test_zto_parcel_to_its_end(outside: Running) -> None:
    zto_account(outside)
    parcel = build_shipment(carrier="zto", number="73211390619708")

    assert poll_tracking() == Counts(asked=1, answered=1, new_events=1)
    for _ in range(7):
        outside.control("parcel", number=parcel.tracking_number, advance=True)
    assert poll_again(parcel).delivered == 1

    after = Shipment.objects.get(pk=parcel.pk)
    codes = list(TrackingEvent.objects.filter(shipment=parcel).values_list("provider_code", flat=True))
    assert (after.status, after.tracking_status, after.next_check_at) == ("delivered", "delivered", None)
    assert codes[0] == "收件"
    assert Order.objects.get().status == "completed"


@pytest.mark.django_db
def test_couriers_number_is_not_stored(outside: Running) -> None:
    zto_account(outside)
    parcel = build_shipment(carrier="zto", number="73211390619709")
    poll_tracking()
    rows = [*TrackingEvent.objects.values(), *Shipment.objects.filter(pk=parcel.pk).values()]
    assert "139****2222" in json.dumps(rows, default=str)
    assert COURIER not in json.dumps(rows, default=str)


@pytest.mark.django_db
def test_zto_without_the_right_secret(outside: Running) -> None:
    account = zto_account(outside, app_secret="WRONG")
    parcel = build_shipment(carrier="zto", number="73211390619710")
    assert poll_tracking() == Counts(asked=1, failed=1)
    account.refresh_from_db()
    parcel.refresh_from_db()
    assert parcel.last_problem == "misconfigured: S211 签名错误"
    assert account.is_circuit_open


def yto_account(outside: Running) -> CarrierAccount:
    data = {
        "customer_code": "SANDBOXYTO", "secret": "SANDBOXYTOSECRET", "gateway_url": f"{outside.url}/yto",
        "min_interval_seconds": "0",
    }  # fmt: skip
    return save_account("yto", carrier="yto", merchant=build_merchant(), data=data).account


@pytest.mark.django_db
def test_yto_parcel_to_its_end(outside: Running) -> None:
    yto_account(outside)
    parcel = build_shipment(carrier="yto", number="YT2111390619708")

    assert poll_tracking() == Counts(asked=1, answered=1, new_events=1)
    for _ in range(7):
        outside.control("parcel", number=parcel.tracking_number, advance=True)
    assert poll_again(parcel).delivered == 1

    codes = list(TrackingEvent.objects.filter(shipment=parcel).values_list("provider_code", flat=True))
    after = Shipment.objects.get(pk=parcel.pk)
    assert (after.status, after.tracking_status, codes[0]) == ("delivered", "delivered", "GOT")
    assert Order.objects.get().status == "completed"


@pytest.mark.django_db
def test_sto_parcel_to_its_end(outside: Running) -> None:
    data = {
        "app_key": "SANDBOXSTO", "secret_key": "SANDBOXSTOSECRET", "gateway_url": f"{outside.url}/sto/gateway/link.do",
        "order_source": "SANDBOX", "site_code": "666666", "customer_name": "666666000001", "site_password": "abc123",
        "min_interval_seconds": "0",
    }  # fmt: skip
    save_account("sto", carrier="sto", merchant=build_merchant(), data=data)
    parcel = build_shipment(carrier="sto", number="777031922725111")

    assert poll_tracking() == Counts(asked=1, answered=1, new_events=1)
    for _ in range(7):
        outside.control("parcel", number=parcel.tracking_number, advance=True)
    assert poll_again(parcel).delivered == 1

    texts = list(TrackingEvent.objects.filter(shipment=parcel).values_list("text", flat=True))
    assert Shipment.objects.get(pk=parcel.pk).status == "delivered"
    assert not any("13911114444" in text for text in texts)


@pytest.mark.django_db
def test_a_waybill_of_yto_whose_answer_was_lost(outside: Running) -> None:
    keys = keys_of(yto_account(outside))
    outside.control("faults", target="yto.create", fault="bad_gateway")
    with pytest.raises(CarrierError) as caught:
        Yto().create_waybill(yto_request(), keys, Gateway())
    assert caught.value.code == "unknown"

    waybill = Yto().create_waybill(yto_request(), keys, Gateway())
    (kept,) = [one for one in outside.state["waybills"] if one["carrier"] == "yto"]
    assert (kept["number"], kept["times_ordered"]) == (waybill.tracking_number, 2)
    made = MadeWaybill(reference=kept["reference"], carrier="yto", tracking_number=kept["number"])
    Yto().cancel_waybill(made, keys, Gateway())
    Yto().cancel_waybill(made, keys, Gateway())
    Yto().try_connection(keys, Gateway())


@pytest.mark.django_db
def test_a_waybill_of_zto_whose_answer_was_lost(outside: Running) -> None:
    keys = keys_of(zto_account(outside))
    assert Zto().find_waybill(zto_request(), keys, Gateway()) is None
    outside.control("faults", target="zto.create", fault="bad_gateway")
    with pytest.raises(CarrierError) as caught:
        Zto().create_waybill(zto_request(), keys, Gateway())
    assert caught.value.code == "unknown"

    found = Zto().find_waybill(zto_request(), keys, Gateway())
    (kept,) = [one for one in outside.state["waybills"] if one["carrier"] == "zto"]
    assert found is not None
    assert (kept["number"], kept["times_ordered"]) == (found.tracking_number, 1)
    made = MadeWaybill(reference=kept["reference"], carrier="zto", tracking_number=kept["number"])
    Zto().cancel_waybill(made, keys, Gateway())
    Zto().cancel_waybill(made, keys, Gateway())
    Zto().try_connection(keys, Gateway())
