"""The buyer who changed his mind, in Chromium: nothing was paid, and the same order is paid another way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from orders.models import Order, OrderStatus
from orders.tests.builders import build_order
from ordersite.tests.chromium import launch_options
from payments.models import Payment, PaymentException
from payments.tests.builders import build_payment, build_webhook
from payments.tests.sandbox_accounts import (
    sandbox_account,
    sandbox_alipay,
    sandbox_webhook,
)
from payments.tests.steps import long_ago
from sandbox.tests.running import Running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def chromium(live_server: LiveServer, box: Running) -> Iterator[Browser]:
    ports = live_server.thread.port, int(box.url.rpartition(":")[2])
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's loop runs in the thread of the tests
        running = playwright.chromium.launch(**launch_options(*ports))
        yield running
        running.close()


@pytest.fixture
def page(chromium: Browser, live_server: LiveServer, settings: Any) -> Iterator[Page]:
    settings.PUBLIC_BASE_URL = f"http://127.0.0.1:{live_server.thread.port}"
    settings.DEMO_SHOP = True  # cashiers without https
    context = chromium.new_context(base_url=settings.PUBLIC_BASE_URL, locale="zh-CN")
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def choose(page: Page, account: str) -> None:
    page.locator(f"button[value={account}]").click()


def expect_unpaid(page: Page) -> None:
    """At once, and nothing turns."""
    page.wait_for_url(re.compile("/pay/return/"))
    expect(page.get_by_role("heading", name="尚未付款")).to_be_visible(timeout=5_000)
    expect(page.locator(".pay-waiting")).to_have_count(0)
    expect(page.locator("[name=account]")).to_have_count(4)


def test_order_is_paid_after_cancelling(page: Page, box: Running) -> None:
    sandbox_alipay(box)
    sandbox_webhook(box)
    for file in ("unionpay", "wechatpay"):
        sandbox_account(box, file)
    order = build_order()
    page.goto(f"/track/{order.tracking_token}/")
    page.get_by_role("link", name="去付款").click()

    for account in ("demo-alipay", "demo-unionpay", "demo-webhook"):
        choose(page, account)
        page.locator("#cancel").click()
        expect_unpaid(page)
    choose(page, "demo-wechatpay")
    expect(page.locator(".pay-code")).to_be_visible()
    page.go_back()
    expect(page.locator("main")).to_contain_text("您没有被扣款")
    choose(page, "demo-wechatpay")
    code = order.payments.get(account__slug="demo-wechatpay").code_url
    assert box.control("pay", code_url=code).status == 200

    expect(page.get_by_role("heading", name="已支付")).to_be_visible(timeout=8_000)
    page.get_by_role("link", name="查看物流").click()
    expect(page.get_by_role("link", name="去付款")).to_have_count(0)
    assert list(Order.objects.values_list("pk", "status")) == [(order.pk, OrderStatus.PAID)]


def test_paid_twice(page: Page, box: Running) -> None:
    """UnionPay closes nothing: whoever pays there too reads that it is looked into, and is asked for no more."""
    sandbox_webhook(box)
    sandbox_account(box, "unionpay")
    order = build_order()
    page.goto(f"/pay/order/{order.tracking_token}/")
    choose(page, "demo-unionpay")
    page.locator("#pay-button").wait_for()
    other = page.context.new_page()
    other.goto(f"/pay/order/{order.tracking_token}/")
    choose(other, "demo-webhook")
    other.locator("#pay-button").click()
    expect(other.get_by_role("heading", name="已支付")).to_be_visible(timeout=8_000)

    Payment.objects.update(last_query_at=long_ago(seconds=4))
    page.locator("#pay-button").click()
    page.wait_for_url(re.compile("/pay/return/"))

    expect(page.get_by_role("heading", name="您付了两次款")).to_be_visible()
    expect(page.locator(".pay-choices")).to_have_count(0)
    assert list(PaymentException.objects.values_list("kind", flat=True)) == ["already_paid"]


def test_wheel_stops_after_ten_seconds(page: Page) -> None:
    """Nobody can ask this provider: after ten seconds the page says what to do."""
    payment = build_payment(build_webhook(pay_url="https://pay.example/"))
    page.clock.install()
    page.goto(f"/pay/return/{payment.reference}/")
    expect(page.get_by_role("heading", name="支付确认中")).to_be_visible()

    page.clock.fast_forward(11_000)

    expect(page.get_by_role("heading", name="还没有收到付款结果")).to_be_visible()
    expect(page.locator("main")).to_contain_text("请不要重复支付")
    animation = page.locator(".pay-mark").evaluate("mark => getComputedStyle(mark).animationName")
    assert (animation, page.locator(".pay-choice").count()) == ("none", 1)
