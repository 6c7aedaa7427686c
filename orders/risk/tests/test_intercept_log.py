"""The log of intercepted attempts in the back office: found by order, buyer and address, by layer and time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from orders.models import Intercept
from orders.tests.calls import build_caller, order_body, post_order

pytestmark = pytest.mark.django_db
LOG = "/admin/orders/intercept/"


@pytest.fixture
def agent(client: Client) -> Client:
    user = User.objects.create_user("agent", is_staff=True)
    user.groups.add(Group.objects.get(name="agent"))
    client.force_login(user)
    return client


def refuse(**changes: str) -> tuple[str, str]:
    """A duplicate that was refused; returns the number of the first order and the buyer's."""
    caller, body = build_caller(), order_body(**changes)
    number = post_order(caller, body).json()["number"]
    post_order(caller, body)
    return number, body["buyer"]["id"]


def found(agent: Client, query: str) -> list[int]:
    page = agent.get(f"{LOG}?{query}")
    assert page.status_code == 200
    return [row.pk for row in page.context["cl"].result_list]


def test_it_is_found_by_what_an_agent_has(agent: Client) -> None:
    number, buyer = refuse(client_ip="203.0.113.9")
    refuse()
    mine = Intercept.objects.get(order_number=number)
    for term in (number, buyer, "203.0.113.9", f"%23{mine.pk}"):
        assert found(agent, f"q={term}") == [mine.pk], term
    assert found(agent, "q=nobody") == []


def test_filters_by_layer_outcome_and_time(agent: Client) -> None:
    number, _buyer = refuse()
    old = Intercept.objects.get(order_number=number)
    Intercept.objects.filter(pk=old.pk).update(
        layer="twin", outcome="in_progress", strategy="device", at=timezone.now() - timedelta(days=2)
    )
    refuse()
    new = Intercept.objects.latest("pk").pk
    assert found(agent, "layer__exact=twin") == [old.pk]
    assert found(agent, "outcome__exact=refused") == [new]
    assert found(agent, "strategy=device") == [old.pk]
    assert (found(agent, "since=day"), found(agent, "since=week")) == ([new], [new, old.pk])


def test_the_row_says_what_the_rule_saw_and_masks_the_phone(agent: Client) -> None:
    number, _buyer = refuse(device_id="device-1")
    Intercept.objects.update(seen={"count": 12, "threshold": 10, "window": 600})
    page = agent.get(f"{LOG}{Intercept.objects.get().pk}/change/").content.decode()
    assert "device-1" in page
    assert f"/admin/orders/order/find/?q={number}" in page
    assert ("138****8000" in page, "13800138000" in page) == (True, False)
    assert all(figure in page for figure in (">12<", ">10<", ">600<"))
