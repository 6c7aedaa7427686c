"""Webhooks to a receiver that runs as a process of its own: exact, signed, in order, repeated, paused."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from logistics.tests.builders import build_paid
from orders import machine
from orders.models import Order
from orders.tests.builders import build_order, build_order_in, move
from ordersite.api.composed import compose
from ordersite.flow import FLOW
from ordersite.health.models import Alert
from ordersite.merchant_webhooks import judge as judging
from ordersite.merchant_webhooks.call import call
from ordersite.merchant_webhooks.events import handle_event
from ordersite.merchant_webhooks.models import (
    EventMessage,
    PauseReason,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookTry,
)
from ordersite.merchant_webhooks.pause import resume
from ordersite.merchant_webhooks.record import PAUSES, pause_after
from ordersite.merchant_webhooks.save import rotate_secret
from ordersite.merchant_webhooks.send import LEASE, send_webhooks
from ordersite.merchant_webhooks.tests.builders import (
    build_endpoint,
    delivery_of,
    fault,
    kinds_about,
    let_pass,
    received,
    run_events,
    send,
    send_again,
)
from ordersite.queue import relay
from ordersite.queue.models import OutboxEntry
from ordersite.queue.relay import Delivered
from sandbox.tests.nobody import nobody
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db


def build_story(order: Order | None = None) -> Order:
    """Build an order that goes from payment to the signature; its creation is not published by the builder."""
    order = order or build_order()
    for action, trigger in (
        ("pay", machine.NOTIFICATION),
        ("ship", machine.WAREHOUSE),
        ("complete", machine.CARRIER),
    ):
        move(order, action, trigger)
    return order


def sendings() -> list[judging.EventSending]:
    """Claim all that waits, as the loop does, and judge it."""
    WebhookDelivery.objects.waiting().update(leased_until=timezone.now() + LEASE)
    return judging.judge(list(WebhookDelivery.objects.waiting().values_list("pk", flat=True)))


def test_the_body_is_the_order_of_the_api(box: Running) -> None:
    build_endpoint(box, events=["order.paid"])
    order = build_paid(cups=2)
    assert send() == 1

    [hook] = received(box)
    message = EventMessage.objects.get()
    assert hook["body"] == message.body
    body = json.loads(hook["body"])
    assert list(body) == ["type", "timestamp", "data"]
    assert (body["type"], body["timestamp"]) == (
        "order.paid",
        timezone.localtime(message.happened_at).isoformat(),
    )
    order = Order.objects.select_related("buyer").get(pk=order.pk)
    assert body["data"] == json.loads(json.dumps(compose([order])[0]))

    delivery = delivery_of(order, "order.paid")
    assert (delivery.status, delivery.attempts, delivery.last_status) == ("delivered", 1, 200)
    assert WebhookTry.objects.values_list("http_status", "words").get() == (200, '{"ok":true}')
    assert send_again() == 0


def test_signatures_satisfy_the_independent_package(box: Running) -> None:
    endpoint = build_endpoint(box, events=["order.paid"])
    build_paid()
    run_events()
    [sending] = sendings()

    headers, body = sending.post.headers(), sending.post.body.decode()
    secret = endpoint.open_secrets()["secret"]
    assert Webhook(secret).verify(body, headers)["type"] == "order.paid"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + " ", headers)
    assert headers["webhook-id"] == EventMessage.objects.get().webhook_id
    assert len(headers["webhook-signature"].split(" ")) == 1


def test_only_what_was_chosen_is_sent(box: Running) -> None:
    build_endpoint(box, "all")
    build_endpoint(box, "paid", events=["order.paid"])
    order = build_story()
    send()

    assert kinds_about(box, order, "all") == ["order.paid", "order.shipped", "order.completed"]
    assert kinds_about(box, order, "paid") == ["order.paid"]
    assert EventMessage.objects.count() == 3
    paid = {row["webhook_id"] for row in received(box) + received(box, "all") if row["kind"] == "order.paid"}
    assert {row["webhook_id"] for row in received(box, "paid")} == paid


@pytest.mark.parametrize("name", ["status_500", "drop", "timeout", "redirect", "slow_down"])
def test_a_failure_is_repeated_under_the_same_id(box: Running, name: str) -> None:
    build_endpoint(box, events=["order.paid"])
    order = build_paid()
    fault(box, name, **({"value": 0} if name == "timeout" else {}))

    send()
    failed = delivery_of(order, "order.paid")
    assert (failed.status, failed.failures) == ("waiting", 1)
    assert WebhookDelivery.objects.filter(next_try_at__gt=timezone.now()).count() == 1
    send_again()

    hooks = received(box)
    assert len(hooks) == (2 if name == "timeout" else 1)
    assert len({row["webhook_id"] for row in hooks}) == 1
    assert (delivery_of(order, "order.paid").status, WebhookTry.objects.count()) == ("delivered", 2)


def test_a_redirect_is_not_followed(box: Running) -> None:
    build_endpoint(box, events=["order.paid"])
    other = build_endpoint(box, "elsewhere", events=["order.closed"])
    order = build_paid()
    fault(box, "redirect", times=None)

    send()

    assert delivery_of(order, "order.paid").last_status == 307
    assert received(box, "elsewhere") == []
    assert not WebhookDelivery.objects.filter(endpoint=other).exists()


def test_the_pause_that_is_asked_for_is_made(box: Running) -> None:
    build_endpoint(box, events=["order.paid"])
    order = build_paid()
    fault(box, "slow_down", value=900)

    send()

    next_try = delivery_of(order, "order.paid").next_try_at
    assert next_try is not None
    assert timedelta(minutes=14) < next_try - timezone.now() <= timedelta(minutes=15)


def test_pauses_grow_with_jitter() -> None:
    assert [pause.total_seconds() for pause in PAUSES] == [5, 30, 120, 600, 1800, 3600, 7200]
    for failures, pause in enumerate((*PAUSES, PAUSES[-1]), start=1):
        found = {pause_after(failures) for _try in range(20)}
        assert len(found) > 1
        assert all(pause <= one <= pause * 1.2 for one in found)


def test_an_outage_of_six_hours_keeps_the_order(box: Running) -> None:
    """The receiver is down for six hours in which three orders go their way, and gets each in its order."""
    build_endpoint(box)
    orders = [build_order() for _number in range(3)]
    fault(box, "drop", times=None)
    for action, trigger in (("pay", "notification"), ("ship", "warehouse"), ("complete", "carrier")):
        for order in orders:
            move(order, action, trigger)
            send()
        let_pass(hours=2)
        send()
    assert received(box) == []
    assert WebhookDelivery.objects.waiting().count() == 9

    box.control("faults", "DELETE")
    let_pass(hours=0.1)
    while send():
        pass

    for order in orders:
        assert kinds_about(box, order) == ["order.paid", "order.shipped", "order.completed"]
    assert not WebhookDelivery.objects.waiting().exists()
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.is_active, endpoint.failing_since) == (True, None)


def test_a_later_event_waits_for_one_not_yet_handled(box: Running) -> None:
    """The handlers of two events run in any order, on two machines; the earlier one is sent first all the same."""
    build_endpoint(box)
    order = build_story()
    shipped = OutboxEntry.objects.get(name="order.shipped")
    handle_event([Delivered(999, shipped.name, order.pk, shipped.created_at, {})])
    shipped.delete()

    assert send_webhooks(seconds=1) == 0
    relay.spread(FLOW)
    assert not OutboxEntry.objects.exists()
    assert send_webhooks(seconds=1) == 0
    send()

    assert kinds_about(box, order) == ["order.paid", "order.shipped", "order.completed"]


def test_what_is_on_its_way_is_waited_for(box: Running) -> None:
    build_endpoint(box)
    order = build_story()
    run_events()
    paid = WebhookDelivery.objects.filter(pk=delivery_of(order, "order.paid").pk)
    paid.update(leased_until=timezone.now() + LEASE)

    assert send_webhooks(seconds=1) == 0
    paid.update(leased_until=None)
    send()

    assert kinds_about(box, order) == ["order.paid", "order.shipped", "order.completed"]


def test_an_endpoint_that_fails_for_a_day_is_paused(box: Running) -> None:
    endpoint = build_endpoint(box, events=["order.paid", "order.shipped"])
    order = build_order_in("shipped")
    fault(box, "status_500", times=None)
    send()
    let_pass(hours=24)
    send()

    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.pause_reason) == (False, PauseReason.FAILING)
    assert delivery_of(order, "order.paid").status == "given_up"
    assert delivery_of(order, "order.shipped").status == "waiting"
    alert = Alert.objects.get(kind=Alert.Kind.WEBHOOK_PAUSED)
    assert (alert.subject, alert.closed_at) == (f"demo #{endpoint.pk}", None)

    box.control("faults", "DELETE")
    assert send_again() == 0
    resume(endpoint)
    send()

    assert kinds_about(box, order) == ["order.shipped"]
    alert.refresh_from_db()
    assert alert.closed_at is not None


def test_gone_pauses_at_once(box: Running) -> None:
    endpoint = build_endpoint(box, events=["order.paid"])
    order = build_paid()
    fault(box, "gone")

    send()

    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.pause_reason) == (False, PauseReason.GONE)
    assert delivery_of(order, "order.paid").status == "waiting"
    assert Alert.objects.filter(kind=Alert.Kind.WEBHOOK_PAUSED, closed_at__isnull=True).count() == 1


def test_a_rotated_secret_loses_nothing(box: Running) -> None:
    """The receiver that does not know the new secret yet takes all, and so does the one that does."""
    endpoint = build_endpoint(box, events=["order.paid"])
    old = endpoint.open_secrets()["secret"]
    build_paid()
    send()
    new = rotate_secret(endpoint).secret

    build_paid()
    send()
    assert len(received(box)) == 2
    box.control("receiver", name="shop", secret=new)
    build_paid()
    send()
    assert len(received(box)) == 3

    endpoint.refresh_from_db()
    now = timezone.now()
    assert endpoint.signing_secrets(now) == (new, old)
    assert endpoint.signing_secrets(now + timedelta(hours=24)) == (new,)


def test_what_a_dead_process_has_sent_is_sent_again(box: Running) -> None:
    """It died between the answer and the row: the receiver gets it twice, under one id."""
    build_endpoint(box, events=["order.paid"])
    order = build_paid()
    run_events()
    [sending] = sendings()
    assert call(sending).status == 200
    assert send_again() == 0

    WebhookDelivery.objects.update(leased_until=timezone.now() - LEASE)
    assert send_again() == 1

    assert [row["copy"] for row in received(box)] == [1, 2]
    assert (delivery_of(order, "order.paid").status, delivery_of(order, "order.paid").attempts) == (
        "delivered",
        2,
    )


def test_a_dead_endpoint_holds_nobody(box: Running) -> None:
    dead = build_endpoint(box, "dead", events=["order.paid"])
    WebhookEndpoint.objects.filter(pk=dead.pk).update(url=nobody())
    build_endpoint(box, "alive", events=["order.paid"])
    orders = [build_paid() for _number in range(8)]

    send()

    dead.refresh_from_db()
    assert dead.is_circuit_open
    assert len(received(box, "alive")) == len(orders)
    assert WebhookDelivery.objects.filter(endpoint=dead, status="waiting").count() == len(orders)


def test_answers_are_kept_without_personal_data(box: Running) -> None:
    build_endpoint(box, events=["order.paid"])
    build_paid()
    run_events()
    [sending] = sendings()

    assert {"王小明", "13800138000", "文三路 1 号"} < set(sending.personal)
    assert sending.post.secret in sending.personal
