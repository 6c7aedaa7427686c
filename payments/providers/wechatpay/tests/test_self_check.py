"""The self-check of WeChat Pay's account, and keys that change one by one."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import translation

from orders.tests.builders import build_merchant
from ordersite.lib.errors import DomainError
from payments.accounts.keys import keys_by_name, keys_of
from payments.accounts.save import change_account, save_account
from payments.models import PaymentAccount
from payments.providers.wechatpay.adapter import WechatPay
from payments.providers.wechatpay.tests.messages import (
    OWN_SERIAL,
    PUBLIC_KEY_ID,
    SERIAL,
    account,
    account_file,
    certificate,
    hex_serial,
    private_pem,
    public_pem,
)

OTHER_ID = "PUB_KEY_ID_0119000000012026112200000000000002"


@pytest.fixture(autouse=True)
def _english() -> Any:
    with translation.override("en"):
        yield


def test_good_account_has_no_problems() -> None:
    assert WechatPay().check(account()) == []
    assert WechatPay().check(account(gateway_url="http://127.0.0.1:8900/wechatpay", trade_type="jsapi")) == []
    assert WechatPay().check(account(platform_keys={hex_serial().lower(): certificate()})) == []
    assert WechatPay().check(account(platform_keys={PUBLIC_KEY_ID: public_pem("platform")})) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mchid": "12a"}, "mchid must be"),
        ({"appid": "2021000000000001"}, "appid must begin with wx"),
        ({"gateway_url": "http://pay.example"}, "https"),
        ({"gateway_url": "https://pay.example/?a=b"}, "https"),
        ({"trade_type": "h5"}, "trade_type"),
        ({"merchant_serial": "xyz"}, "merchant_serial must be"),
        ({"merchant_serial": OTHER_ID}, "merchant_serial must be"),
        ({"api_v3_key": "short"}, "api_v3_key must be 32"),
        ({"api_v3_key": "密" * 32}, "api_v3_key must be 32"),
        ({"merchant_private_key": "junk"}, "merchant_private_key is not"),
        ({"merchant_private_key": public_pem("merchant")}, "merchant_private_key is not"),
        ({"platform_keys": "text"}, "platform_keys must name"),
        ({"platform_keys": ["text"]}, "platform_keys must name"),
        ({"platform_keys": {"main": public_pem("platform")}}, "PUB_KEY_ID_… or a serial number"),
        ({"platform_keys": {PUBLIC_KEY_ID: "junk"}}, "neither an RSA public key"),
        ({"platform_keys": {PUBLIC_KEY_ID: private_pem("platform")}}, "is a private key"),
        ({"platform_keys": {PUBLIC_KEY_ID: public_pem("merchant")}}, "is the merchant's own"),
        (
            {"platform_keys": {OWN_SERIAL: certificate("merchant", int(OWN_SERIAL, 16))}},
            "is the merchant's own",
        ),
        ({"platform_keys": {OWN_SERIAL.lower(): public_pem("platform")}}, "is the merchant's own"),
        ({"platform_keys": {PUBLIC_KEY_ID: certificate()}}, "belongs to a public key"),
        ({"platform_keys": {hex_serial(SERIAL + 1): certificate()}}, f"serial number {hex_serial()}"),
        ({"platform_keys": {hex_serial(): certificate(ends=-1)}}, "have expired"),
        ({"platform_keys": {hex_serial(): certificate(begins=900)}}, "not valid yet"),
        ({"platform_keys": {}}, "platform_keys is missing"),
        ({"mchid": ""}, "mchid is missing"),
    ],
)
def test_problems(changes: dict[str, Any], message: str) -> None:
    problems = WechatPay().check(account(**changes))
    assert len(problems) == 1
    assert message in problems[0]
    assert "-----BEGIN" not in problems[0]


def test_expired_certificate_beside_a_good_key() -> None:
    ring = {hex_serial(): certificate(ends=-1), PUBLIC_KEY_ID: public_pem("platform-2")}
    assert WechatPay().check(account(platform_keys=ring)) == []


# Saved accounts


@pytest.mark.django_db
def test_documented_account_file_is_accepted(tmp_path: Path, settings: Any) -> None:
    build_merchant()
    path, out = tmp_path / "account.json", StringIO()
    path.write_text(json.dumps(account_file()), encoding="utf-8")
    command = ("set_payment_account", "wechatpay", "wx-1", "--merchant", "demo", "--from-json", str(path))
    call_command(*command, stdout=out)
    assert out.getvalue().strip() == f"{settings.PUBLIC_BASE_URL}/notify/wechatpay/wx-1/"
    keys = keys_of(PaymentAccount.objects.get())
    assert sorted(keys.config) == ["appid", "gateway_url", "mchid", "merchant_serial"]
    assert keys.secret_map("platform_keys") == account_file()["platform_keys"]
    assert (keys.secret("platform_keys"), keys.secret_list("platform_keys")) == ("", [])
    assert WechatPay().check(keys) == []


@pytest.mark.django_db
@pytest.mark.parametrize("value", [{"A": 5}, {"A": {"B": "C"}}, {"A": None}, 7, [["x"]]])
def test_other_shapes_of_platform_keys(tmp_path: Path, value: Any) -> None:
    build_merchant()
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account_file(platform_keys=value)), encoding="utf-8")
    with pytest.raises(CommandError, match="platform_keys must be text"):
        call_command(
            "set_payment_account", "wechatpay", "wx-1", "--merchant", "demo", "--from-json", str(path)
        )
    assert PaymentAccount.objects.count() == 0


def saved() -> PaymentAccount:
    return save_account("wx-1", provider="wechatpay", merchant=build_merchant(), values=account_file())


@pytest.mark.django_db
def test_platform_keys_change_one_by_one() -> None:
    changed = change_account(saved(), {"platform_keys": {OTHER_ID: public_pem("platform")}})
    assert keys_by_name(changed) == {"platform_keys": sorted([hex_serial(), PUBLIC_KEY_ID, OTHER_ID])}
    changed = change_account(changed, {"platform_keys": {hex_serial(): "", PUBLIC_KEY_ID: None}})
    assert keys_of(changed).secret_map("platform_keys") == {OTHER_ID: public_pem("platform")}
    assert keys_of(changed).secret("api_v3_key") == account_file()["api_v3_key"]


@pytest.mark.django_db
@pytest.mark.parametrize("value", [{}, "", {hex_serial(): "", PUBLIC_KEY_ID: ""}])
def test_last_platform_key_cannot_be_removed(value: Any) -> None:
    account_row = saved()
    with pytest.raises(DomainError) as caught:
        change_account(account_row, {"platform_keys": value})
    assert caught.value.code == "bad_account"
    assert "platform_keys is missing" in caught.value.message
    account_row.refresh_from_db()
    assert keys_by_name(account_row) == {"platform_keys": sorted([hex_serial(), PUBLIC_KEY_ID])}


@pytest.mark.django_db
def test_admin_shows_names_but_no_keys() -> None:
    account_row = saved()
    client = Client()
    client.force_login(User.objects.create_superuser("root", "root@shop.example", "x"))
    page = client.get(f"/admin/payments/paymentaccount/{account_row.pk}/change/").content.decode()
    assert f"platform_keys: {', '.join(sorted([hex_serial(), PUBLIC_KEY_ID]))}" in page
    assert "-----BEGIN" not in page
    assert account_file()["api_v3_key"] not in page
