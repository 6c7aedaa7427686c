"""GET and cancel: orders of the own merchant only, pages, filters, rate limit, cancelling."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders import clients, lifecycle, machine
from orders.models import ApiClient, Order, OrderEventText
from orders.tests.builders import build_merchant, move
from orders.tests.calls import build_caller, order_body, post_json, post_order
from ordersite.queue.models import OutboxEntry

pytestmark = pytest.mark.django_db
LIST = "/api/v1/orders/"


def _numbers(answer: Any) -> list[str]:
    return [order["number"] for order in answer.json()["results"]]


def _made(caller: Client, count: int) -> list[str]:
    return [post_order(caller, order_body()).json()["number"] for _ in range(count)]


def test_orders_of_other_merchants_are_hidden() -> None:
    mine, theirs = build_caller("demo"), build_caller("other")
    number = _made(mine, 1)[0]
    assert theirs.get(f"{LIST}{number}/").status_code == 404
    assert post_json(theirs, f"{LIST}{number}/cancel/", {"reason": "x"}).status_code == 404
    assert _numbers(theirs.get(LIST)) == []
    assert _numbers(mine.get(LIST)) == [number]
    assert Order.objects.get().status == "pending"


@pytest.mark.parametrize(
    "number", ["20261122-0000-0000", "nope", "x%00y", "20261122-0000-0000'--", "%E8%AE%A2"]
)
def test_unknown_number_is_404(number: str) -> None:
    answer = build_caller().get(f"{LIST}{number}/")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_order")


def test_every_order_is_on_one_page() -> None:
    caller = build_caller()
    made = _made(caller, 5)
    Order.objects.update(created_at=timezone.now())  # the primary key decides between equals
    seen, url = [], f"{LIST}?page_size=2"

    while url:
        answer = caller.get(url)
        seen.append(_numbers(answer))
        url = answer.json()["next"]

    assert seen == [[made[4], made[3]], [made[2], made[1]], [made[0]]]


def test_filters_by_state_and_time() -> None:
    caller = build_caller()
    first, second, third = _made(caller, 3)
    now = timezone.now()
    for hours, number in ((3, first), (2, second), (1, third)):
        Order.objects.filter(number=number).update(created_at=now - timedelta(hours=hours))
    move(Order.objects.get(number=second), "pay", machine.NOTIFICATION)

    at = (now - timedelta(hours=2)).isoformat()

    assert _numbers(caller.get(LIST, {"status": "paid"})) == [second]
    assert _numbers(caller.get(LIST, {"status": "refunded"})) == []
    assert _numbers(caller.get(LIST, {"created_after": at})) == [third, second]
    assert _numbers(caller.get(LIST, {"created_before": at})) == [first]
    assert _numbers(caller.get(LIST, {"created_after": at, "status": "pending"})) == [third]
    assert _numbers(caller.get(LIST, {"created_before": "0001-01-01T00:00:00+14:00"})) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "lost"),
        ("created_after", "yesterday"),
        ("created_after", "2026-11-22T10:00:00"),
        ("created_before", "2026-13-01T00:00:00Z"),
        ("cursor", "nope"),
        ("cursor", ""),
        ("cursor", "999999999999999999999.1"),
        ("page_size", "0"),
        ("page_size", "101"),
        ("ordering", "total_amount"),
        ("status__in", "paid"),
    ],
)
def test_wrong_filter_is_named(name: str, value: str) -> None:
    answer = build_caller().get(LIST, {name: value})
    assert (answer.status_code, list(answer.json()["details"])) == (400, [name])


def test_constant_number_of_queries() -> None:
    caller = build_caller()
    counts = []

    for more in (1, 9):
        _made(caller, more)
        with CaptureQueriesContext(connection) as queries:
            assert caller.get(LIST).status_code == 200
        counts.append(len(queries))
    assert counts[0] <= counts[1] <= 8
    assert counts[1] - counts[0] <= 1


def test_cancel_twice_closes_once() -> None:
    caller = build_caller()
    number = _made(caller, 1)[0]
    for _twice in range(2):
        answer = post_json(caller, f"{LIST}{number}/cancel/", {"reason": "买错了"})
        assert (answer.status_code, answer.json()["status"]) == (200, "closed")
    order = Order.objects.get()
    assert [line.trigger for line in order.events.all()] == ["api", "buyer_cancel"]
    assert OrderEventText.objects.get().text == "买错了"


def test_cancel_with_attempt_queries_first() -> None:
    caller = build_caller()
    number = _made(caller, 1)[0]
    with transaction.atomic():
        order = lifecycle.lock([Order.objects.get().pk]).popitem()[1]
        assert lifecycle.start_payment(order, at=timezone.now()) == ""

    for _twice in range(2):
        answer = post_json(caller, f"{LIST}{number}/cancel/", {"reason": "x"})
        assert (answer.status_code, answer.json()["status"]) == (202, "pending")

    event = OutboxEntry.objects.get(name="order.close_requested")
    assert event.payload["trigger"] == "buyer_cancel"


def test_cancel_refuses_a_paid_order() -> None:
    caller = build_caller()
    number = _made(caller, 1)[0]
    move(Order.objects.get(), "pay", machine.NOTIFICATION)
    before = Order.objects.get().history_hash
    answer = post_json(caller, f"{LIST}{number}/cancel/", {"reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_paid")
    assert (Order.objects.get().status, Order.objects.get().history_hash) == ("paid", before)


def test_cancel_refused_by_a_disabled_rule() -> None:
    caller = build_caller()
    number = _made(caller, 1)[0]
    lifecycle.TransitionRule.objects.filter(trigger=machine.BUYER_CANCEL).update(is_enabled=False)
    answer = post_json(caller, f"{LIST}{number}/cancel/", {"reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "trigger_off")
    assert Order.objects.get().status == "pending"


def test_rate_limit_is_429() -> None:
    row, token = clients.add_client(build_merchant(), name="slow", scopes=["orders:read"])
    ApiClient.objects.filter(pk=row.pk).update(requests_per_second=3)

    caller = Client(headers={"authorization": f"Bearer {token}"})

    answers = [caller.get(LIST) for _ in range(8)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 2  # at most two seconds of the clock were touched
    assert {answer.status_code for answer in answers} == {200, 429}
    assert refused[0].headers["Retry-After"] == "1"
    assert refused[0].json()["code"] == "throttled"


def test_disabled_client_is_401_at_once() -> None:
    caller = build_caller()
    assert caller.get(LIST).status_code == 200
    ApiClient.objects.update(is_active=False)
    assert caller.get(LIST).status_code == 401


def test_unknown_path_is_404_in_json() -> None:
    answer = Client().get("/api/v1/nothing/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
