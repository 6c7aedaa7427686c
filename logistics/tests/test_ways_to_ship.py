"""Every way by which goods leave, and every reason why they must not: all ways say the same of one order.

The order is stopped a moment before: its warehouse has an instruction, and nothing of the queue has run since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from logistics.dispatch.instructions.tests.builders import build_pull, run_events
from logistics.dispatch.webhooks.judge import judge
from logistics.models import CarrierAccount, Dispatch, DispatchWebhook, Shipment, Warehouse, WaybillOrder
from logistics.tests.builders import build_paid, new_number
from logistics.warehouses.save import save_announced
from logistics.waybills.resolve import resolve_waybills
from logistics.waybills.tests import small_carrier
from logistics.waybills.tests.builders import SLUG, build_reserved, build_small_account
from logistics.waybills.tests.small_carrier import NAME, SmallCarrier
from orders import machine
from orders.changes import Hold, PartialRefund
from orders.history.lines import SYSTEM, Actor, Evidence
from orders.models import Order
from orders.tests.builders import apply_changes, build_merchant, move
from orders.tests.calls import build_caller, post_json

pytestmark = pytest.mark.django_db


@dataclass(slots=True)
class ShipDesk:
    """A warehouse's program, an agent in the back office, and a carrier that makes waybills."""

    carrier: SmallCarrier
    program: Client
    agent: Client

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        return post_json(self.program, path, body, **headers)

    def press(self, path: str, **form: Any) -> str:
        """The page that follows a confirmed action, as an agent reads it."""
        answer = self.agent.post(path, {"reason": "客户催", **form}, follow=True)
        assert answer.status_code == 200
        return str(answer.content.decode())


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[ShipDesk]:
    monkeypatch.setitem(small_carrier.connectors(), NAME, small_carrier.SmallConnector())
    with small_carrier.running() as carrier:
        build_small_account(carrier)
        agent = Client()
        agent.cookies["django_language"] = "zh-hans"
        agent.force_login(User.objects.create_superuser("root"))
        yield ShipDesk(carrier, build_caller(scopes=("shipments:write",)), agent)


def stop(order: Order, why: str) -> None:
    match why:
        case "held":
            apply_changes(Hold(order.pk, Actor("staff", "wang"), "看看"))
        case "refunding":
            Order.objects.filter(pk=order.pk).update(refunds_pending=order.total_amount)
        case "refunded":
            move(order, "refund", machine.REFUND_CONFIRMED)
        case "closed" | "pending":  # no door closes what was paid: rows that somebody changed by hand
            Order.objects.filter(pk=order.pk).update(status=why)
        case "partly":
            evidence = Evidence("query", "R1")
            apply_changes(PartialRefund(order.pk, Decimal("3.00"), SYSTEM, evidence, timezone.now()))


def parcel(order: Order) -> dict[str, Any]:
    return {"order": order.number, "warehouse": "hz", "carrier": "yto", "tracking_number": new_number()}


def confirm(shop: ShipDesk, order: Order) -> str:
    answer = shop.post("/api/v1/shipments/confirm/", {"confirmations": [parcel(order)]}).json()
    return str(answer["results"][0]["code"])


def confirm_in_a_batch(shop: ShipDesk, order: Order) -> str:
    """The other order of the batch leaves whatever becomes of this one."""
    rows = [parcel(build_paid()), parcel(order)]
    other, mine = shop.post("/api/v1/shipments/confirm/", {"confirmations": rows}).json()["results"]
    assert other["code"] == "ok"
    return str(mine["code"])


def fetch(shop: ShipDesk, order: Order) -> str:
    rows = shop.program.get("/api/v1/dispatches/?warehouse=hz").json()["dispatches"]
    return "sent" if order.number in {row["order"] for row in rows} else "not sent"


def acknowledge(shop: ShipDesk, order: Order) -> str:
    acks = [{"id": Dispatch.objects.get(order=order).pk, "ok": True}]
    return str(shop.post("/api/v1/dispatches/ack/", {"acks": acks}).json()["results"][0]["code"])


def push(_shop: ShipDesk, order: Order) -> str:
    """What would be sent of the message that waits for a warehouse of the push form."""
    waiting = DispatchWebhook.objects.filter(order_id=order.pk, event="dispatch.created")
    return "sent" if judge(list(waiting.values_list("pk", flat=True))) else "not sent"


def order_waybill(shop: ShipDesk, order: Order) -> str:
    body = {"carrier": NAME, "account": SLUG, "warehouse": "hz"}
    path = f"/api/v1/orders/{order.number}/waybills/"
    answer = shop.post(path, body, **{"idempotency-key": f"key-{order.pk}"})
    return str(answer.json().get("code", "ok"))


def press_waybill(shop: ShipDesk, order: Order) -> str:
    form = {
        "account": CarrierAccount.objects.get().pk,
        "carrier": NAME,
        "warehouse": Warehouse.objects.get(slug="hz").pk,
    }
    return shop.press(f"/admin/orders/order/{order.pk}/do/waybill/", **form)


def press_route_again(shop: ShipDesk, order: Order) -> str:
    return shop.press(f"/admin/logistics/dispatch/{Dispatch.objects.get(order=order).pk}/do/again/")


def press_another_warehouse(shop: ShipDesk, order: Order) -> str:
    far = build_pull("far")
    row = Dispatch.objects.get(order=order)
    return shop.press(f"/admin/logistics/dispatch/{row.pk}/do/move/", warehouse=far.pk)


def press_dispatch(shop: ShipDesk, order: Order) -> str:
    return shop.press(f"/admin/orders/order/{order.pk}/do/dispatch/")


Way = Callable[[ShipDesk, Order], str]
STOPPED = ("held", "refunding", "refunded", "closed", "pending")
_NOT_PAID = {"held": "held", "refunding": "held"}
# The words of the back office, by why the order is stopped; of its pages one says «not paid» of all that are not.
_ON_THE_BOARD = {
    "held": "已被拦截", "refunding": "退款", "refunded": "已退款", "closed": "已关闭", "pending": "待付款",
}  # fmt: skip


def expected(way: Way, why: str) -> str:
    """What a way answers where an order must not ship; of a page, what stands on it."""
    if way in (confirm, confirm_in_a_batch, order_waybill):
        return _NOT_PAID.get(why, "not_paid")
    if way in (fetch, push):
        return "not sent"
    if way is acknowledge:
        return "cancelled"
    if way is press_waybill:
        return "被拦截或正在退款" if why in _NOT_PAID else "未付款、已关闭或已退款"
    return _ON_THE_BOARD[why]


WAYS: tuple[Way, ...] = (
    confirm, confirm_in_a_batch, fetch, acknowledge, push, order_waybill, press_waybill, press_route_again,
    press_another_warehouse, press_dispatch,
)  # fmt: skip


def build_instructed(way: Way) -> Order:
    """A paid order whose warehouse has its instruction, by the form that the way needs."""
    data = {"name": "hz", "regions": ["浙江省"], "adapter": "pull"}
    if way is push:
        secret = "whsec_" + "A" * 43 + "="
        data |= {"adapter": "push", "push_url": "https://wms.example/push", "secret": secret}
    save_announced("hz", merchant=build_merchant(), data=data)
    order = build_paid()
    run_events()
    assert Dispatch.objects.open().get().order_id == order.pk
    return order


@pytest.mark.parametrize("why", STOPPED)
@pytest.mark.parametrize("way", WAYS)
def test_nothing_leaves_of_an_order_that_must_not_ship(shop: ShipDesk, way: Way, why: str) -> None:
    order = build_instructed(way)
    stop(order, why)

    said = way(shop, order)

    words = expected(way, why)
    assert words in said if len(said) > 100 else words == said
    assert not Shipment.objects.filter(order=order).exists()
    assert not WaybillOrder.objects.exists()
    assert shop.carrier.calls == []
    run_events()
    assert not Dispatch.objects.open().filter(order=order, warehouse__slug="far").exists()


@pytest.mark.parametrize("way", WAYS)
def test_a_partly_refunded_order_leaves(shop: ShipDesk, way: Way) -> None:
    order = build_instructed(way)
    stop(order, "partly")

    said = way(shop, order)

    if len(said) < 100:
        assert said in ("ok", "sent")
    has_left = way in (confirm, confirm_in_a_batch, order_waybill, press_waybill)
    assert Shipment.objects.filter(order=order).exists() == has_left
    assert Order.objects.get(pk=order.pk).status == ("shipped" if has_left else "paid")


@pytest.mark.parametrize("why", STOPPED)
def test_a_waybill_that_was_under_way_is_cancelled(shop: ShipDesk, why: str) -> None:
    order = build_paid()
    build_reserved(order)
    stop(order, why)

    resolve_waybills()

    assert WaybillOrder.objects.get().status == "cancelled"
    assert shop.carrier.wanted_numbers == set()
    assert not Shipment.objects.exists()
