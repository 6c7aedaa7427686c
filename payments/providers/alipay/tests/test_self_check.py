"""The self-check of an Alipay account in key mode."""

from __future__ import annotations

import pytest
from django.utils import translation

from payments.providers.alipay.adapter import Alipay
from payments.providers.alipay.tests.messages import APP_ID, account, key_pair


def test_good_account_has_no_problems() -> None:
    assert Alipay().check(account()) == []
    assert Alipay().check(account(gateway_url="http://127.0.0.1:8900/alipay/gateway.do")) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"app_id": ""}, "app_id"),
        ({"app_id": "abc"}, "app_id"),
        ({"seller_id": "1088000000000001"}, "seller_id"),
        ({"gateway_url": "http://openapi.alipay.com/gateway.do"}, "gateway_url"),
        ({"gateway_url": "ftp://x"}, "gateway_url"),
        ({"app_private_key": key_pair("app")[1]}, "app_private_key"),
        ({"app_private_key": "junk"}, "app_private_key"),
        ({"alipay_public_key": key_pair("alipay")[0]}, "alipay_public_key"),
        ({"alipay_public_key": "junk"}, "alipay_public_key"),
        ({"alipay_public_key": key_pair("app")[1]}, "alipay_public_key"),
        ({"alipay_cert": "x"}, ""),
    ],
)
def test_problems_of_an_account(changes: dict[str, str], message: str) -> None:
    with translation.override("en"):
        problems = [str(problem) for problem in Alipay().check(account(**changes))]
    assert len(problems) == 1
    assert message in problems[0]
    assert APP_ID not in problems[0]
