"""A shop's server says what its buyer has agreed to; then a subscription message goes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from orders.clients import add_client
from orders.models import Order
from orders.tests.builders import build_merchant, build_order
from ordersite.messaging.models import SubscriptionConsent
from ordersite.messaging.tests.builders import build_announced, message_of, send, set_channels
from ordersite.messaging.tests.vendors import add_account, inbox_of
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db
OPENID = "oReader-0001"


@pytest.fixture
def subscribes(box: Running, tmp_path: Path) -> None:
    add_account(box, tmp_path, "wechat_subscribe")
    set_channels("wechat_subscribe", events_off=["order.created"])


def agree(order: Order, *, shop: str = "demo", scope: str = "orders:write", **body: Any) -> HttpResponse:
    _row, token = add_client(build_merchant(shop), name=f"server-{scope}", scopes=[scope])
    address = f"/api/v1/orders/{order.number}/consents/"
    headers = {"Authorization": f"Bearer {token}"}
    return Client().post(address, body, content_type="application/json", headers=headers)  # type: ignore[return-value]


def known(order: Order) -> Order:
    order.buyer.openid = OPENID
    order.buyer.save()
    return order


def test_who_agreed_gets_one_message(box: Running, subscribes: None) -> None:
    order = build_announced(openid=OPENID)
    box.control("consent", openid=OPENID, template="TPL-order-paid")

    answer = agree(order, messages=["order.paid"])
    send()

    assert (answer.status_code, answer.json()) == (201, {"consents": [{"message": "order.paid", "left": 1}]})  # type: ignore[attr-defined]
    assert [one["channel"] for one in inbox_of(box, order)] == ["wechat_subscribe"]
    assert SubscriptionConsent.objects.get().message == message_of(order)
    assert OPENID not in str(SubscriptionConsent.objects.values().get())


def test_who_did_not_agree_gets_none(box: Running, subscribes: None) -> None:
    order = build_announced(openid=OPENID)

    send()

    assert inbox_of(box, order) == []
    assert message_of(order).reason == "no_consent"


def test_no_more_than_fifty_are_kept(subscribes: None) -> None:
    order = known(build_order())
    agree(order, messages=["order.shipped"], times=30)

    answer = agree(order, messages=["order.shipped", "order.paid", "order.shipped"], times=30)

    assert [one["left"] for one in answer.json()["consents"]] == [50, 30]  # type: ignore[attr-defined]
    assert SubscriptionConsent.objects.count() == 80


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"messages": []}, 400, "invalid"),
        ({"messages": "order.paid"}, 400, "invalid"),
        ({"messages": ["order.paid"], "times": 0}, 400, "invalid"),
        ({"messages": ["order.paid"], "times": 51}, 400, "invalid"),
        ({"messages": ["order.paid"], "phone": "x"}, 400, "invalid"),
        ({"messages": ["unheard"]}, 409, "no_subscription"),
        ({"messages": ["order.paid"], "shop": "other"}, 404, "unknown_order"),
        ({"messages": ["order.paid"], "scope": "orders:read"}, 403, "permission_denied"),
    ],
)
def test_what_is_not_right_is_refused(subscribes: None, more: dict[str, Any], status: int, code: str) -> None:
    answer = agree(known(build_order()), **more)

    assert (answer.status_code, answer.json()["code"]) == (status, code)  # type: ignore[attr-defined]
    assert not SubscriptionConsent.objects.exists()


def test_a_buyer_without_an_openid_is_refused(subscribes: None) -> None:
    answer = agree(build_order(), messages=["order.paid"])

    assert (answer.status_code, answer.json()["code"]) == (409, "no_openid")  # type: ignore[attr-defined]
