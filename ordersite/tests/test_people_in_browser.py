"""Log-ins as people make them, in Chromium: the second step with a phone, and a form that outlived its session."""

from __future__ import annotations

import re
from base64 import b32decode
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django_otp.oath import totp
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from orders.models import ChangeRequest, Merchant
from orders.tests.builders import build_merchant
from ordersite.people.models import Authenticator, RecoveryCode
from ordersite.tests.chromium import launch_options
from ordersite.tests.layout.walk import FORBIDDEN
from payments.accounts import save
from payments.models import PaymentAccount

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]
PASSWORD = "a long passphrase 7"
SECRET = "whsec_" + "b2xk" * 8
TYPED = "提前到期，先换一把新的"


@pytest.fixture
def origin(live_server: LiveServer, settings: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's loop runs in the thread of the test
    settings.PUBLIC_BASE_URL = f"http://127.0.0.1:{live_server.thread.port}"
    return str(settings.PUBLIC_BASE_URL)


@pytest.fixture
def chromium(live_server: LiveServer) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(**launch_options(live_server.thread.port))
        yield running
        running.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A tab whose pages do nothing that their content policy forbids."""
    tab, lines = chromium.new_context(locale="zh-CN").new_page(), list[str]()
    tab.set_default_timeout(20_000)
    tab.on("console", lambda message: lines.append(message.text))
    yield tab
    assert [text for text in lines if FORBIDDEN in text] == []


@pytest.fixture
def account() -> PaymentAccount:
    return save.save_account("shop", provider="webhook", merchant=build_merchant(), values={"secret": SECRET})


def person(name: str, role: str) -> User:
    user = User.objects.create_user(name, f"{name}@shop.test", PASSWORD, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


def code_of(key: str, *, steps: int = 0) -> str:
    return f"{totp(b32decode(key), drift=steps):06d}"


def type_password(page: Page, name: str) -> None:
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")


def test_second_step_is_set_up_and_taken(origin: str, page: Page, settings: Any) -> None:
    settings.STAFF_TOTP = "required"
    person("fin", "finance")
    page.goto(f"{origin}/admin/")
    type_password(page, "fin")
    page.wait_for_url(re.compile("/accounts/security/set-up/"))

    # The picture for the phone's camera, and the same key to type.
    expect(page.locator(".secret-qr svg")).to_be_visible()
    key = page.locator(".secret-key").inner_text().replace(" ", "")
    page.fill("#id_code", code_of(key, steps=5))
    page.press("#id_code", "Enter")
    expect(page.locator(".errorlist")).to_be_visible()
    assert not Authenticator.objects.exists()

    page.fill("#id_code", code_of(key))
    page.press("#id_code", "Enter")
    expect(page.locator(".recovery-codes code")).to_have_count(10)
    recovery = page.locator(".recovery-codes code").first.inner_text()
    page.locator("a.button.wide").click()
    page.wait_for_url(f"{origin}/admin/")

    # The first log-in that takes a code: a wrong one, then the phone's next one.
    page.context.clear_cookies()
    page.goto(f"{origin}/admin/")
    type_password(page, "fin")
    page.wait_for_url(re.compile("/accounts/security/code/"))
    page.fill("#id_code", code_of(key, steps=7))
    page.press("#id_code", "Enter")
    expect(page.locator(".errorlist")).to_be_visible()
    page.goto(f"{origin}/admin/")
    page.wait_for_url(re.compile("/accounts/security/code/"))
    page.wait_for_timeout(2_500)  # a wrong code is followed by a pause of a second
    page.fill("#id_code", code_of(key, steps=1))
    page.press("#id_code", "Enter")
    page.wait_for_url(f"{origin}/admin/")

    # Without the phone: a recovery code, once.
    page.context.clear_cookies()
    page.goto(f"{origin}/admin/")
    type_password(page, "fin")
    page.wait_for_url(re.compile("/accounts/security/code/"))
    page.locator("a[href*='recovery=1']").click()
    page.fill("#id_code", recovery)
    page.press("#id_code", "Enter")
    page.wait_for_url(f"{origin}/admin/")
    assert RecoveryCode.objects.filter(used_at__isnull=True).count() == 9


def test_form_of_an_ended_session_is_filled_again(
    origin: str, page: Page, account: PaymentAccount, settings: Any
) -> None:
    settings.STAFF_TOTP = "offered"
    person("ops", "operations")
    form = f"{origin}/admin/payments/paymentaccount/{account.pk}/do/keys/"
    page.goto(form)
    type_password(page, "ops")
    page.wait_for_url(form)
    page.fill("#id_keys", f'{{"secret": "{SECRET}"}}')
    page.fill("#id_reason", TYPED)

    Session.objects.all().delete()
    page.locator("button.os-button-main").click()
    page.wait_for_url(re.compile("/login/"))
    kept = str(page.evaluate("JSON.stringify(sessionStorage)"))
    type_password(page, "ops")
    page.wait_for_url(form)

    expect(page.locator("#id_reason")).to_have_value(TYPED)
    expect(page.locator("#id_keys")).to_have_value("")
    expect(page.get_by_role("status")).to_contain_text("您输入的内容")
    assert "whsec" not in kept
    assert not ChangeRequest.objects.exists()


def test_sent_form_leaves_nothing_behind(
    origin: str, page: Page, account: PaymentAccount, settings: Any
) -> None:
    settings.STAFF_TOTP = "offered"
    PaymentAccount.objects.update(is_active=False)
    person("ops", "operations")
    form = f"{origin}/admin/payments/paymentaccount/{account.pk}/do/on/"
    page.goto(form)
    type_password(page, "ops")
    page.wait_for_url(form)
    page.fill("#id_reason", TYPED)
    page.locator("button.os-button-main").click()
    page.wait_for_url(re.compile("/change/"))
    assert ChangeRequest.objects.get().reason == TYPED

    assert page.evaluate("sessionStorage.length") == 0
    page.goto(form)
    expect(page.locator("#id_reason")).to_have_value("")


def test_nobody_else_is_shown_what_was_typed(
    origin: str, page: Page, account: PaymentAccount, settings: Any
) -> None:
    settings.STAFF_TOTP = "offered"
    for name in ("ops", "colleague"):
        person(name, "operations")
    form = f"{origin}/admin/orders/merchant/{Merchant.objects.get().pk}/change/"
    page.goto(form)
    type_password(page, "ops")
    page.wait_for_url(form)
    page.fill("#id_name", TYPED)

    Session.objects.all().delete()
    page.locator("button[name=_save]").click()
    page.wait_for_url(re.compile("/login/"))
    type_password(page, "colleague")
    page.wait_for_url(form)

    expect(page.locator("#id_name")).not_to_have_value(TYPED)
    assert page.evaluate("sessionStorage.length") == 0
