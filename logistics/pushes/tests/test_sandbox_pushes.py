"""The sandbox's own pushes against the real endpoint: four times each and out of order, the parcel is signed for once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from logistics.accounts import keys_of, save_account
from logistics.carriers.registry import get_carrier
from logistics.carriers.sf.tests.account import sf_request
from logistics.carriers.types import CarrierKeys, TrackingQuery, WaybillRequest
from logistics.models import CarrierNotification, Shipment
from logistics.pushes.apply import apply_pushes
from logistics.tests.builders import build_paid, build_shipment
from orders.models import OrderEvent
from ordersite.lib.http import Gateway
from ordersite.queue.models import OutboxEntry
from sandbox.tests.running import Running, wait_for

pytest_plugins = ("sandbox.tests.box",)
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
STEPS = 7


@dataclass(frozen=True, slots=True)
class Outside:
    """The sandbox, the account at one of its carriers, and the address that it pushes to."""

    box: Running
    keys: CarrierKeys
    push_url: str

    def order(self, carrier: str) -> str:
        """Order a waybill there and move its parcel to its end; returns the number."""
        request = sf_request()
        fields = {name: getattr(request, name) for name in ("sender", "receiver", "goods")}
        made = get_carrier(carrier).create_waybill(
            WaybillRequest(reference=f"E2EPUSH{carrier.upper()}", carrier=carrier, **fields),
            self.keys,
            Gateway(),
        )
        self.finish(made.tracking_number)
        return made.tracking_number

    def finish(self, number: str) -> None:
        for _step in range(STEPS):
            self.box.control("parcel", number=number, advance=True)


def files(box: Running) -> dict[str, dict[str, Any]]:
    """The account files of the sandbox's carriers."""
    return {
        "kuaidi100": {
            "customer": "SANDBOXCUSTOMER", "key": "SANDBOXKEY", "salt": "pinch",
            "query_url": f"{box.url}/kuaidi100/query.do", "subscribe_url": f"{box.url}/kuaidi100/poll",
        },
        "sf": {
            "partner_id": "SANDBOXSF", "checkword": "SANDBOXSFCHECKWORD", "monthly_card": "7551234567",
            "gateway_url": f"{box.url}/sf/std/service",
        },
        "yto": {
            "customer_code": "SANDBOXYTO", "secret": "SANDBOXYTOSECRET", "gateway_url": f"{box.url}/yto/open/",
        },
    }  # fmt: skip


def by_kuaidi100(outside: Outside) -> str:
    """Each push holds the whole history up to then, and comes four times."""
    number = "YT3000000000077"
    outside.box.control("parcel", number=number, com="yuantong")
    outside.box.control("faults", target="kuaidi100.push", fault="duplicate", value=4)
    query = TrackingQuery(carrier="yto", tracking_number=number, phone_last4="8000")
    get_carrier("kuaidi100").subscribe(query, outside.keys, Gateway(), push_url=outside.push_url)
    outside.finish(number)
    return number


def by_sf(outside: Outside) -> str:
    number = outside.order("sf")
    outside.box.control("sf_push", url=outside.push_url, form="xml")
    return number


def by_yto(outside: Outside) -> str:
    """An event a call, each three times, the newest first."""
    number = outside.order("yto")
    for fault, value in (("duplicate", 3), ("reorder", 1)):
        outside.box.control("faults", target="yto.push", fault=fault, value=value)
    outside.box.control("push_address", carrier="yto", url=outside.push_url)
    return number


@pytest.mark.parametrize(
    ("connector", "carrier", "begin"),
    [("kuaidi100", "yto", by_kuaidi100), ("sf", "sf", by_sf), ("yto", "yto", by_yto)],
)
def test_signed_once_and_completed_once(
    box: Running, live_server: LiveServer, connector: str, carrier: str, begin: Callable[[Outside], str]
) -> None:
    box.control("speed", parcel_seconds=100_000)  # parcels move only where the test moves them
    order = build_paid()
    saved = save_account("box", carrier=connector, merchant=order.merchant, data=files(box)[connector])
    path = saved.push_url.split("/", 3)[3]
    number = begin(Outside(box, keys_of(saved.account), f"{live_server.url}/{path}"))
    parcel = build_shipment(order=order, carrier=carrier, number=number)

    def is_all_here() -> bool:
        apply_pushes()
        return parcel.events.filter(status="delivered").exists() and parcel.events.count() >= STEPS - 1

    wait_for(is_all_here, seconds=40)
    box.control("sf_push", url="")
    box.control("push_address", carrier="yto", url="")
    apply_pushes()

    after = Shipment.objects.select_related("order").get(pk=parcel.pk)
    assert (after.status, after.tracking_status, after.order.status) == (
        "delivered",
        "delivered",
        "completed",
    )
    assert OrderEvent.objects.filter(order=order, to_status="completed").count() == 1
    assert OutboxEntry.objects.filter(name="shipment.delivered", subject_id=parcel.pk).count() == 1
    assert after.events.filter(status="delivered").count() == 1
    assert set(CarrierNotification.objects.values_list("check_result", flat=True)) == {"verified"}
