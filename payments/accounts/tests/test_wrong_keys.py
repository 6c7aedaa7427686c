"""The wrong kind of key is said when the account is saved, by the command and by both forms, not at the first payment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from orders.models import ChangeRequest
from orders.tests.builders import build_merchant
from payments.accounts.save import save_account
from payments.models import PaymentAccount
from payments.providers.alipay.tests import messages as alipay_messages
from payments.providers.tests import authority
from payments.providers.types import AccountKeys
from payments.providers.unionpay.tests import messages as unionpay_messages
from payments.providers.unionpay.tests.messages import MIDDLE, SHOP, SIGNER
from payments.providers.wechatpay.tests import messages as wechatpay_messages
from payments.tests.builders import WEBHOOK_SECRET

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Mistake:
    """A mistake in an otherwise good account file, and the message about it."""

    provider: str
    changes: Mapping[str, Any]
    message: str


def values_of(keys: AccountKeys) -> dict[str, Any]:
    return {**keys.config, **keys.secrets}


GOOD: Mapping[str, Callable[[], dict[str, Any]]] = {
    "alipay": lambda: values_of(alipay_messages.account()),
    "wechatpay": wechatpay_messages.account_file,
    "unionpay": lambda: values_of(unionpay_messages.account()),
    "webhook": lambda: {"secret": WEBHOOK_SECRET},
}
MISTAKES = [
    Mistake(
        "alipay",
        {"alipay_public_key": alipay_messages.key_pair("app")[1]},
        "alipay_public_key belongs to app_private_key: it must be the key that Alipay shows.",
    ),
    Mistake(
        "alipay",
        {"app_private_key": alipay_messages.key_pair("app")[1]},
        "app_private_key is not an RSA private key of 2048 bits or more.",
    ),
    Mistake(
        "alipay",
        {"alipay_public_key": SHOP.pem},
        "alipay_public_key is a certificate: in certificate mode it is called alipay_cert.",
    ),
    Mistake(
        "wechatpay",
        {
            "platform_keys": {
                wechatpay_messages.OWN_SERIAL: wechatpay_messages.certificate(
                    "merchant", int(wechatpay_messages.OWN_SERIAL, 16)
                )
            }
        },
        f"Platform key {wechatpay_messages.OWN_SERIAL} is the merchant's own: it must be the one of WeChat Pay.",
    ),
    Mistake(
        "wechatpay",
        {"merchant_private_key": wechatpay_messages.public_pem("merchant")},
        "merchant_private_key is not an RSA private key of 2048 bits or more.",
    ),
    Mistake("wechatpay", {"api_v3_key": "short"}, "api_v3_key must be 32 ASCII characters."),
    Mistake(
        "unionpay", {"sign_key": authority.private_pem("stranger")}, "sign_key does not belong to sign_cert."
    ),
    Mistake(
        "unionpay",
        {"root_cert": SIGNER.pem, "middle_cert": MIDDLE.pem},
        "root_cert is not a root certificate.",
    ),
    Mistake(
        "webhook",
        {"secret": authority.private_pem("stranger")},
        "A secret must be whsec_ followed by the base64 of 24 to 64 bytes.",
    ),
]
each_mistake = pytest.mark.parametrize(
    "mistake", MISTAKES, ids=[f"{one.provider} {'+'.join(one.changes)} {n}" for n, one in enumerate(MISTAKES)]
)


@pytest.fixture(autouse=True)
def _english(settings: Any) -> None:
    settings.LANGUAGE_CODE = "en"
    build_merchant()


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def text_of(answer: Any) -> str:
    return unescape(answer.content.decode())


@each_mistake
def test_command_names_the_mistake(mistake: Mistake, tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps({**GOOD[mistake.provider](), **mistake.changes}), encoding="utf-8")
    with pytest.raises(CommandError) as refused:
        call_command(
            "set_payment_account", mistake.provider, "shop-1", "--merchant", "demo", "--from-json", str(path)
        )
    assert mistake.message in str(refused.value)
    assert "BEGIN" not in str(refused.value)
    assert not PaymentAccount.objects.exists()


@each_mistake
def test_form_of_a_new_account_names_the_mistake(mistake: Mistake, operator: Client) -> None:
    keys = json.dumps({**GOOD[mistake.provider](), **mistake.changes})
    merchant = build_merchant()
    form = {
        "provider": mistake.provider,
        "slug": "shop-1",
        "merchant": merchant.pk,
        "keys": keys,
        "reason": "开通",
    }
    answer = operator.post("/admin/payments/paymentaccount/add/", form)
    assert (answer.status_code, mistake.message in text_of(answer)) == (200, True)
    assert not PaymentAccount.objects.exists()


@each_mistake
def test_form_names_mistake_and_keeps_old_keys(mistake: Mistake, operator: Client) -> None:
    values = GOOD[mistake.provider]()
    account = save_account("shop-1", provider=mistake.provider, merchant=build_merchant(), values=values)
    address = f"/admin/payments/paymentaccount/{account.pk}/do/keys/"
    # Keys that an account holds by name are added to those it has.
    gone = {"platform_keys": dict.fromkeys(values.get("platform_keys", {}), "")}
    changes = {
        name: {**gone[name], **value} if isinstance(value, dict) else value
        for name, value in mistake.changes.items()
    }
    answer = operator.post(address, {"keys": json.dumps(changes), "reason": "轮换"}, follow=True)
    assert mistake.message in text_of(answer)
    now = PaymentAccount.objects.get()
    assert (now.config, now.sealed_secrets) == (account.config, account.sealed_secrets)


@pytest.mark.parametrize("provider", GOOD)
def test_form_accepts_a_correct_account(provider: str, operator: Client) -> None:
    form = {"provider": provider, "slug": "shop-1", "merchant": build_merchant().pk, "reason": "开通"}
    answer = operator.post(
        "/admin/payments/paymentaccount/add/", {**form, "keys": json.dumps(GOOD[provider]())}
    )
    assert f"/notify/{provider}/shop-1/" in text_of(answer)
    assert ChangeRequest.objects.get().is_setup, "the first administrator sets up alone"
    assert PaymentAccount.objects.get().provider == provider
