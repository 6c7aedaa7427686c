"""A buyer in a hurry, in Chromium: however the checkout is sent, there is one order, and the buyer ends on its page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from orders.clients import add_client
from orders.models import Order
from orders.tests.builders import build_merchant
from ordersite.demo.seed import CHECKOUT_CLIENT, SLUG
from ordersite.tests.chromium import launch_options
from ordersite.tests.layout.walk import FORBIDDEN
from ordersite.tests.lossy_proxy import LossyProxy, lossy_proxy
from payments.tests.sandbox_accounts import sandbox_account
from sandbox.tests.running import Running, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
CLICKS = "for (let n = 0; n < 20; n += 1) document.getElementById('submit').click()"
NO_STORAGE = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('forbidden'); } })"


@pytest.fixture(scope="module")
def bad_network(live_server: LiveServer) -> Iterator[LossyProxy]:
    with lossy_proxy("127.0.0.1", live_server.thread.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def chromium(live_server: LiveServer, bad_network: LossyProxy, box: Running) -> Iterator[Browser]:
    ports = (live_server.thread.port, bad_network.port, int(box.url.rpartition(":")[2]))
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's loop runs in the thread of the tests
        running = playwright.chromium.launch(**launch_options(*ports))
        yield running
        running.close()


@pytest.fixture
def shop(bad_network: LossyProxy, box: Running, settings: Any) -> str:
    """The address of the demonstration's checkout, behind the network."""
    settings.PUBLIC_BASE_URL, settings.DEMO_SHOP = bad_network.url, True
    add_client(build_merchant(SLUG), name=CHECKOUT_CLIENT, scopes=["orders:write"])
    sandbox_account(box, "wechatpay")
    bad_network.losing = bad_network.lost = bad_network.answered = 0
    bad_network.open_gate()
    return f"{bad_network.url}/checkout/"


@pytest.fixture
def buyer(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser whose pages do nothing that their content policy forbids."""
    context, lines = chromium.new_context(locale="zh-CN"), list[str]()
    context.set_default_timeout(20_000)
    context.on("console", lambda message: lines.append(message.text))
    yield context
    context.close()
    assert [text for text in lines if FORBIDDEN in text] == []


def opened(buyer: BrowserContext, address: str) -> Page:
    """The checkout with a way to pay whose page is our own."""
    page = buyer.new_page()
    page.goto(address)
    page.get_by_label("微信支付").check()
    return page


def key_of(page: Page) -> Any:
    return page.evaluate("JSON.parse(sessionStorage.getItem('submit-once:/checkout/')).id")


def expect_the_order(*pages: Page) -> Order:
    """There is one order, and each of these tabs shows it."""
    for page in pages:
        page.wait_for_url(re.compile("/pay/return/"))
    order = Order.objects.get()
    for page in pages:
        expect(page.locator("main")).to_contain_text(order.number)
    return order


def test_twenty_clicks_are_one_order(shop: str, buyer: BrowserContext) -> None:
    page = opened(buyer, shop)
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.url) if one.method == "POST" else None)

    page.evaluate(CLICKS)
    assert page.locator("#submit").is_disabled()

    expect_the_order(page)
    assert sent == [shop]


def test_enter_and_a_click_are_one_order(shop: str, buyer: BrowserContext, bad_network: LossyProxy) -> None:
    page = opened(buyer, shop)
    button = page.locator("#submit").bounding_box()
    assert button is not None
    bad_network.close_gate()

    page.press("#id_name", "Enter")
    page.mouse.dblclick(button["x"] + 20, button["y"] + 20)
    expect(page.locator("#submit")).to_have_text("正在提交…")
    bad_network.open_gate()

    expect_the_order(page)


def test_reload_while_it_is_sent(shop: str, buyer: BrowserContext, bad_network: LossyProxy) -> None:
    page = opened(buyer, shop)
    key = key_of(page)
    bad_network.close_gate()
    page.locator("#submit").click()
    wait_for(lambda: bad_network.answered)

    # The answer finds nobody any more: were it lost before, the page could fetch it again before it is left.
    page.reload()
    bad_network.open_gate()

    expect(page.locator("[data-notice=unsure]")).to_be_visible()
    assert key_of(page) == key
    page.locator("#submit").click()
    assert key in expect_the_order(page).events.get(seq=1).evidence


def test_lost_answer_is_fetched_again(shop: str, buyer: BrowserContext, bad_network: LossyProxy) -> None:
    page = opened(buyer, shop)
    bad_network.losing = 1

    page.locator("#submit").click()

    expect_the_order(page)
    assert bad_network.lost == 1


def test_network_stays_away_for_a_while(shop: str, buyer: BrowserContext, bad_network: LossyProxy) -> None:
    """Nothing comes back: the button counts down and opens, and the same purchase is sent again."""
    page = opened(buyer, shop)
    bad_network.losing = 1_000

    page.locator("#submit").click()
    expect(page.locator("#problem")).to_contain_text("不会重复下单")
    expect(page.locator("#submit")).to_have_text(re.compile("^[123] 秒后"))
    assert Order.objects.count() == 1
    bad_network.losing = 0
    expect(page.locator("#submit")).to_be_enabled(timeout=5_000)
    page.locator("#submit").click()

    expect_the_order(page)


def test_back_and_submit_is_the_same_order(shop: str, buyer: BrowserContext) -> None:
    page = opened(buyer, shop)
    page.locator("#submit").click()
    order = expect_the_order(page)

    page.go_back()
    made = page.locator("[data-notice=made]")
    expect(made).to_contain_text("已经提交")
    expect(made.get_by_role("link", name="去付款")).to_have_attribute(
        "href", f"/pay/order/{order.tracking_token}/"
    )
    page.get_by_label("微信支付").check()
    page.locator("#submit").click()

    expect_the_order(page)


def test_page_from_the_browsers_memory_is_open(shop: str, buyer: BrowserContext) -> None:
    """What a browser shows after the back button without loading it: locked as it was left, were it not for this."""
    page = opened(buyer, shop)
    page.evaluate("addEventListener('submit-once:made', (event) => event.preventDefault())")
    page.locator("#submit").click()
    wait_for(lambda: page.evaluate("JSON.parse(sessionStorage.getItem('submit-once:/checkout/')).made"))

    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")

    expect(page.locator("#submit")).to_be_enabled()
    expect(page.locator("[data-notice=made]")).to_be_visible()


def test_two_tabs_at_once_are_one_order(shop: str, buyer: BrowserContext, bad_network: LossyProxy) -> None:
    tabs = opened(buyer, shop), opened(buyer, shop)
    assert key_of(tabs[0]) == key_of(tabs[1])
    bad_network.close_gate()

    for tab in tabs:
        tab.evaluate(CLICKS)
    bad_network.open_gate()

    expect_the_order(*tabs)


def test_second_tab_says_what_the_first_has_done(shop: str, buyer: BrowserContext) -> None:
    first, second = opened(buyer, shop), opened(buyer, shop)
    first.locator("#submit").click()
    expect_the_order(first)

    expect(second.locator("[data-notice=made]")).to_be_visible()
    second.locator("#submit").click()

    expect_the_order(first, second)


@pytest.mark.parametrize("case", ["opened later", "another quantity", "no storage"])
def test_other_tab_is_led_to_the_order(shop: str, buyer: BrowserContext, case: str) -> None:
    """The tabs cannot know of each other, or ask for different things: the server says so, and leads there."""
    second = opened(buyer, shop) if case == "another quantity" else None
    first = opened(buyer, shop)
    first.locator("#submit").click()
    order = expect_the_order(first)
    if case == "no storage":
        buyer.add_init_script(NO_STORAGE)
    tab = second or opened(buyer, shop)
    if case == "another quantity":
        tab.select_option("#id_quantity", "2")

    tab.locator("#submit").click()

    problem = tab.locator("#problem")
    expect(problem).to_contain_text(order.number)
    expect(problem.get_by_label("我确认要再下一单")).to_be_visible()
    problem.get_by_role("link", name="去付款").click()
    expect(tab.locator("main")).to_contain_text(order.number)
    assert (tab.url, Order.objects.count()) == (
        f"{shop[: -len('/checkout/')]}/pay/order/{order.tracking_token}/",
        1,
    )


def test_second_order_is_made_when_it_is_wanted(shop: str, buyer: BrowserContext) -> None:
    first = opened(buyer, shop)
    first.locator("#submit").click()
    expect_the_order(first)
    again = opened(buyer, shop)
    again.locator("#submit").click()

    again.get_by_label("我确认要再下一单").check()
    expect(again.locator("#submit")).to_be_enabled(timeout=5_000)
    again.evaluate(CLICKS)
    again.wait_for_url(re.compile("/pay/return/"))

    devices = set(Order.objects.values_list("device_id", flat=True))
    assert (Order.objects.count(), len(devices)) == (2, 1)
    assert UUID.fullmatch(devices.pop())


def test_closed_order_does_not_trap_its_buyer(shop: str, buyer: BrowserContext) -> None:
    page = opened(buyer, shop)
    page.locator("#submit").click()
    Order.objects.filter(pk=expect_the_order(page).pk).update(status="closed")
    page.go_back()
    page.get_by_label("微信支付").check()

    page.locator("#submit").click()
    expect(page.locator("#problem")).to_contain_text("再点一次")
    expect(page.locator("#submit")).to_be_enabled(timeout=5_000)
    page.locator("#submit").click()
    page.wait_for_url(re.compile("/pay/return/"))

    assert list(Order.objects.order_by("pk").values_list("status", flat=True)) == ["closed", "pending"]


def test_without_scripts_it_is_a_form(shop: str, chromium: Browser) -> None:
    context = chromium.new_context(locale="zh-CN", java_script_enabled=False)
    page = opened(context, shop)
    page.locator("#submit").click()
    order = expect_the_order(page)
    page.go_back()
    page.get_by_label("微信支付").check()
    page.locator("#submit").click()

    expect(page.get_by_role("alert")).to_contain_text(order.number)
    page.get_by_role("link", name="去付款").click()
    expect(page.locator("main")).to_contain_text(order.number)
    assert Order.objects.count() == 1
    context.close()
