"""The return page: queries at once, moves on by itself, believes no query string."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from pytest_httpserver import HTTPServer

from orders.models import Order, OrderStatus
from orders.tests.builders import build_order_in
from payments.models import Payment, PaymentStatus
from payments.tests.builders import build_alipay, build_payment, build_webhook
from payments.tests.fake_provider import answer_with, pollable, serving
from payments.tests.steps import fresh, long_ago
from sandbox.tests.nobody import nobody

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider() -> Iterator[HTTPServer]:
    with serving() as server:
        yield server


def test_return_queries_and_then_shows_paid(provider: HTTPServer) -> None:
    answer_with(provider, "pending")
    payment = build_payment(pollable(provider))
    page = Client().get(f"/pay/return/{payment.reference}/")
    assert page.status_code == 200
    text = page.content.decode()
    assert 'data-state="waiting"' in text
    assert f'content="4; url=/pay/return/{payment.reference}/"' in text
    assert "no-store" in page.headers["Cache-Control"]
    assert Client().get(f"/pay/return/{payment.reference}/state/").json() == {
        "state": "waiting",
        "unpaid": True,
    }

    provider.clear()
    answer_with(provider, "succeeded")
    Payment.objects.update(last_query_at=long_ago(seconds=4))
    assert Client().get(f"/pay/return/{payment.reference}/state/").json() == {"state": "paid"}
    page = Client().get(f"/pay/return/{payment.reference}/")
    assert 'data-state="paid"' in page.content.decode()
    assert f"/track/{payment.order.tracking_token}/" in page.content.decode()
    assert Order.objects.get().status == OrderStatus.PAID


def shown(payment: Payment) -> str:
    page = Client().get(f"/pay/return/{payment.reference}/", headers={"Accept-Language": "zh-hans"})
    assert page.status_code == 200
    return page.content.decode()


@pytest.mark.parametrize("answer", ["pending", "not_found"])
def test_cancelled_payment_is_not_paid_yet(provider: HTTPServer, answer: str) -> None:
    answer_with(provider, answer)
    account = pollable(provider)
    payment = build_payment(account)
    build_alipay()
    build_webhook("no-page")
    page = shown(payment)
    assert ("尚未付款" in page, "支付确认中" in page) == (True, False)
    assert f'action="/pay/order/{payment.order.tracking_token}/"' in page
    assert ('value="demo-alipay"' in page, 'value="no-page"' in page) == (True, False)
    assert 'data-state="waiting"' in page


def test_silence_leaves_the_choice() -> None:
    payment = build_payment(build_webhook(query_url=f"{nobody()}/query"))
    build_alipay()
    page = shown(payment)
    assert ("尚未付款" in page, 'value="demo-alipay"' in page) == (False, True)


def test_unconfirmed_payment_offers_the_choice() -> None:
    """The account has no query: the page waits for the notification, and the buyer may pay another way."""
    payment = build_payment(build_webhook())
    build_alipay()
    page = shown(payment)
    assert ("支付确认中" in page, 'value="demo-alipay"' in page) == (True, True)


@pytest.mark.parametrize(("order", "is_offered"), [("pending", True), ("closed", False)])
def test_closed_payment_offers_what_is_left(order: str, is_offered: bool) -> None:
    payment = build_payment(build_webhook(), order=build_order_in(order), status="closed")
    build_alipay()
    page = shown(payment)
    assert ('value="demo-alipay"' in page, "回到店铺重新下单" in page) == (is_offered, not is_offered)


@pytest.mark.parametrize("status", ["open", "closed"])
def test_order_paid_another_way_asks_for_nothing(status: str) -> None:
    account = build_webhook()
    payment = build_payment(account, order=build_order_in("paid"), status=status)
    build_payment(account, order=payment.order, status="paid")
    page = shown(payment)
    assert ("pay-choices" in page, "尚未付款" in page) == (False, False)
    assert f"/track/{payment.order.tracking_token}/" in page


def test_money_that_is_here_is_not_paid_again() -> None:
    """A case looks into it: the order is pending, and nobody shall pay it a second time."""
    order, account = build_order_in("pending"), build_webhook()
    build_alipay()
    build_payment(account, order=order, status="paid")
    payment = build_payment(account, order=order)
    assert "pay-choices" not in shown(payment)
    answer = Client().post(f"/pay/order/{order.tracking_token}/", {"account": "demo-alipay"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/track/{order.tracking_token}/")
    assert (
        f"/pay/order/{order.tracking_token}/"
        not in Client().get(f"/track/{order.tracking_token}/").content.decode()
    )


def test_query_string_is_not_trusted(provider: HTTPServer) -> None:
    answer_with(provider, "pending")
    payment = build_payment(pollable(provider))
    query_string = (
        f"trade_status=TRADE_SUCCESS&out_trade_no={payment.reference}&total_amount=199.00&state=paid"
    )
    page = Client().get(f"/pay/return/{payment.reference}/?{query_string}")
    assert 'data-state="waiting"' in page.content.decode()
    assert fresh(payment).status == PaymentStatus.OPEN
    assert Order.objects.get().status == OrderStatus.PENDING


def test_page_stands_while_the_provider_is_down() -> None:
    payment = build_payment(build_webhook(query_url=f"{nobody()}/query"))
    page = Client().get(f"/pay/return/{payment.reference}/")
    assert (page.status_code, 'data-state="waiting"' in page.content.decode()) == (200, True)
    assert fresh(payment).status == PaymentStatus.OPEN


@pytest.mark.parametrize(
    ("status", "state"), [("closed", "closed"), ("paid", "paid"), ("refunded", "refunded")]
)
def test_decided_attempt_is_not_queried(provider: HTTPServer, status: str, state: str) -> None:
    payment = build_payment(pollable(provider), status=status)
    assert Client().get(f"/pay/return/{payment.reference}/state/").json() == {"state": state}
    assert provider.log == []


def test_unknown_reference_is_404() -> None:
    assert Client().get("/pay/return/0123456789ABCDEFGHJK/").status_code == 404
    assert Client().get("/pay/return/0123456789ABCDEFGHJK/state/").status_code == 404
    assert Client().post("/pay/return/0123456789ABCDEFGHJK/").status_code == 404
    assert Client().get("/pay/go/0123456789ABCDEFGHJK/").status_code == 404


def test_late_money_is_not_called_paid() -> None:
    payment = build_payment(build_webhook(), order=build_order_in("closed"), status="paid")
    assert Client().get(f"/pay/return/{payment.reference}/state/").json() == {"state": "late"}
