"""What is queued: each fact once, however often it is delivered; nothing for a shop that does not write."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from logistics.carriers.types import TrackingStatus
from logistics.dispatch.route import apply_route
from logistics.tests.builders import build_shipment, event, route_of
from orders.changes import PartialRefund
from orders.history.lines import Actor, Evidence
from orders.models import Order
from orders.tests.builders import apply_changes, build_merchant, build_order_in
from ordersite.flow import FLOW
from ordersite.messaging.compose import QueueResult, queue_message
from ordersite.messaging.handlers import tell_of_orders
from ordersite.messaging.models import BuyerMessage, MessageEvent, MessageTemplate
from ordersite.messaging.sending.send import send_messages
from ordersite.messaging.tests.builders import (
    add_channel,
    build_announced,
    build_message_account,
    set_channels,
)
from ordersite.queue import relay
from ordersite.queue.models import Delivery
from ordersite.queue.relay import Delivered
from ordersite.relay import run_relay
from ordersite.tests.parallel import in_thread

pytestmark = pytest.mark.django_db


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shop has one channel."""
    add_channel(monkeypatch, "sms_one")
    build_message_account("sms_one")
    set_channels("sms_one")


def paid(order: Order) -> Delivered:
    return Delivered(1, "order.paid", order.pk, order.created_at, {})


def events() -> list[str]:
    return list(BuyerMessage.objects.order_by("pk").values_list("event", flat=True))


def test_a_shop_without_an_account_is_silent() -> None:
    build_announced()

    assert not BuyerMessage.objects.exists()


@pytest.mark.parametrize("account", [False, True])
def test_deliveries_are_made_for_accounts(monkeypatch: pytest.MonkeyPatch, account: bool) -> None:
    if account:
        add_channel(monkeypatch, "sms_one")
        build_message_account("sms_one")
    build_order_in("paid")

    relay.spread(FLOW)

    assert Delivery.objects.filter(handler="messaging.order_paid").count() == account


def test_a_shop_may_switch_it_off(writes: None) -> None:
    set_channels("sms_one", is_on=False)

    build_announced()

    assert not BuyerMessage.objects.exists()


def test_one_fact_may_be_switched_off(writes: None) -> None:
    set_channels("sms_one", events_off=["order.created"])

    build_announced()

    assert events() == ["order.paid"]


@pytest.mark.parametrize("count", [1, 30])
def test_a_batch_costs_four_statements(writes: None, count: int) -> None:
    orders = [build_order_in("paid") for _ in range(count)]

    with CaptureQueriesContext(connection) as queries:
        tell_of_orders(MessageEvent.PAID, [paid(order) for order in orders])

    assert len(queries) == 4
    assert BuyerMessage.objects.count() == count


@pytest.mark.parametrize("count", [1, 30])
def test_a_silent_shop_costs_one_statement(count: int) -> None:
    orders = [build_order_in("paid") for _ in range(count)]

    with CaptureQueriesContext(connection) as queries:
        tell_of_orders(MessageEvent.PAID, [paid(order) for order in orders])

    assert len(queries) == 1


@pytest.mark.django_db(transaction=True)
def test_fifty_deliveries_make_one_message(writes: None) -> None:
    order = build_order_in("paid")

    problems = list[BaseException]()
    threads = [
        in_thread(lambda: tell_of_orders(MessageEvent.PAID, [paid(order)]), problems) for _ in range(50)
    ]
    for thread in threads:
        thread.join()

    assert problems == []
    assert events() == ["order.paid"]


def part_back(order: Order, total: str) -> None:
    """So much of the order has gone back in all; its events are delivered."""
    proof = Evidence("test", "1", "ab")
    apply_changes(PartialRefund(order.pk, Decimal(total), Actor("provider"), proof, timezone.now()))
    run_relay()


def test_each_part_that_goes_back_is_a_message(writes: None) -> None:
    order = build_announced()

    part_back(order, "10.00")
    run_relay()
    part_back(order, "25.50")

    assert events() == ["order.created", "order.paid", "order.partly_refunded", "order.partly_refunded"]
    send_messages(seconds=2)
    found = BuyerMessage.objects.filter(event="order.partly_refunded")
    assert set(found.values_list("status", flat=True)) == {"sent"}


def test_a_parcel_is_followed_on_its_way(writes: None) -> None:
    parcel = build_shipment()
    run_relay()
    steps = (TrackingStatus.IN_TRANSIT, TrackingStatus.OUT_FOR_DELIVERY, TrackingStatus.READY_FOR_PICKUP)
    for minute, status in enumerate((*steps, TrackingStatus.DELIVERED)):
        apply_route(parcel, route_of(event(minute, status, status.value)), next_check_in=None)
        run_relay()

    assert events() == [
        "order.paid",
        "order.shipped",
        "shipment.moving",
        "shipment.out_for_delivery",
        "shipment.ready_for_pickup",
        "shipment.delivered",
    ]
    assert set(BuyerMessage.objects.exclude(shipment=None).values_list("shipment", flat=True)) == {parcel.pk}


def test_a_rule_writes_once(writes: None) -> None:
    order = build_order_in("paid")
    text = MessageTemplate.objects.create(
        merchant=order.merchant, event="rule", name="vip", text="尊敬的顾客，订单{order_number}已优先处理。"
    )

    first = queue_message(order.pk, event="rule", key="rule-7/1", template=text.pk)
    second = queue_message(order.pk, event="rule", key="rule-7/1", template=text.pk)

    assert (first, second) == (QueueResult.QUEUED, QueueResult.ALREADY)
    assert BuyerMessage.objects.get().template == text


def test_a_rule_learns_that_there_is_no_way() -> None:
    order = build_order_in("paid")

    assert queue_message(order.pk, event="order.paid", key="rule-7/1") is QueueResult.NO_CHANNEL


def test_a_text_of_another_shop_is_refused(writes: None) -> None:
    order = build_order_in("paid")
    other = build_merchant("other")
    text = MessageTemplate.objects.create(merchant=other, event="rule", name="vip", text="x")

    with pytest.raises(MessageTemplate.DoesNotExist):
        queue_message(order.pk, event="rule", key="k", template=text.pk)

    assert not BuyerMessage.objects.exists()
