"""What the start says about accounts."""

from __future__ import annotations

from typing import Any

import pytest

from payments.accounts.checks import check_gateways
from payments.models import PaymentAccount
from payments.tests import builders as build

pytestmark = pytest.mark.django_db
SANDBOX = "https://openapi-sandbox.dl.alipaydev.com/gateway.do"


def slugs_warned_of() -> list[str]:
    return [str(one.msg).split()[3] for one in check_gateways(None, databases=["default"])]


def test_active_playground_account_is_named(settings: Any) -> None:
    settings.DEBUG = settings.DEMO_SHOP = False
    build.build_alipay("real")
    build.build_alipay("loopback", gateway_url="http://127.0.0.1:8900/alipay/gateway.do")
    build.build_alipay("played", gateway_url=SANDBOX)
    build.build_alipay("off", gateway_url=SANDBOX)
    PaymentAccount.objects.filter(slug="off").update(is_active=False)
    assert slugs_warned_of() == ["played"]
    assert check_gateways(None) == []


@pytest.mark.parametrize("name", ["DEBUG", "DEMO_SHOP"])
def test_a_developers_machine_is_left_in_peace(settings: Any, name: str) -> None:
    settings.DEBUG = settings.DEMO_SHOP = False
    setattr(settings, name, True)
    build.build_alipay("played", gateway_url=SANDBOX)
    assert slugs_warned_of() == []
