"""What the start says about accounts."""

from __future__ import annotations

from typing import Any

import pytest

from ordersite.lib import env
from ordersite.lib.errors import DomainError
from payments.accounts.checks import check_gateways, is_playground, refuse_playgrounds
from payments.accounts.save import change_account
from payments.models import PaymentAccount
from payments.tests import builders as build

pytestmark = pytest.mark.django_db
SANDBOX = "https://openapi-sandbox.dl.alipaydev.com/gateway.do"


def slugs_warned_of() -> list[str]:
    return [str(one.msg).split()[3] for one in check_gateways(None, databases=["default"])]


def test_active_playground_account_is_named(settings: Any) -> None:
    settings.DEMO_SHOP = True
    build.build_alipay("real")
    build.build_alipay("loopback", gateway_url="http://127.0.0.1:8900/alipay/gateway.do")
    build.build_alipay("played", gateway_url=SANDBOX)
    build.build_alipay("off", gateway_url=SANDBOX)
    PaymentAccount.objects.filter(slug="off").update(is_active=False)
    settings.DEBUG = settings.DEMO_SHOP = False
    assert slugs_warned_of() == ["played"]
    assert check_gateways(None) == []


@pytest.mark.parametrize("name", ["DEBUG", "DEMO_SHOP"])
def test_a_developers_machine_is_left_in_peace(settings: Any, name: str) -> None:
    settings.DEBUG = settings.DEMO_SHOP = False
    setattr(settings, name, True)
    build.build_alipay("played", gateway_url=SANDBOX)
    assert slugs_warned_of() == []


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        (SANDBOX, True), ("https://openapi.alipaydev.com./gateway.do", True), ("https://ALIPAYDEV.com/", True),
        ("https://gateway.test.95516.com/gateway/api/", True), ("https://101.231.204.80:5000/gateway/", True),
        ("https://api.mch.weixin.qq.com/sandboxnew/pay", True), ("https://api.sandbox.psp.example/pay", True),
        ("https://psp-sandbox.example/pay", True), ("https://open.example/ams/sandbox/api", True),
        ("https://openapi.alipay.com/gateway.do", False), ("https://gateway.95516.com/gateway/api/", False),
        ("https://sandboxes.example/", False), ("http://127.0.0.1:8900/alipay/gateway.do", False),
        ("https://[broken", False), ("not an address", False),
    ],
)  # fmt: skip
def test_addresses_of_sandboxes_are_known(address: str, is_one: bool) -> None:
    assert is_playground(address) is is_one


def test_production_saves_no_sandbox_account(settings: Any) -> None:
    build.build_alipay("played", gateway_url="https://openapi.alipay.com/gateway.do")
    settings.DEBUG = settings.DEMO_SHOP = False
    account = PaymentAccount.objects.get()

    with pytest.raises(DomainError, match="bad_account") as refused:
        change_account(account, {"gateway_url": SANDBOX})

    assert "gateway_url" in refused.value.message
    account.refresh_from_db()
    assert account.config["gateway_url"] == "https://openapi.alipay.com/gateway.do"

    settings.DEMO_SHOP = True
    change_account(account, {"gateway_url": SANDBOX})


def test_process_does_not_start_with_a_sandbox(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    settings.DEBUG = settings.DEMO_SHOP = False
    build.build_alipay("real")
    refuse_playgrounds()
    PaymentAccount.objects.update(config={"pay_url": "https://api.sandbox.psp.example/pay"})

    with pytest.raises(env.BadEnvironment):
        refuse_playgrounds()

    assert capsys.readouterr().err.startswith(
        "ordersite cannot start: DEMO is off, and the payment account real is active and speaks to a provider's sandbox."
    )
    PaymentAccount.objects.update(is_active=False)
    refuse_playgrounds()
