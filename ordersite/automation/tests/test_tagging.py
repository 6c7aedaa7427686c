"""Tags by hand: with the right, once, in the history, and found by the list's filter."""

from __future__ import annotations

import pytest
from django.test import Client

from orders.models import Order, OrderEvent, OrderEventText
from orders.tests.builders import build_order
from ordersite.automation.models import OrderTag
from ordersite.automation.tests.builders import build_person

pytestmark = pytest.mark.django_db


def client_of(role: str) -> Client:
    client = Client()
    client.cookies["django_language"] = "zh-hans"
    client.force_login(build_person(role))
    return client


def do(client: Client, order: Order, action: str, tag: str) -> str:
    response = client.post(f"/admin/orders/order/{order.pk}/do/{action}/", {"tag": tag}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_a_tag_is_put_on_and_taken_off() -> None:
    agent, order, other = client_of("agent"), build_order(), build_order()

    page = do(agent, order, "tag", " 加急 ")
    listed = agent.get("/admin/orders/order/?tag=加急").content.decode()
    tag = OrderTag.objects.get()
    assert (tag.order_id, tag.name, tag.created_by) == (order.pk, "加急", "agent")
    assert "人员给订单打了标签" in page
    assert order.number in listed
    assert other.number not in listed

    do(agent, order, "untag", "加急")
    assert not OrderTag.objects.exists()
    lines = OrderEvent.objects.filter(order_id=order.pk, trigger__startswith="tag_").order_by("seq")
    assert list(lines.values_list("trigger", "actor_kind", "actor_id")) == [
        ("tag_added", "staff", "agent"),
        ("tag_removed", "staff", "agent"),
    ]
    assert set(OrderEventText.objects.filter(order_id=order.pk).values_list("text", flat=True)) >= {"加急"}


def test_what_is_refused_changes_nothing() -> None:
    agent, order = client_of("agent"), build_order()
    do(agent, order, "tag", "加急")

    assert "订单已有这个标签。" in do(agent, order, "tag", "加急")
    do(agent, order, "tag", "过" * 21)
    do(agent, order, "untag", "别的")
    viewer = client_of("viewer").post(f"/admin/orders/order/{order.pk}/do/tag/", {"tag": "x"})

    assert viewer.status_code == 403
    assert list(OrderTag.objects.values_list("name", flat=True)) == ["加急"]
    assert OrderEvent.objects.filter(order_id=order.pk, trigger__startswith="tag_").count() == 1
