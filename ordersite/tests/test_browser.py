"""As a visitor and a support agent would: click through the whole story in a real browser, on the embedded set-up."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from ordersite.tests.chromium import launch_options
from ordersite.tests.layout.walk import FORBIDDEN
from ordersite.tests.site import Site, whole_site
from payments.reconciliation.tests.banks import BANKS, Sale
from scripts.services import new_folder

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}
# Where a person can look at the pages afterwards.
SHOTS = os.environ.get("TEST_SCREENSHOTS", "")
SAID: list[str] = []


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    folder = new_folder("browser")
    quick = {"SANDBOX_PARCEL_SECONDS": "12", "SANDBOX_SHIP_SECONDS": "2", "TRACKING_POLL_HOURS": "0.0015"}
    with whole_site(folder / "site", servers={}, extra=quick) as running:
        running.start("sandbox", "web", "worker", "outside", "beat")
        running.wait_for_sandbox()
        running.wait_until_up()
        yield running


@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[Browser]:
    """Chromium that reaches this site and its sandbox, and no other address."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**launch_options(site.port, site.sandbox_port))
        yield chromium
        chromium.close()


@pytest.fixture(autouse=True)
def console() -> Iterator[list[str]]:
    """What the pages of a test wrote to the console; no page does what its content policy forbids."""
    SAID.clear()
    yield SAID
    assert [text for text in SAID if FORBIDDEN in text] == []


def open_page(browser: Browser, size: dict[str, int]) -> Page:
    page = browser.new_context(viewport=size).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(20_000)
    page.on("console", lambda message: SAID.append(message.text))
    return page


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def pay_at_cashier(site: Site, page: Page) -> None:
    page.wait_for_url(lambda url: urlsplit(url).port == site.sandbox_port)
    page.get_by_role("button", name="立即付款").click()
    page.wait_for_url(re.compile("/pay/return/"))


def log_in(site: Site, page: Page, username: str, path: str) -> None:
    page.goto(f"{site.url}{path}")
    page.fill("#id_username", username)
    page.fill("#id_password", site.login(username))
    with page.expect_navigation():  # before it the old page is idle too
        page.keyboard.press("Enter")
    page.wait_for_load_state("networkidle")


def test_the_browser_reaches_no_other_server(browser: Browser) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0)
        page = open_page(browser, DESKTOP)

        with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
            page.goto(f"http://127.0.0.1:{other.getsockname()[1]}/")

        with pytest.raises(BlockingIOError):
            other.accept()


def test_an_order_goes_all_the_way(site: Site, browser: Browser) -> None:
    """Checkout, cashier, paid within 3 s, shipped by the warehouse, parcel moves, completed; the timeline tells it."""
    page = open_page(browser, PHONE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{site.url}/checkout/")
    assert page.locator("html").get_attribute("lang") == "zh-hans"
    shot(page, "checkout-phone")
    page.get_by_role("button", name="提交订单").click()
    pay_at_cashier(site, page)
    expect(page.locator("main")).to_contain_text("已支付", timeout=3_000)
    shot(page, "return-phone")
    page.locator("a[href*='/track/']").first.click()
    number = re.search(r"\d{8}-[0-9A-Z]{4}-[0-9A-Z]{4}", page.inner_text("main"))
    assert number is not None
    tracking = page.url

    desk = open_page(browser, DESKTOP)
    log_in(site, desk, "admin", "/admin/")
    desk.goto(f"{site.url}/admin/orders/order/?q={number[0]}")
    desk.get_by_role("link", name=number[0]).first.click()
    order_page = desk.url
    for _look in range(60):
        desk.goto(order_page)
        if "已完成" in desk.inner_text("main, #content, body"):
            break
        desk.wait_for_timeout(2_000)
    story = desk.inner_text("body")
    shot(desk, "admin-order")
    for word in ("已完成", "待付款", "已支付", "已发货", "验签通过", "签收"):
        assert word in story, word
    page.goto(tracking)
    expect(page.locator("main")).to_contain_text("签收")
    shot(page, "track-phone")
    assert errors == []
    assert "The history is whole" in site.manage("verify_history")


def test_waiting_page_follows_a_paid_code(site: Site, browser: Browser) -> None:
    """With the keys alone: the way to pay is chosen, the order sent; the code's page turns when its money is there."""
    page = open_page(browser, DESKTOP)
    page.goto(f"{site.url}/checkout/")
    page.locator("input[name=account]:checked").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("input[value=demo-wechatpay]")).to_be_checked()
    shot(page, "checkout-desktop")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/pay/return/"))
    code = page.locator(".pay-code")
    expect(code).to_be_visible()
    assert code.evaluate("image => image.complete && image.naturalWidth > 100")
    shot(page, "pay-code")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="在本机打开收银台").click()
    opened.value.get_by_role("button", name="立即付款").click()
    expect(page.locator("main")).to_contain_text("已支付", timeout=5_000)


def test_unionpay_takes_the_buyer_there_and_back(site: Site, browser: Browser) -> None:
    page = open_page(browser, PHONE)
    page.goto(f"{site.url}/checkout/")
    page.get_by_label("银联").check()
    page.get_by_role("button", name="提交订单").click()
    pay_at_cashier(site, page)
    expect(page.locator("main")).to_contain_text("已支付", timeout=5_000)


def test_double_submit_creates_one_order(site: Site, browser: Browser) -> None:
    page = open_page(browser, PHONE)
    page.goto(f"{site.url}/checkout/")
    page.select_option("#id_quantity", "2")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.evaluate("for (let i = 0; i < 5; i++) document.getElementById('submit').click()")
    assert page.locator("#submit").is_disabled()
    page.wait_for_url(lambda url: urlsplit(url).port == site.sandbox_port)
    assert len([url for url in sent if "/checkout/" in url]) == 1


def test_button_reopens_after_a_failed_request(site: Site, browser: Browser) -> None:
    page = open_page(browser, PHONE)
    page.goto(f"{site.url}/checkout/")
    page.route(
        "**/checkout/", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )
    page.locator("#submit").click()
    expect(page.locator("#problem")).to_be_visible()
    expect(page.locator("#submit")).to_have_text(re.compile("3"))
    assert page.locator("#submit").is_disabled()
    expect(page.locator("#submit")).to_be_enabled(timeout=5_000)
    expect(page.locator("#submit")).to_have_text("提交订单")


def test_merchants_can_switch_the_language(site: Site, browser: Browser) -> None:
    page = open_page(browser, DESKTOP)
    log_in(site, page, "shop", "/shop/orders/")
    assert urlsplit(page.url).path == "/shop/orders/"
    shot(page, "shop-orders")
    page.locator("table a").first.click()
    shot(page, "shop-order")
    assert "全部" not in page.inner_text("h1")
    page.get_by_role("button", name="English").click()
    page.wait_for_load_state()
    assert page.locator("html").get_attribute("lang") == "en"
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    answer = page.goto(f"{site.url}/admin/")
    assert answer is not None
    assert answer.status == 403


ATTEMPT = """
from datetime import timedelta
from django.utils import timezone
from orders.models import Merchant, Order
from orders.tests.builders import build_order
from payments.models import Payment, PaymentAccount
from payments.references import new_reference
order = build_order(merchant=Merchant.objects.get(slug="demo"))
now = timezone.now()
Order.objects.filter(pk=order.pk).update(payment_started_at=now)
account = PaymentAccount.objects.get(slug="demo-webhook")
payment = Payment.objects.create(order=order, account=account, reference=new_reference(), amount=order.total_amount,
    status="open", created_at=now, expires_at=now + timedelta(hours=1))
print(payment.reference, payment.amount)
"""


def test_a_new_bank_is_read_by_two_persons(site: Site, browser: Browser, tmp_path: Path) -> None:
    """The first file of a bank: recognised, looked at, read and confirmed within two minutes, nothing typed."""
    reference, amount = site.manage("shell", "-v0", "-c", ATTEMPT).split()[-2:]
    sale = Sale(reference, Decimal(amount))
    file = tmp_path / "bank.csv"
    file.write_bytes(BANKS["abc"]([sale]))
    first, second = open_page(browser, DESKTOP), open_page(browser, DESKTOP)
    log_in(site, first, "finance", "/admin/")
    log_in(site, second, "finance2", "/admin/")
    began = time.monotonic()

    first.goto(f"{site.url}/admin/payments/statement/add/")
    first.select_option("select[name=account]", label=first.get_by_text("demo-webhook").first.inner_text())
    first.set_input_files("input[name=file]", str(file))
    first.click("#os-upload button[type=submit]")
    first.wait_for_url("**/reading/")
    expect(first.locator(".os-sample")).to_contain_text(reference)
    shot(first, "bank-reading")
    first.click("button[name=read]")
    first.wait_for_selector(".os-tiles")
    second.goto(first.url)
    second.click("a[href$='/do/settle/']")
    second.locator("button.os-button-main[type=submit]").click()
    expect(second.locator(".os-outcomes")).to_contain_text("1", timeout=60_000)
    shot(second, "bank-settled")

    assert time.monotonic() - began < 120
