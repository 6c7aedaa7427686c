"""From the order's call to the moving parcel at carriers that run in a process of their own and lose their answer."""

from __future__ import annotations

from typing import Any

import pytest

from logistics.accounts import save_account
from logistics.models import CarrierCall, Shipment, TrackingEvent, Warehouse, WaybillOrder
from logistics.tests.builders import build_paid
from logistics.tracking.poll import refresh_now
from logistics.waybills.resolve import resolve_waybills
from logistics.waybills.tests.builders import caller, make_due, post_waybill
from orders.models import Order
from orders.tests.builders import build_merchant
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db
pytest_plugins = ("sandbox.tests.box",)

SENDER = {
    "sender_name": "杭州主仓", "sender_phone": "0571-88880000", "province": "浙江省", "city": "杭州市",
    "district": "余杭区", "street": "文一西路969号",
}  # fmt: skip


def build_sf(box: Running) -> None:
    keys = {
        "partner_id": "SANDBOXSF", "gateway_url": f"{box.url}/sf/std/service", "monthly_card": "7551234567",
        "checkword": "SANDBOXSFCHECKWORD", "min_interval_seconds": 0,
    }  # fmt: skip
    save_account("sf", carrier="sf", merchant=build_merchant(), data=keys)


def build_kuaidi100(box: Running) -> None:
    paths = {"query_url": "query.do", "subscribe_url": "poll", "label_url": "label/order"}
    keys = {
        "customer": "SANDBOXCUSTOMER", "key": "SANDBOXKEY", "secret": "SANDBOXSECRET", "salt": "pinch",
        "partnerId": "MONTHLY1", "tempId": "T1", "min_interval_seconds": 0,
        **{name: f"{box.url}/kuaidi100/{path}" for name, path in paths.items()},
    }  # fmt: skip
    save_account("kuaidi100", carrier="kuaidi100", merchant=build_merchant(), data=keys)


def orders_at(box: Running, account: str, reference: str) -> list[str]:
    """The numbers that the carrier has made for a reference of ours."""
    state: Any = box.state["kuaidi100"] if account == "kuaidi100" else box.state
    return [one["number"] for one in state["waybills"] if one["reference"] == reference]


@pytest.mark.parametrize(
    ("account", "carrier", "fault", "label"),
    [("sf", "sf", "sf.create", b"<svg"), ("kuaidi100", "yto", "kuaidi100.label", b"\x89PNG")],
)
def test_lost_answer_ends_with_one_moving_parcel(
    box: Running, account: str, carrier: str, fault: str, label: bytes
) -> None:
    box.control("speed", parcel_seconds=100_000)  # parcels move only where a test moves them
    {"sf": build_sf, "kuaidi100": build_kuaidi100}[account](box)
    order, client = build_paid(cups=2), caller()
    Warehouse.objects.update(**SENDER)
    wish = {"key": "one-parcel", "carrier": carrier, "account": account}
    box.control("faults", target=fault, fault="timeout", value=0.1)

    first = post_waybill(client, order, **wish)
    assert (first.status_code, first.json()["state"]) == (202, "unknown")
    assert not Shipment.objects.exists()
    make_due()
    resolve_waybills(seconds=5)
    answer = post_waybill(client, order, **wish)

    assert answer.status_code == 200
    waybill, parcel = WaybillOrder.objects.get(), Shipment.objects.get()
    assert orders_at(box, account, waybill.reference) == [answer.json()["tracking_number"]]
    assert (parcel.pk, parcel.tracking_number) == (first.json()["shipment"], waybill.tracking_number)
    assert Order.objects.get(pk=order.pk).status == "shipped"
    assert b"".join(client.get(answer.json()["label_url"])).startswith(label)
    assert set(CarrierCall.objects.values_list("order_id", flat=True)) == {order.pk}
    assert refresh_now(parcel).code == "refreshed"
    events = TrackingEvent.objects.count()
    for _scan in range(3):
        box.control("parcel", number=parcel.tracking_number, advance=True)
    refresh_now(Shipment.objects.get())
    assert TrackingEvent.objects.count() > events
    assert Shipment.objects.get().status == "moving"
