"""The back office of webhooks: added, tested, paused and sent again there, with no secret and no buyer on any page."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from logistics.tests.builders import build_paid
from orders.models import Order
from orders.tests.builders import build_merchant
from ordersite.merchant_webhooks.models import EventMessage, WebhookDelivery, WebhookEndpoint
from ordersite.merchant_webhooks.tests.builders import build_endpoint, fault, received, send, send_again
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db
ADMIN = "/admin/merchant_webhooks"


@pytest.fixture
def root() -> Client:
    client = Client()
    client.cookies["django_language"] = "zh-hans"
    client.force_login(User.objects.create_superuser("root"))
    return client


def text_of(client: Client, path: str) -> str:
    response = client.get(f"{ADMIN}/{path}")
    assert response.status_code == 200
    return response.content.decode()


def do(client: Client, row: Any, code: str, **data: object) -> str:
    """Confirm an action, and return the page that follows."""
    path = f"{ADMIN}/{row._meta.model_name}/{row.pk}/do/{code}/"
    response = client.post(path, data, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_an_endpoint_is_added_and_its_secret_shown_once(root: Client) -> None:
    merchant = build_merchant()
    form = {"merchant": merchant.pk, "url": "https://127.0.0.1.nip.example/h", "events": ["order.paid"]}
    shown = root.post(f"{ADMIN}/webhookendpoint/add/", form).content.decode()

    endpoint = WebhookEndpoint.objects.get()
    secret = endpoint.signing_secrets(timezone.now())[0]
    assert secret in shown
    page = text_of(root, f"webhookendpoint/{endpoint.pk}/change/")
    assert secret not in page
    assert all(word in page for word in ("订单支付", "order.paid", "127.0.0.1.nip.example", "启用"))

    refused = root.post(f"{ADMIN}/webhookendpoint/add/", form).content.decode()
    assert "该店铺已有同一地址的接收地址。" in refused
    assert WebhookEndpoint.objects.count() == 1


def test_a_test_message_arrives(box: Running, root: Client) -> None:
    endpoint = build_endpoint(box, events=["order.closed"])

    do(root, endpoint, "test")
    send()

    assert [(row["kind"], row["state"]) for row in received(box)] == [("webhook.test", "taken")]
    assert "测试消息" in text_of(root, "webhookdelivery/")


def test_the_log_shows_request_and_answers_masked(box: Running, root: Client) -> None:
    build_endpoint(box, events=["order.paid"])
    order, number = build_paid(), "20261130-AB12-0003"
    Order.objects.filter(pk=order.pk).update(number=number)
    fault(box, "slow_down")
    send()
    send_again()

    delivery = WebhookDelivery.objects.get()
    page = text_of(root, f"webhookdelivery/{delivery.pk}/change/")
    found = text_of(root, f"webhookdelivery/?q={EventMessage.objects.get().webhook_id}")
    by_order = text_of(root, f"webhookdelivery/?q={number}")

    assert all(word in page for word in (number, "HTTP 429 · slow down", "HTTP 200", "已送达"))
    assert not any(word in page for word in ("王小明", "13800138000", "文三路"))
    assert all(f"#{delivery.pk}" in listed for listed in (found, by_order))


def test_pause_resume_rotate_and_send_again(box: Running, root: Client) -> None:
    endpoint = build_endpoint(box, events=["order.paid"])
    build_paid()
    send()
    delivery = WebhookDelivery.objects.get()
    assert "由人员暂停" in do(root, endpoint, "pause")
    assert "该接收地址已经暂停。" in do(root, endpoint, "pause")
    old = endpoint.signing_secrets(timezone.now())[0]

    shown = do(root, endpoint, "rotate")
    do(root, delivery, "resend", reason="对方丢失")
    assert send() == 0
    do(root, endpoint, "resume")
    send()

    endpoint.refresh_from_db()
    new, also = endpoint.signing_secrets(timezone.now())
    assert new in shown
    assert also == old
    assert [row["copy"] for row in received(box)] == [1, 2]
    local = timezone.localtime()
    times = {"start": f"{local:%Y-%m-%d 00:00}", "end": f"{local:%Y-%m-%d} 23:59", "reason": "重发"}
    assert "这段时间内没有需要重新发送的消息。" in do(root, endpoint, "resend", **times)
    do(root, endpoint, "resend", with_delivered="on", **times)
    send()
    assert len(received(box)) == 3


def test_settings_are_changed(root: Client, box: Running) -> None:
    endpoint = build_endpoint(box, events=["order.paid"])

    do(root, endpoint, "settings", url=endpoint.url, events=["order.closed", "order.held"])
    refused = do(root, endpoint, "settings", url="http://example.com/", events=["order.closed"])

    endpoint.refresh_from_db()
    assert endpoint.events == ["order.closed", "order.held"]
    assert "接收地址无法保存" in refused
