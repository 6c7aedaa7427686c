"""Rules that call a webhook: signed, to the endpoint of the order's own shop, and to no address inside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orders import machine
from orders.models import Order
from orders.tests.builders import build_merchant, build_order, move
from ordersite.automation.models import AutomationRule
from ordersite.automation.tests.builders import build_running, results, work
from ordersite.lib.tests.test_outgoing_addresses import resolve_as
from ordersite.merchant_webhooks.models import EventMessage, WebhookDelivery, WebhookEndpoint
from ordersite.merchant_webhooks.save import add_endpoint
from ordersite.merchant_webhooks.tests.builders import build_endpoint, received, send
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db


def build_calling(endpoint: WebhookEndpoint) -> AutomationRule:
    params = {"endpoint": str(endpoint.pk), "text": "核对地址"}
    return build_running(actions=({"action": "call_webhook", "params": params},))


def paid(slug: str = "demo") -> Order:
    order = build_order(merchant=build_merchant(slug))
    move(order, "pay", machine.NOTIFICATION)
    work()
    return order


def test_the_receiver_takes_what_the_rule_says(box: Running) -> None:
    endpoint = build_endpoint(box, events=["order.closed"])
    rule = build_calling(endpoint)

    order = paid()
    send()

    assert results(rule) == [("call_webhook", "done", "")]
    assert [(row["kind"], row["state"]) for row in received(box)] == [("rule.matched", "taken")]
    message = EventMessage.objects.get()
    data = {"order": order.number, "rule": "大额订单", "text": "核对地址"}
    assert json.loads(message.body)["data"] == data
    assert message.order_id == order.pk


def test_another_shops_order_is_skipped() -> None:
    add = {"url": "https://hooks.example.com/", "events": ["order.paid"]}
    rule = build_calling(add_endpoint(build_merchant("north"), **add).endpoint)  # type: ignore[arg-type]

    paid("south")

    assert results(rule) == [("call_webhook", "skipped", "other_shop")]
    assert not EventMessage.objects.exists()


def test_an_endpoint_that_is_gone_is_said_so() -> None:
    endpoint = add_endpoint(
        build_merchant(), url="https://hooks.example.com/", events=["order.paid"]
    ).endpoint
    rule = build_calling(endpoint)
    endpoint.delete()

    paid()

    assert results(rule) == [("call_webhook", "skipped", "endpoint_gone")]


def test_no_address_inside_is_called(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name was public when it was saved, and leads inside when it is called."""
    settings.OUTGOING_ALLOWED_NETWORKS, settings.DEMO_SHOP = (), False
    endpoint = add_endpoint(
        build_merchant(), url="https://hooks.example.com/", events=["order.closed"]
    ).endpoint
    build_calling(endpoint)
    paid()
    called = resolve_as(monkeypatch, ["10.0.0.5"])

    send()

    delivery = WebhookDelivery.objects.get()
    assert called == ["hooks.example.com"]
    assert (delivery.status, delivery.last_status, delivery.last_words) == ("waiting", None, "bad_address")
