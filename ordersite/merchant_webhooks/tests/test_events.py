"""Events become messages: once each, as the order is then, for those who have chosen them, at no cost for others."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from logistics.tests.builders import build_paid
from orders.models import Order
from orders.tests.builders import build_merchant, build_order
from ordersite.flow import FLOW
from ordersite.merchant_webhooks import catalogue
from ordersite.merchant_webhooks.events import handle_event
from ordersite.merchant_webhooks.models import EventMessage, PauseReason, WebhookDelivery, WebhookEndpoint
from ordersite.merchant_webhooks.queue import queue_event
from ordersite.merchant_webhooks.save import add_endpoint
from ordersite.queue import relay
from ordersite.queue.models import Delivery
from ordersite.queue.relay import Delivered
from ordersite.tests.parallel import in_thread

EVERYTHING = tuple(catalogue.BY_NAME)


def build_listening(
    *events: str, slug: str = "demo", url: str = "https://hooks.example.com/a"
) -> WebhookEndpoint:
    return add_endpoint(build_merchant(slug), url=url, events=events or EVERYTHING).endpoint


def delivered(order: Order, name: str = "order.paid", number: int = 1, **payload: Any) -> Delivered:
    return Delivered(number, name, order.pk, timezone.now(), payload)


@pytest.mark.django_db
def test_every_event_of_the_catalogue_has_its_handler() -> None:
    keys = {catalogue.handler_key(flow) for flow in catalogue.BY_FLOW}

    assert {key for keyed in FLOW.values() for key in keyed if key.startswith("merchant_webhooks.")} == keys
    assert all(catalogue.handler_key(flow) in FLOW[flow] for flow in catalogue.BY_FLOW)


@pytest.mark.django_db
def test_a_shop_without_endpoints_gets_no_deliveries() -> None:
    build_paid()

    relay.spread(FLOW)

    handlers = set(Delivery.objects.values_list("handler", flat=True))
    assert "logistics.instruct_warehouses" in handlers
    assert not any(handler.startswith("merchant_webhooks.") for handler in handlers)


@pytest.mark.django_db
def test_another_merchants_orders_are_silent() -> None:
    build_listening(slug="other")
    order = build_order()

    assert handle_event([delivered(order)]) == [None]

    assert not EventMessage.objects.exists()


@pytest.mark.django_db
def test_statements_do_not_grow_with_events() -> None:
    build_listening()
    build_listening(url="https://hooks.example.com/b")

    def statements(events: list[Delivered]) -> int:
        with CaptureQueriesContext(connection) as caught:
            handle_event(events)
        return len(caught)

    few = [delivered(build_order(), number=1)]
    many = [delivered(build_order(), number=number) for number in range(2, 12)]
    assert statements(few) == statements(many)
    assert WebhookDelivery.objects.count() == 22


@pytest.mark.django_db
def test_a_parcel_is_named_beside_its_order() -> None:
    build_listening("shipment.delivered")
    order = build_order()
    event = Delivered(
        7,
        "shipment.delivered",
        99,
        timezone.now() - timedelta(days=1),
        {"order": order.pk, "carrier": "yto", "tracking_number": "YT1"},
    )

    handle_event([event])

    message = EventMessage.objects.get()
    data = json.loads(message.body)["data"]
    assert data["shipment"] == {"carrier": "yto", "tracking_number": "YT1"}
    assert (data["number"], message.order_id, message.happened_at) == (order.number, order.pk, event.at)
    assert message.ordered_at > event.at


@pytest.mark.django_db
def test_a_stopped_order_is_called_held() -> None:
    build_listening("order.held")
    order = build_order()

    handle_event([delivered(order, "order.stopped")])

    assert EventMessage.objects.get().name == "order.held"


@pytest.mark.django_db
def test_paused_for_long_keeps_nothing_more() -> None:
    endpoint = build_listening()
    order = build_order()
    paused = WebhookEndpoint.objects.filter(pk=endpoint.pk)
    paused.update(is_active=False, pause_reason=PauseReason.PERSON, paused_at=timezone.now())
    handle_event([delivered(order, number=1)])
    assert WebhookDelivery.objects.waiting().count() == 1

    paused.update(paused_at=timezone.now() - timedelta(days=8))
    handle_event([delivered(order, number=2)])

    assert WebhookDelivery.objects.count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_fifty_parallel_deliveries_are_one_message() -> None:
    build_listening()
    event = delivered(build_order())

    problems: list[BaseException] = []
    threads = [in_thread(lambda: handle_event([event]), problems) for _number in range(50)]
    for thread in threads:
        thread.join()

    assert problems == []
    assert (EventMessage.objects.count(), WebhookDelivery.objects.count()) == (1, 1)


@pytest.mark.django_db
def test_an_event_for_one_endpoint_alone() -> None:
    endpoint = build_listening("order.closed")
    build_listening("order.closed", url="https://hooks.example.com/b")
    order = build_order()

    for _time in range(2):
        queue_event(endpoint.pk, name="rule.matched", order_id=order.pk, data={"a": "中"}, key="rule.1.2")

    row = WebhookDelivery.objects.select_related("message").get()
    assert (row.endpoint_id, row.order_id, row.message.name) == (endpoint.pk, order.pk, "rule.matched")
    assert json.loads(row.message.body)["data"] == {"a": "中"}
    with pytest.raises(ValueError, match="80"):
        queue_event(endpoint.pk, name="rule.matched", order_id=None, data={}, key="x" * 81)
    with pytest.raises(WebhookEndpoint.DoesNotExist):
        queue_event(endpoint.pk + 9, name="rule.matched", order_id=None, data={}, key="x")
