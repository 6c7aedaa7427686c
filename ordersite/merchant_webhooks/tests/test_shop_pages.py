"""The shop's own pages of webhooks: the owner's alone, with the same checks as in the back office."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from logistics.tests.builders import build_paid
from orders.models import MerchantMember
from orders.tests.builders import build_merchant
from ordersite.lib.tests.test_outgoing_addresses import resolve_as
from ordersite.merchant_webhooks.models import WebhookDelivery, WebhookEndpoint
from ordersite.merchant_webhooks.save import add_endpoint
from ordersite.merchant_webhooks.tests.builders import build_endpoint, received, send
from ordersite.queue.models import AuditEntry
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db
SHOP = "/shop/webhooks/"
FORM = {"url": "https://hooks.example.com/a", "events": ["order.paid"]}


def member(slug: str = "demo", *, is_owner: bool = True) -> Client:
    user = User.objects.create_user(f"{slug}-{is_owner}")
    MerchantMember.objects.create(merchant=build_merchant(slug), user=user, is_owner=is_owner)
    client = Client()
    client.cookies["django_language"] = "zh-hans"
    client.force_login(user)
    return client


def do(client: Client, path: str, **data: Any) -> str:
    response = client.post(f"{SHOP}{path}", data, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_an_owner_adds_changes_and_rotates() -> None:
    owner = member()

    shown = do(owner, "add/", **FORM)
    endpoint = WebhookEndpoint.objects.get()
    secret = endpoint.signing_secrets(timezone.now())[0]
    do(owner, f"{endpoint.pk}/settings/", url=FORM["url"], events=["order.closed", "order.held"])
    rotated = do(owner, f"{endpoint.pk}/rotate/")
    page = owner.get(f"{SHOP}{endpoint.pk}/").content.decode()

    endpoint.refresh_from_db()
    new, old = endpoint.signing_secrets(timezone.now())
    assert (secret in shown, new in rotated, old) == (True, True, secret)
    assert not {secret, new} & set(page.split("<"))
    assert new not in page
    assert (endpoint.merchant.slug, endpoint.events) == ("demo", ["order.closed", "order.held"])
    actors = AuditEntry.objects.filter(row_id=endpoint.pk).values_list("database_user", flat=True)
    assert set(actors) == {"merchant: demo-True"}


def test_no_address_inside_is_saved_or_called(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OUTGOING_ALLOWED_NETWORKS, settings.DEMO_SHOP = (), False
    owner = member()

    refused = do(owner, "add/", url="https://10.0.0.5/", events=["order.paid"])
    assert "接收地址无法保存" in refused
    assert 'value="https://10.0.0.5/"' in refused
    assert not WebhookEndpoint.objects.exists()

    do(owner, "add/", **FORM)
    resolve_as(monkeypatch, ["169.254.169.254"])
    do(owner, f"{WebhookEndpoint.objects.get().pk}/test/")
    send()
    assert WebhookDelivery.objects.get().last_words == "bad_address"


def test_test_pause_resume_and_send_again(box: Running) -> None:
    owner, endpoint = member(), build_endpoint(box, events=["order.paid"])
    build_paid()

    do(owner, f"{endpoint.pk}/test/")
    send()
    assert sorted(row["kind"] for row in received(box)) == ["order.paid", "webhook.test"]

    assert "由人员暂停" in do(owner, f"{endpoint.pk}/pause/")
    assert "请先恢复" in do(owner, f"{endpoint.pk}/test/")
    delivery = WebhookDelivery.objects.get(message__name="order.paid")
    page = do(owner, f"deliveries/{delivery.pk}/", reason="对方丢失")
    assert not any(word in page for word in ("王小明", "13800138000", "文三路"))
    do(owner, f"{endpoint.pk}/resume/")
    send()

    assert [row["copy"] for row in received(box) if row["kind"] == "order.paid"] == [1, 2]
    assert AuditEntry.objects.get(column_name="sent again").new_value == "对方丢失"


def test_the_log_goes_on_by_pages(box: Running) -> None:
    owner, endpoint = member(), build_endpoint(box, events=["order.paid"])
    for _number in range(21):
        do(owner, f"{endpoint.pk}/test/")
    first = owner.get(f"{SHOP}{endpoint.pk}/")
    older = owner.get(f"{SHOP}{endpoint.pk}/?before={first.context['page'].older}")

    shown = [row[0].pk for answer in (first, older) for row in answer.context["page"].rows]
    assert shown == list(WebhookDelivery.objects.order_by("-pk").values_list("pk", flat=True))


def test_nobody_else_sees_them() -> None:
    endpoint = add_endpoint(
        build_merchant(), url="https://hooks.example.com/", events=["order.paid"]
    ).endpoint
    plain, other = member(is_owner=False), member("other")

    assert plain.get(SHOP).status_code == 403
    assert SHOP not in plain.get("/shop/orders/").content.decode()
    assert plain.post(f"{SHOP}{endpoint.pk}/pause/").status_code == 403
    for path in ("", "settings/"):
        assert other.get(f"{SHOP}{endpoint.pk}/{path}").status_code == 404
    for action in ("pause", "rotate", "test", "resume"):
        assert other.post(f"{SHOP}{endpoint.pk}/{action}/").status_code == 404
    assert WebhookEndpoint.objects.get().is_active
