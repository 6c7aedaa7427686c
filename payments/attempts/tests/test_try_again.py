"""A second try at an attempt: the same words to the provider, a page that still lives, another provider, a new number."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from django.utils.translation import override
from pytest_httpserver import HTTPServer

from orders.models import Order, OrderStatus
from orders.tests.builders import build_order
from ordersite.lib.errors import DomainError
from payments.attempts.errors import ProviderUnavailable
from payments.attempts.start import StartedAttempt, start_attempt
from payments.attempts.tests.wechatpay_platform import WeChatPlatform, wechat_platform
from payments.models import Payment, PaymentAccount, PaymentStatus
from payments.tests.builders import build_alipay, build_webhook
from payments.tests.steps import api_client, fresh, long_ago, start_body
from sandbox.tests.nobody import nobody

pytestmark = pytest.mark.django_db


@pytest.fixture
def platform(server: HTTPServer) -> WeChatPlatform:
    return wechat_platform(server)


def start_lost(platform: WeChatPlatform, order: Order, account: PaymentAccount) -> Payment:
    """An attempt that the platform has taken, whose answer was lost."""
    platform.loses = 1
    with pytest.raises(ProviderUnavailable):
        start_attempt(order, account)
    return Payment.objects.get(reference=platform.started[-1]["out_trade_no"])


def start_old(order: Order, account: PaymentAccount, *, minutes: float) -> Payment:
    """An attempt that was started so long ago, of an order that waits for a day."""
    payment = start_attempt(order, account).payment
    tomorrow = timezone.now() + timedelta(days=1)
    Order.objects.update(close_due_at=tomorrow)
    Payment.objects.update(
        created_at=long_ago(minutes=minutes), expires_at=tomorrow, last_query_at=long_ago(minutes=minutes)
    )
    return payment


def start_again(order: Order, account: PaymentAccount) -> StartedAttempt:
    """Start as if the last query had been some seconds ago."""
    Payment.objects.update(last_query_at=long_ago(seconds=4))
    return start_attempt(Order.objects.get(pk=order.pk), account)


@pytest.mark.parametrize(("first", "second", "word"), [("zh-hans", "en", "订单"), ("en", "zh-hans", "Order")])
def test_another_language_keeps_the_description(
    platform: WeChatPlatform, first: str, second: str, word: str
) -> None:
    order, account = build_order(), platform.account()
    with override(first):
        lost = start_lost(platform, order, account)
    with override(second):
        again = start_attempt(order, account)
    assert (again.payment.reference, again.is_new) == (lost.reference, False)
    assert [wish["description"] for wish in platform.started] == [f"{word} {order.number}"] * 2
    assert again.payment.code_url == "weixin://wxpay/bizpayurl?pr=code2"


def test_attempt_of_before_has_the_shops_language(platform: WeChatPlatform) -> None:
    order, account = build_order(), platform.account()
    with override(settings.LANGUAGE_CODE):
        start_lost(platform, order, account)
    Payment.objects.update(subject="")
    with override("en"):
        start_attempt(order, account)
    assert platform.started[0] == platform.started[1]


def test_old_code_is_ordered_anew(platform: WeChatPlatform) -> None:
    order, account = build_order(), platform.account()
    payment = start_old(order, account, minutes=115)
    platform.orders.clear()  # its expiry was moved as well
    again = start_attempt(order, account)
    assert (again.payment.reference, again.is_new) == (payment.reference, False)
    assert fresh(payment).code_url == again.payment.code_url == "weixin://wxpay/bizpayurl?pr=code2"
    assert start_attempt(order, account).payment.code_url == again.payment.code_url
    assert len(platform.started) == 2


def test_young_code_is_kept(platform: WeChatPlatform) -> None:
    order, account = build_order(), platform.account()
    start_old(order, account, minutes=114)
    assert start_attempt(order, account).payment.code_url == "weixin://wxpay/bizpayurl?pr=code1"
    assert len(platform.started) == 1


def test_old_code_is_not_shown(platform: WeChatPlatform) -> None:
    payment = start_old(build_order(), platform.account(), minutes=114)
    address = f"/pay/return/{payment.reference}/"
    assert f"{address}qr.svg" in Client().get(address).content.decode()
    Payment.objects.update(created_at=long_ago(minutes=115))
    page = Client().get(address).content.decode()
    assert ('data-state="expired"' in page, "qr.svg" in page) == (True, False)
    assert 'value="demo-wechatpay"' in page
    assert Client().get(f"{address}qr.svg").status_code == 404
    assert Client().get(f"{address}state/").json() == {"state": "expired"}
    assert len(platform.started) == 1


def test_old_alipay_page_is_signed_anew() -> None:
    order, account = build_order(), build_alipay(gateway_url=f"{nobody()}/gateway.do")
    first = start_old(order, account, minutes=55)
    Payment.objects.update(pay_url="https://openapi.alipay.com/gateway.do?sign=old")
    again = start_attempt(order, account).payment
    assert again.reference == first.reference
    assert first.reference in again.pay_url


def test_closed_there_gets_a_new_number(platform: WeChatPlatform) -> None:
    order, account = build_order(), platform.account()
    lost = start_lost(platform, order, account)
    platform.orders[lost.reference].state = "CLOSED"
    answer = api_client().post(
        f"/api/v1/orders/{order.number}/payments/", start_body(account), content_type="application/json"
    )
    assert answer.status_code == 201
    assert answer.json()["reference"] != lost.reference
    assert fresh(lost).status == PaymentStatus.CLOSED
    assert Order.objects.get().status == OrderStatus.PENDING


def test_closed_there_just_after_a_query(platform: WeChatPlatform) -> None:
    """The provider may be queried every 3 s only: its refusal to start says the same."""
    order, account = build_order(), platform.account()
    lost = start_lost(platform, order, account)
    platform.orders[lost.reference].state = "CLOSED"
    Payment.objects.update(last_query_at=timezone.now())
    again = start_attempt(order, account)
    assert (again.is_new, again.payment.status) == (True, PaymentStatus.OPEN)
    assert fresh(lost).status == PaymentStatus.CLOSED


def test_other_content_there_gets_a_new_number(platform: WeChatPlatform) -> None:
    order, account = build_order(), platform.account()
    lost = start_lost(platform, order, account)
    platform.orders[lost.reference].wish["description"] = "what another version said"
    again = start_again(order, account)
    assert again.is_new
    assert platform.orders[lost.reference].state == "CLOSED"
    assert fresh(lost).status == PaymentStatus.CLOSED


def test_paid_there_starts_nothing(platform: WeChatPlatform) -> None:
    order, account = build_order(), platform.account()
    lost = start_lost(platform, order, account)
    platform.orders[lost.reference].state = "SUCCESS"
    Payment.objects.update(last_query_at=timezone.now())
    with pytest.raises(DomainError, match="order_not_payable"):
        start_attempt(order, account)
    assert (fresh(lost).status, Payment.objects.count()) == (PaymentStatus.PAID, 1)
    assert Order.objects.get().status == OrderStatus.PAID


def test_refused_new_attempt_is_502(platform: WeChatPlatform) -> None:
    """Nothing there to be closed: the account may not collect this way, and a new number changes nothing."""
    order, account = build_order(), platform.account()
    platform.server.clear()
    platform.server.expect_request("/v3/pay/transactions/native").respond_with_json(
        {"code": "RULE_LIMIT", "message": "x"}, status=403
    )
    with pytest.raises(ProviderUnavailable):
        start_attempt(order, account)
    assert Payment.objects.get().status == PaymentStatus.CREATED


@pytest.mark.parametrize("is_started", [True, False])
def test_down_provider_leaves_the_other_way(platform: WeChatPlatform, is_started: bool) -> None:
    order, wechat, alipay = build_order(), platform.account(), build_alipay()
    if is_started:
        first = start_attempt(order, wechat).payment
        platform.is_down = True
    else:
        first = start_lost(platform, order, wechat)
        platform.is_down = True
    answer = api_client().post(
        f"/api/v1/orders/{order.number}/payments/", start_body(alipay), content_type="application/json"
    )
    assert (answer.status_code, answer.json()["provider"]) == (201, "alipay")
    left = fresh(first)
    assert left.is_undecided
    assert left.close_wanted_at is not None
    assert left.next_query_at is not None


def test_unreadable_account_leaves_the_other_way(platform: WeChatPlatform) -> None:
    order, wechat = build_order(), platform.account()
    start_attempt(order, wechat)
    PaymentAccount.objects.filter(pk=wechat.pk).update(sealed_secrets="v1:dev1:AAAA")
    assert start_attempt(order, build_webhook()).is_new


def test_back_after_an_unknown_close(platform: WeChatPlatform) -> None:
    """The platform closed the first attempt and its answer was lost: its code must not be shown again."""
    order, wechat, other = build_order(), platform.account(), build_webhook()
    first = start_attempt(order, wechat).payment
    platform.is_down = True
    start_attempt(order, other)
    platform.is_down = False
    platform.orders[first.reference].state = "CLOSED"
    back = start_attempt(order, wechat)
    assert (back.is_new, back.payment.code_url) == (True, "weixin://wxpay/bizpayurl?pr=code3")
    assert fresh(first).status == PaymentStatus.CLOSED
