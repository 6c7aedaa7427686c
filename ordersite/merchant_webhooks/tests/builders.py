"""Builders of endpoints whose receiver is a program of the sandbox, and what that has received."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from orders.models import Merchant, Order
from orders.tests.builders import build_merchant
from ordersite.flow import FLOW
from ordersite.merchant_webhooks.catalogue import BY_NAME
from ordersite.merchant_webhooks.models import WebhookDelivery, WebhookEndpoint
from ordersite.merchant_webhooks.save import add_endpoint
from ordersite.merchant_webhooks.send import send_webhooks
from ordersite.queue import relay
from sandbox.tests.running import Running


def build_endpoint(
    box: Running, name: str = "shop", *, events: Sequence[str] = (), merchant: Merchant | None = None
) -> WebhookEndpoint:
    """Build an endpoint of this receiver, which knows its secret; without `events` it has chosen all."""
    url = f"{box.url}/receiver/{name}/"
    saved = add_endpoint(merchant or build_merchant(), url=url, events=events or tuple(BY_NAME))
    assert box.control("receiver", name=name, secret=saved.secret).status == 200
    return saved.endpoint


def run_events() -> None:
    """Hand the waiting events to the handlers of webhooks, until none are left."""
    ours = {
        event: {key: handler for key, handler in keyed.items() if key.startswith("merchant_webhooks.")}
        for event, keyed in FLOW.items()
    }
    while relay.run(ours):
        pass


def send() -> int:
    """Make messages of what has happened, and send what is due."""
    run_events()
    return send_webhooks(seconds=2)


def send_again() -> int:
    """Send what waits, as if its pause were over, and the circuit closed."""
    WebhookDelivery.objects.waiting().update(next_try_at=timezone.now())
    WebhookEndpoint.objects.update(failures_in_a_row=0, next_call_at=None)
    return send()


def let_pass(**span: float) -> None:
    """Put all pauses, circuits and failures so much further into the past."""
    by = timedelta(**span)
    WebhookDelivery.objects.update(
        next_try_at=F("next_try_at") - by, first_failure_at=F("first_failure_at") - by
    )
    WebhookEndpoint.objects.update(next_call_at=F("next_call_at") - by, failing_since=F("failing_since") - by)


def fault(box: Running, name: str, *, times: int | None = 1, **more: Any) -> None:
    assert box.control("faults", target="receiver.hook", fault=name, times=times, **more).status == 201


def received(box: Running, name: str = "shop") -> list[Any]:
    """What a receiver has taken, the oldest first."""
    return [row for row in reversed(box.state["hooks"]) if row["name"] == name and row["state"] == "taken"]


def kinds_about(box: Running, order: Order, name: str = "shop") -> list[str]:
    """The events about one order, in the order in which a receiver has taken them."""
    return [row["kind"] for row in received(box, name) if row["number"] == order.number]


def delivery_of(order: Order, name: str) -> WebhookDelivery:
    return WebhookDelivery.objects.get(order=order, message__name=name)
