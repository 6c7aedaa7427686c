"""A parcel that leaves or arrives although its order must not ship: a case in words, and the same truth on every page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from logistics.carriers.types import TrackingStatus
from logistics.dispatch.route import apply_route
from logistics.models import Shipment, ShipmentException
from logistics.pushes.apply import apply_pushes
from logistics.pushes.tests.senders import build_sender, said
from logistics.tests.builders import (
    build_paid,
    build_shipment,
    confirm,
    event,
    parcel_in,
    parcel_of,
    route_of,
)
from logistics.tracking.stalled import find_stalled
from orders import machine
from orders.changes import Hold, ReleaseHold
from orders.history.lines import Actor
from orders.models import MerchantMember, Order
from orders.tests.builders import apply_changes, move

pytestmark = pytest.mark.django_db(transaction=True)
STAFF = Actor("staff", "wang")
STEPS = {
    "picked": (0, TrackingStatus.PICKED_UP, "快件已被揽收"),
    "signed": (600, TrackingStatus.DELIVERED, "已签收"),
}
Arrive = Callable[[Shipment, str], None]


def poll(parcel: Shipment, step: str) -> None:
    apply_route(parcel, route_of(event(*STEPS[step])), next_check_in=timedelta(hours=2), source="yto")


def push(parcel: Shipment, step: str) -> None:
    minute, status, text = STEPS[step]
    assert build_sender(parcel.merchant).say(parcel, said(minute, status.value, text)).status_code == 204
    assert apply_pushes() == 1


def stop(order: Order, how: str) -> None:
    match how:
        case "held":
            apply_changes(Hold(order.pk, STAFF, "看看"))
        case "refunded":
            move(order, "refund", machine.REFUND_CONFIRMED)
        case "closed":  # no door closes what was paid: rows that somebody changed by hand
            Order.objects.filter(pk=order.pk).update(status="closed")
        case "refunding":
            Order.objects.filter(pk=order.pk).update(refunds_pending=order.total_amount)


def chinese(user: User | None = None) -> Client:
    client = Client()
    client.cookies["django_language"] = "zh-hans"
    if user:
        client.force_login(user)
    return client


def pages(order: Order) -> tuple[str, str, str]:
    """What an agent reads of the case, and the pages of the merchant and of the buyer."""
    case = ShipmentException.objects.open().get()
    root = User.objects.create_superuser("root")
    merchant = User.objects.create_user("merchant")
    MerchantMember.objects.create(merchant=order.merchant, user=merchant)
    addresses = (
        (root, f"/admin/logistics/shipmentexception/{case.pk}/change/"),
        (merchant, f"/shop/orders/{order.number}/"),
        (None, f"/track/{order.tracking_token}/"),
    )
    agent, shop, buyer = (chinese(user).get(address).content.decode() for user, address in addresses)
    return agent, shop, buyer


@pytest.mark.parametrize("arrive", [poll, push])
@pytest.mark.parametrize(
    ("how", "step", "words"),
    [
        (
            "held",
            "picked",
            ("放行订单；有问题就打电话给快递公司截回包裹", "订单已被拦截。但有包裹已在途中", "已揽收"),
        ),
        ("held", "signed", ("有问题就请买家寄回", "订单已被拦截。但有包裹已签收", "已签收")),
        ("refunding", "picked", ("正在全额退款，包裹却已在途中", "但有包裹已在途中", "退款处理中")),
        ("refunding", "signed", ("撤回退款申请", "但有包裹已签收", "店铺会与您联系退回事宜")),
        ("refunded", "picked", ("订单已全额退款，包裹却已在途中", "但有包裹已在途中", "请不要签收")),
        ("refunded", "signed", ("货和钱都在买家手里", "但有包裹已签收", "店铺会与您联系退回事宜")),
        ("closed", "picked", ("问仓库为什么发出", "但有包裹已在途中", "订单没有付款")),
        ("closed", "signed", ("买家没有付钱就拿到了货", "但有包裹已签收", "店铺会与您联系退回事宜")),
    ],
)
def test_case_says_what_to_do_and_pages_agree(
    arrive: Arrive, how: str, step: str, words: tuple[str, str, str]
) -> None:
    parcel = build_shipment()
    stop(parcel.order, how)

    arrive(parcel, step)

    case = ShipmentException.objects.get()
    assert (case.kind, case.shipment_id, case.order_id) == ("unwanted_parcel", parcel.pk, parcel.order_id)
    for page, said_here in zip(pages(parcel.order), words, strict=True):
        assert said_here in page
        assert "{&quot;" not in page
        assert "{&#x27;" not in page


def test_the_rest_of_a_held_order_is_not_said_to_be_all_here() -> None:
    order = build_paid(cups=2)
    parcel = parcel_in(confirm(order.merchant, parcel_of(order, cups=1))[0])
    stop(order, "held")
    push(parcel, "picked")
    _agent, _shop, buyer = pages(order)
    assert "部分商品已发出" in buyer
    assert "其余商品待店铺核对后发出。" in buyer


def test_case_is_opened_once_and_follows_the_parcel() -> None:
    parcel = build_shipment()
    stop(parcel.order, "refunded")
    push(parcel, "picked")
    poll(parcel, "picked")
    push(parcel, "signed")
    assert ShipmentException.objects.count() == 1
    agent, _shop, _buyer = pages(parcel.order)
    assert "货和钱都在买家手里" in agent


def test_case_ends_with_the_hold() -> None:
    parcel = build_shipment()
    stop(parcel.order, "held")
    poll(parcel, "picked")
    apply_changes(ReleaseHold(parcel.order_id, STAFF, "没有问题"))
    assert find_stalled().resolved == 1
    case = ShipmentException.objects.get(kind="unwanted_parcel")
    assert (case.is_open, case.resolution) == (False, "nothing stops the order any more")


def test_parcel_of_a_refunded_order_that_comes_back_needs_no_second_refund() -> None:
    parcel = build_shipment()
    stop(parcel.order, "refunded")
    apply_route(
        parcel, route_of(event(900, TrackingStatus.RETURNED, "退回")), next_check_in=timedelta(hours=2)
    )
    find_stalled()
    assert ShipmentException.objects.open().get().kind == "returned"
    agent, _shop, _buyer = pages(parcel.order)
    assert "订单也已经退款，不需要再付任何款项" in agent


@pytest.mark.parametrize("arrive", [poll, push])
def test_partly_refunded_order_completes_without_a_case(arrive: Arrive) -> None:
    parcel = build_shipment()
    Order.objects.filter(pk=parcel.order_id).update(refunded_amount="3.00")
    arrive(parcel, "signed")
    assert not ShipmentException.objects.exists()
    assert Order.objects.get().status == "completed"
    page = chinese().get(f"/track/{parcel.order.tracking_token}/").content.decode()
    assert "已签收" in page
    assert "已退款 ¥3.00" in page
