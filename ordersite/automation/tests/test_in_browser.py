"""A rule is built by clicking in a real browser, tried, switched on, and works on the next order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings as configured
from django.test import Client
from playwright.sync_api import Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from orders import machine
from orders.models import Order
from orders.tests.builders import build_order, move
from ordersite.automation.models import AutomationRule, OrderTag, RuleRun
from ordersite.automation.past.run import run_dry_runs
from ordersite.automation.tests.builders import build_person, work
from ordersite.automation.tests.test_wechat_else_sms import build_channels, got, pay
from ordersite.messaging.tests.vendors import fault
from ordersite.tests.chromium import launch_options
from ordersite.tests.layout.walk import FORBIDDEN
from sandbox.tests.running import Running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300), pytest.mark.django_db(transaction=True)]
# Where a person can look at the pages afterwards.
SHOTS = os.environ.get("TEST_SCREENSHOTS", "")


@pytest.fixture
def page(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A supervisor's page on a phone, in Chinese; nothing on it does what its content policy forbids."""
    # Playwright's loop runs in the thread of the test.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    client, said = Client(), list[str]()
    origin = f"http://127.0.0.1:{live_server.thread.port}"
    client.force_login(build_person("supervisor"))
    cookie = client.cookies[configured.SESSION_COOKIE_NAME].value
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options(live_server.thread.port))
        context = browser.new_context(viewport={"width": 390, "height": 844}, base_url=origin)
        context.add_cookies([{"name": configured.SESSION_COOKIE_NAME, "value": cookie, "url": origin}])
        shown = context.new_page()
        shown.set_default_timeout(20_000)
        shown.on("console", lambda message: said.append(message.text))
        shown.on("pageerror", lambda error: said.append(f"{FORBIDDEN} {error}"))
        yield shown
        browser.close()
    assert [text for text in said if FORBIDDEN in text] == []


def shot(page: Page, name: str) -> None:
    if SHOTS:
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=str(Path(SHOTS) / f"{name}-{width}.png"), full_page=True)
        page.set_viewport_size({"width": 390, "height": 844})


def order_of(total: str, province: str) -> Order:
    order = build_order(total=total)
    Order.objects.filter(pk=order.pk).update(province=province)
    return order


def choose_tag(page: Page) -> None:
    page.select_option("[name=actions-0-action]", label="给订单打标签")
    page.fill("[name=actions-0-tag__tag]", "大单")


def choose_wechat_else_sms(page: Page) -> None:
    page.select_option("[name=actions-0-action]", label="给买家发消息")
    page.select_option("[name=actions-0-send_message__message]", value="text:vip")
    page.select_option("[name=actions-0-send_message__channels]", label="先微信，不行再短信")


def build_by_clicking(page: Page, choose: Callable[[Page], None]) -> None:
    """Payment succeeded, and the amount over 500, and the province is 广东 → what is chosen."""
    page.goto("/admin/automation/automationrule/add/")
    shot(page, "rule-new")
    page.fill("[name=name]", "广东大单")
    page.select_option("[name=trigger]", label="支付成功，订单已支付")
    expect(page.locator("[name=hours]")).to_be_hidden()
    page.select_option("[name=conditions-0-field]", label="订单总额")
    page.select_option("[name=conditions-0-operator]", label="大于")
    page.fill("[name=conditions-0-value]", "500")
    page.get_by_role("button", name="再加一个条件").click()
    page.select_option("[name=conditions-1-field]", label="省份")
    page.locator(".os-picks label", has_text="广东").click()
    choose(page)
    shot(page, "rule-built")
    page.get_by_role("button", name="保存").click()


def switch_on_by_clicking(page: Page, choose: Callable[[Page], None], past: Order) -> None:
    """Build the rule, look at its dry run, which names this order, and switch it on."""
    build_by_clicking(page, choose)
    expect(page.locator("body")).to_contain_text("订单总额 大于 ¥500.00")
    shot(page, "rule-saved")
    page.locator("a.os-button", has_text="试运行").click()
    page.locator("form.os-confirm button[type=submit]").click()
    run_dry_runs()
    page.reload()
    page.locator("a[href*='/dryrun/']").last.click()
    expect(page.locator("body")).to_contain_text(past.number)
    shot(page, "rule-dry-run")
    page.get_by_role("button", name="我已查看").click()
    page.locator("a.os-button", has_text="启用").click()
    page.locator("form.os-confirm button[type=submit]").click()
    expect(page.locator("body")).to_contain_text("已启用")
    assert AutomationRule.objects.get().is_running


def test_a_rule_built_by_clicking_works_on_the_next_order(page: Page) -> None:
    past = order_of("900.00", "广东省")
    move(past, "pay", machine.NOTIFICATION)
    work()

    switch_on_by_clicking(page, choose_tag, past)

    meant, cheap, elsewhere = (
        order_of(*one) for one in (("500.01", "广东省"), ("500.00", "广东省"), ("900.00", "浙江省"))
    )
    for order in (meant, cheap, elsewhere):
        move(order, "pay", machine.NOTIFICATION)
    work()

    assert list(OrderTag.objects.values_list("order", "name")) == [(meant.pk, "大单")]
    page.goto(f"/admin/automation/rulerun/{RuleRun.objects.get(order=meant).pk}/change/")
    expect(page.locator("body")).to_contain_text("¥500.01")
    shot(page, "rule-run")
    page.goto("/admin/automation/automationrule/")
    shot(page, "rule-list")


def test_a_rule_built_by_clicking_writes_over_wechat_else_by_sms(
    page: Page, box: Running, tmp_path: Path
) -> None:
    build_channels(box, tmp_path)
    past = pay()
    switch_on_by_clicking(page, choose_wechat_else_sms, past)

    follower = pay()
    fault(box, "wechat_template.send", "not_follower")
    stranger = pay()
    cheap = pay(total="500.00")

    assert [got(box, order) for order in (past, follower, stranger, cheap)] == [
        [], [("wechat_template", "oReader-0001")], [("aliyun_sms", "13800138000")], [],
    ]  # fmt: skip
