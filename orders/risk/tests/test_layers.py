"""Each layer against duplicates alone, with the others out of the way, and the duplicate without any."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone

from orders import machine
from orders.models import ApiClient, FingerprintClaim, Intercept, Merchant, Order
from orders.risk.attempt import Attempt
from orders.risk.windows.store import store
from orders.tests.builders import move
from orders.tests.calls import build_caller, build_draft, order_body, post_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller() -> Client:
    return build_caller()


@pytest.fixture
def no_twin_constraints() -> None:
    """Both are gone until the test's transaction is rolled back."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_order DROP CONSTRAINT order_minute_twin")
        cursor.execute("DROP INDEX order_pending_twin")


def forget_fingerprints() -> None:
    """As after ten minutes: the store knows no order any more."""
    cache.clear()
    FingerprintClaim.objects.all().delete()


def dearer(body: dict[str, Any]) -> dict[str, Any]:
    """The same products for another sum: no fingerprint is alike."""
    return {**body, "shipping_fee": "8.00"}


def layers() -> list[tuple[str, str, str]]:
    return list(Intercept.objects.order_by("pk").values_list("layer", "outcome", "order_number"))


@pytest.mark.postgres
@pytest.mark.usefixtures("no_twin_constraints")
def test_without_any_layer_there_are_two_orders(caller: Client) -> None:
    body = order_body()
    assert post_order(caller, body).status_code == 201
    forget_fingerprints()
    assert post_order(caller, body).status_code == 201
    assert (Order.objects.count(), layers()) == (2, [])


@pytest.mark.postgres
@pytest.mark.usefixtures("no_twin_constraints")
def test_the_key_alone(caller: Client) -> None:
    body = order_body()
    first = post_order(caller, body, key="k").json()["number"]
    forget_fingerprints()
    again = post_order(caller, body, key="k")
    assert (again.status_code, again.json()["number"]) == (200, first)
    assert layers() == [("idempotency", "replayed", first)]


@pytest.mark.postgres
@pytest.mark.usefixtures("no_twin_constraints")
def test_the_fingerprint_alone(caller: Client) -> None:
    body = order_body()
    first = post_order(caller, body).json()["number"]
    second = post_order(caller, body)
    assert (second.status_code, second.json()["code"]) == (409, "duplicate_suspected")
    assert second.json()["details"] == {"order_number": first}
    assert layers() == [("fingerprint", "refused", first)]


def test_the_twin_of_a_minute_alone(caller: Client) -> None:
    body = order_body()
    first = post_order(caller, body).json()["number"]
    move(Order.objects.get(), "pay", machine.NOTIFICATION)
    second = post_order(caller, dearer(body))
    assert (second.status_code, second.json()["details"]) == (409, {"order_number": first})
    assert layers() == [("twin", "refused", first)]


def test_the_twin_that_waits_for_money_alone(caller: Client) -> None:
    body = order_body()
    first = post_order(caller, body).json()["number"]
    Order.objects.update(minute=F("minute") - 20)
    second = post_order(caller, dearer(body))
    assert (second.status_code, second.json()["details"]) == (409, {"order_number": first})
    assert layers() == [("twin", "refused", first)]


def test_a_paid_one_of_another_minute_is_no_twin(caller: Client) -> None:
    body = order_body()
    post_order(caller, body)
    move(Order.objects.get(), "pay", machine.NOTIFICATION)
    Order.objects.update(minute=F("minute") - 1)
    assert post_order(caller, dearer(body)).status_code == 201
    assert layers() == []


def test_fingerprint_of_a_closed_order_is_free(caller: Client) -> None:
    body = order_body()
    first = post_order(caller, body).json()["number"]
    move(Order.objects.get(), "close", machine.BUYER_CANCEL)
    second = post_order(caller, body)
    assert (second.status_code, layers()) == (201, [])
    third = post_order(caller, body)
    assert third.json()["details"] == {"order_number": second.json()["number"]} != {"order_number": first}


def test_a_fingerprint_without_an_order_is_free(caller: Client) -> None:
    body = order_body()
    post_order(caller, body)
    Order.objects.update(number="20261129-GONE-GONE", minute=F("minute") - 20, product_set="another")
    assert post_order(caller, body).status_code == 201


def test_a_confirmed_duplicate_passes_all(caller: Client) -> None:
    body = order_body()
    post_order(caller, body)
    assert post_order(caller, {**body, "confirm_duplicate": True}).status_code == 201
    assert (Order.objects.count(), layers()) == (2, [])


def test_the_same_order_just_being_created(caller: Client) -> None:
    merchant, body = Merchant.objects.get(), order_body()
    draft = build_draft(body["buyer"]["id"], shipping_fee=8)
    lines = [{"product_id": "cup-1", "name": "保温杯", "quantity": 1, "unit_price": "10.00"}]
    running = Attempt(merchant.pk, ApiClient.objects.get().pk, "first", timezone.now(), draft)
    assert store().visit(running, []).holder is None

    second = post_order(caller, {**body, "lines": lines, "shipping_fee": "8.00"})

    assert (second.status_code, second.json()["code"]) == (409, "request_in_progress")
    assert second.headers["Retry-After"] == "1"
    assert layers() == [("fingerprint", "in_progress", "")]
    assert store().visit(running, []).holder is None, "the second has not given back what is the first's"


def test_a_refused_attempt_gives_its_fingerprint_back(caller: Client) -> None:
    body = order_body()
    post_order(caller, body)
    assert post_order(caller, dearer(body)).status_code == 409
    Order.objects.update(product_set="another")
    assert post_order(caller, dearer(body)).status_code == 201


def test_a_replay_goes_before_a_refusal(caller: Client) -> None:
    body = order_body()
    first = post_order(caller, body, key="first")
    move(Order.objects.get(), "close", machine.BUYER_CANCEL)
    post_order(caller, body, key="second")

    again = post_order(caller, body, key="first")

    assert (again.status_code, again.json()["number"]) == (200, first.json()["number"])
    assert again.json()["status"] == "closed"


def test_a_used_key_with_another_body_is_logged(caller: Client) -> None:
    post_order(caller, order_body(), key="k")
    assert post_order(caller, order_body(), key="k").status_code == 422
    assert layers() == [("idempotency", "refused", "")]


def test_the_log_keeps_what_was_sent(caller: Client) -> None:
    body = order_body(device_id="d-1", client_ip="203.0.113.9", shipping_fee="10.00")
    first = post_order(caller, body).json()["number"]
    post_order(caller, body)

    row = Intercept.objects.get()

    assert (row.merchant, row.client_id) == (Merchant.objects.get(), ApiClient.objects.get().pk)
    assert (row.code, row.order_number, str(row.amount)) == ("duplicate_suspected", first, "276.40")
    assert (row.buyer_outside_id, row.buyer_phone) == (body["buyer"]["id"], "13800138000")
    assert (row.products, row.device_id, row.client_ip) == (["cup-1"], "d-1", "203.0.113.9")
    assert row.address == "广东省深圳市南山区科技园1号"


def test_invalid_bodies_are_no_attempts(caller: Client) -> None:
    assert post_order(caller, order_body(discount="999.00")).status_code == 400
    assert (layers(), FingerprintClaim.objects.count()) == ([], 0)
