"""The layers as a shop meets them: the fourth attempt, strategies that hold, warn and refuse, and their log."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import F
from django.test import Client

from orders import machine
from orders.models import HoldReview, Intercept, Order, RiskStrategy
from orders.risk import snapshot
from orders.tests.builders import move
from orders.tests.calls import build_caller, order_body, post_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller() -> Client:
    return build_caller()


def set_strategy(kind: str, **values: Any) -> None:
    assert RiskStrategy.objects.filter(slug=kind).update(**values) == 1
    snapshot.forget()


def log(*layers: str) -> list[tuple[str, str, str, str]]:
    rows = Intercept.objects.filter(layer__in=layers).order_by("pk")
    return list(rows.values_list("layer", "outcome", "strategy", "order_number"))


def test_the_fourth_attempt_holds_the_order_that_is_there(caller: Client) -> None:
    body = order_body()
    number = post_order(caller, body).json()["number"]
    held = []
    for _attempt in range(4):
        assert post_order(caller, body).status_code == 409
        held.append(Order.objects.get().held)

    assert held == [False, False, True, True]
    assert HoldReview.objects.get().seen["counts"] == {"cup-1": 4}
    assert log("attempts") == [("attempts", outcome, "attempts", number) for outcome in ("held", "logged")]


def test_replays_are_no_attempts(caller: Client) -> None:
    body = order_body()
    for _time in range(6):
        post_order(caller, body, key="k")
    assert (Order.objects.get().held, log("attempts")) == (False, [])


def test_the_fourth_order_is_born_held(caller: Client) -> None:
    body = order_body(confirm_duplicate=True)

    answers = [post_order(caller, body) for _time in range(4)]

    assert [answer.status_code for answer in answers] == [201] * 4
    assert [answer.json()["held"] for answer in answers] == [False, False, False, True]
    last = Order.objects.get(number=answers[-1].json()["number"])
    assert (last.held, last.hold_reason, HoldReview.objects.get().order) == (True, "suspected_brushing", last)
    assert log("attempts") == [("attempts", "held", "attempts", last.number)]


def test_a_held_order_may_still_be_paid(caller: Client) -> None:
    body = order_body(confirm_duplicate=True)
    for _time in range(4):
        post_order(caller, body)
    order = Order.objects.get(held=True)
    assert move(order, "pay", machine.NOTIFICATION).result == "done"
    assert move(order, "ship", machine.WAREHOUSE).code == "held"


def test_another_buyer_is_not_held(caller: Client) -> None:
    for _time in range(6):
        assert post_order(caller, order_body()).json()["held"] is False


def test_a_strategy_holds(caller: Client) -> None:
    set_strategy("device", threshold=2)
    answers = [post_order(caller, order_body(device_id="device-1")) for _buyer in range(3)]

    assert [answer.json()["held"] for answer in answers] == [False, False, True]
    number = answers[-1].json()["number"]
    assert log("strategy") == [("strategy", "held", "device", number)]
    seen = Intercept.objects.get().seen
    assert (seen["count"], seen["threshold"], seen["window"]) == (3, 2, 600)
    assert HoldReview.objects.get().seen["strategies"][0]["strategy"] == "device"


def test_a_dry_run_only_notes(caller: Client) -> None:
    set_strategy("device", threshold=2, is_dry_run=True, action="refuse")
    answers = [post_order(caller, order_body(device_id="device-1")) for _buyer in range(3)]
    assert [(answer.status_code, answer.json()["held"]) for answer in answers] == [(201, False)] * 3
    assert [row[:3] for row in log("strategy")] == [("strategy", "logged", "device")]


def test_a_dry_run_of_attempts_only_notes(caller: Client) -> None:
    set_strategy("attempts", is_dry_run=True)
    body = order_body(confirm_duplicate=True)
    assert [post_order(caller, body).json()["held"] for _time in range(5)] == [False] * 5
    assert [row[1] for row in log("attempts")] == ["logged", "logged"]


def test_a_warning_is_found_by_the_order(caller: Client) -> None:
    set_strategy("phone", threshold=1, action="warn")
    post_order(caller, order_body())
    second = post_order(caller, order_body())
    assert log("strategy") == [("strategy", "warned", "phone", second.json()["number"])]


def test_a_strategy_refuses_without_its_name(caller: Client) -> None:
    set_strategy("phone", threshold=2, action="refuse", window_seconds=900)
    body = order_body()
    for _buyer in range(2):
        post_order(caller, order_body())

    refused = post_order(caller, body, key="k")

    assert (refused.status_code, refused.json()["code"]) == (409, "order_refused")
    assert (refused.json()["details"], refused.headers["Retry-After"]) == ({"retry_after": 900}, "900")
    assert "phone" not in refused.content.decode()
    assert Order.objects.count() == 2
    assert [row[:3] for row in log("strategy")] == [
        ("strategy", "refused", "phone"),
        ("strategy", "refused", ""),
    ]
    set_strategy("phone", is_enabled=False)
    assert post_order(caller, body, key="k").status_code == 201, "neither key nor fingerprint is spent"


def test_a_refused_strategy_has_held_nothing(caller: Client) -> None:
    set_strategy("device", threshold=1)
    body = order_body(device_id="device-1")
    post_order(caller, body)
    assert post_order(caller, body).status_code == 409
    order = Order.objects.get()
    assert (log("strategy"), order.held) == ([("strategy", "logged", "device", order.number)], False)


def test_the_one_after_the_rule_has_enough_is_born_held(caller: Client) -> None:
    """The buyer's only order was refunded meanwhile: there is nothing to hold but the next one."""
    body = order_body()
    post_order(caller, body)
    order = Order.objects.get()
    move(order, "pay", machine.NOTIFICATION)
    move(order, "refund", machine.REFUND_CONFIRMED)
    for _attempt in range(3):
        assert post_order(caller, body).status_code == 409
    Order.objects.update(minute=F("minute") - 5)

    confirmed = post_order(caller, {**body, "confirm_duplicate": True})

    assert (confirmed.status_code, confirmed.json()["held"]) == (201, True)
