"""Accounts: taken from a file, sealed, opened, changed."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orders.tests.builders import build_merchant
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.errors import DomainError
from payments.accounts.cache import known_accounts
from payments.accounts.keys import keys_of
from payments.accounts.save import change_account
from payments.models import PaymentAccount
from payments.providers.alipay.tests.messages import account as alipay_keys
from payments.providers.alipay.tests.messages import key_pair
from payments.tests import builders as build

pytestmark = pytest.mark.django_db


def file_of(tmp_path: Path, values: Any) -> str:
    path = tmp_path / "account.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return str(path)


def set_account(provider: str, slug: str, path: str, *, merchant: str = "demo") -> str:
    out = StringIO()
    call_command(
        "set_payment_account", provider, slug, "--merchant", merchant, "--from-json", path, stdout=out
    )
    return out.getvalue().strip()


def alipay_file(**changes: str) -> dict[str, Any]:
    keys = alipay_keys(**changes)
    return {**keys.config, **keys.secrets}


def test_command_creates_account_and_prints_url(tmp_path: Path, settings: Any) -> None:
    build_merchant()
    url = set_account("alipay", "shop-1", file_of(tmp_path, alipay_file()))
    assert url == f"{settings.PUBLIC_BASE_URL}/notify/alipay/shop-1/"
    account = PaymentAccount.objects.get()
    assert (account.provider, account.merchant.slug) == ("alipay", "demo")
    assert sorted(account.config) == ["app_id", "gateway_url", "seller_id"]
    assert keys_of(account).secret("alipay_public_key") == key_pair("alipay")[1].strip()


def test_secrets_are_sealed_to_their_row(tmp_path: Path) -> None:
    build_merchant()
    set_account("alipay", "shop-1", file_of(tmp_path, alipay_file()))
    account = PaymentAccount.objects.get()
    row = json.dumps(PaymentAccount.objects.values("config", "sealed_secrets").get())
    assert "PRIVATE KEY" not in row
    account.slug = "shop-2"
    with pytest.raises(CannotDecrypt):
        keys_of(account)


def test_second_write_changes_keys_at_once() -> None:
    build.build_alipay("shop-1")
    old = known_accounts.get(("alipay", "shop-1"))
    build.build_alipay("shop-1", app_id="2021000000000009")
    new = known_accounts.get(("alipay", "shop-1"))
    assert old
    assert new
    assert (old.id, new.keys.config["app_id"]) == (new.id, "2021000000000009")


@pytest.mark.parametrize(
    ("provider", "values", "message"),
    [
        ("alipay", {}, "missing"),
        ("alipay", "{", "account.json"),
        ("alipay", "[]", "not a JSON object"),
        ("alipay", '{"app_id":"1","app_id":"2"}', "twice"),
        ("nobody", {}, "nobody"),
        ("webhook", {"secret": "plain"}, "whsec_"),
        ("webhook", {"secret": build.WEBHOOK_SECRET, "colour": "red"}, "colour"),
        ("webhook", {"secret": 7}, "secret"),
        ("webhook", {"secret": build.WEBHOOK_SECRET, "pay_url": "ftp://x"}, "pay_url"),
    ],
)
def test_bad_file_is_refused_in_one_line(
    tmp_path: Path, provider: str, values: Any, message: str, settings: Any
) -> None:
    settings.LANGUAGE_CODE = "en"
    build_merchant()
    with pytest.raises(CommandError) as refused:
        set_account(provider, "shop-1", file_of(tmp_path, values))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not PaymentAccount.objects.exists()


@pytest.mark.parametrize("slug", ["has space", "über", "a" * 41, "a/b", ""])
def test_a_slug_that_is_no_path_is_refused(slug: str) -> None:
    with pytest.raises(DomainError, match="bad_account"):
        build.build_alipay(slug)
    assert not PaymentAccount.objects.exists()


def test_an_unknown_merchant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nobody"):
        set_account("alipay", "shop-1", file_of(tmp_path, alipay_file()), merchant="nobody")


def test_foreign_account_is_not_overwritten() -> None:
    build.build_alipay("shop-1")
    with pytest.raises(DomainError, match="account_of_another"):
        build.build_alipay("shop-1", merchant=build_merchant("other"))
    with pytest.raises(DomainError, match="account_of_another"):
        build.build_webhook("shop-1")
    assert PaymentAccount.objects.get().provider == "alipay"


def test_form_changes_one_key_only() -> None:
    account = build.build_alipay("shop-1")
    changed = change_account(account, {"app_id": "2021000000000009", "alipay_public_key": key_pair("new")[1]})
    keys = keys_of(changed)
    assert keys.config["app_id"] == "2021000000000009"
    assert keys.secret("alipay_public_key") == key_pair("new")[1].strip()
    assert keys.secret("app_private_key") == key_pair("app")[0].strip()
    with pytest.raises(DomainError, match="bad_account"):
        change_account(account, {"app_id": ""})


def test_previous_secrets_may_be_a_list() -> None:
    account = build.build_webhook()
    changed = change_account(account, {"previous_secrets": [build.WEBHOOK_SECRET]})
    assert keys_of(changed).secret_list("previous_secrets") == [build.WEBHOOK_SECRET]
