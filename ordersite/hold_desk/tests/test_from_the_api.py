"""From a shop's calls to the desk: what is held when the fourth attempt comes, and what the review shows of them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from orders.models import HoldMark, HoldReview, Intercept, Order
from orders.tests.builders import move
from orders.tests.calls import build_caller, order_body, post_json, post_order
from ordersite.hold_desk.tests.builders import member, page_of

pytestmark = pytest.mark.django_db


def attempts(caller: Client, body: dict[str, Any], times: int) -> list[int]:
    return [post_order(caller, body).status_code for _time in range(times)]


def test_the_fourth_attempt_holds_and_the_desk_shows_all_four() -> None:
    caller = build_caller()
    body = order_body(device_id="device-one", client_ip="203.0.113.7")

    assert attempts(caller, body, 4) == [201, 409, 409, 409]

    review = HoldReview.objects.get()
    assert Order.objects.get().held
    assert len(review.seen["attempts"]) == 3  # the fourth is written down once it was answered
    page = member("viewer").get(page_of(review)).content.decode()
    assert page.count("no order") == 3
    assert page.count('<span class="os-same">device-one</span>') == 3
    assert page.count('<span class="os-same">203.0.113.7</span>') == 3


def test_an_order_born_held_says_so() -> None:
    caller = build_caller()
    body = order_body(confirm_duplicate=True)

    answers = [post_order(caller, body).json() for _time in range(4)]

    assert [answer["held"] for answer in answers] == [False, False, False, True]
    newest = Order.objects.get(number=answers[3]["number"])
    assert HoldReview.objects.get().order_id == newest.pk
    read = caller.get(f"/api/v1/orders/{newest.number}/").json()
    assert (read["status"], read["held"]) == ("pending", True)


def test_a_held_order_may_still_be_paid_and_cancelled() -> None:
    caller = build_caller()
    body = order_body()
    attempts(caller, body, 4)
    order = Order.objects.get()
    assert (order.held, order.is_payable) == (True, True)

    path = f"/api/v1/orders/{order.number}/cancel/"
    assert post_json(caller, path, {"reason": "changed my mind"}).status_code == 200
    assert Order.objects.get().status == "closed"


def test_a_shipped_order_is_reviewed_and_the_next_is_held() -> None:
    caller = build_caller()
    body = order_body(confirm_duplicate=True)
    for _time in range(3):
        post_order(caller, body)
    for order in Order.objects.all():
        move(order, "pay", "notification")
        move(order, "ship", "warehouse")

    refused = post_order(caller, {**body, "confirm_duplicate": False})

    assert refused.status_code == 409
    review = HoldReview.objects.get()
    assert (review.is_shipped, review.order.held) == (True, False)
    assert HoldMark.objects.get().product_id == "cup-1"
    assert post_order(caller, body).json()["held"] is True


def test_another_spelling_of_the_address_is_the_same() -> None:
    caller = build_caller()
    body = order_body()
    attempts(caller, body, 4)
    review = HoldReview.objects.get()
    Intercept.objects.update(address="广东省深圳市南山区科技园1号", at=timezone.now())

    page = member("viewer").get(page_of(review)).content.decode()

    assert '<span class="os-same">广东省深圳市南山区科技园1号</span>' in page
