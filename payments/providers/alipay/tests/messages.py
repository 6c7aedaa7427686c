"""Builders of Alipay's side for tests: its keys, its notifications, its gateway's responses.

Signed with python-alipay-sdk and its own RSA library, so that our code never checks its own work.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote_plus

from alipay import AliPay
from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import RSA
from Cryptodome.Signature import pkcs1_15

from payments.providers.types import AccountKeys, RawNotification

APP_ID, SELLER_ID = "2021000000000001", "2088000000000001"
SECRETS = ("app_private_key", "alipay_public_key", "alipay_cert", "alipay_root_cert", "app_cert")
RECEIVED_AT = datetime(2026, 11, 22, 6, 2, 12, tzinfo=UTC)

PAYMENT: Mapping[str, str] = {
    "gmt_create": "2026-11-22 14:01:40",
    "charset": "utf-8",
    "gmt_payment": "2026-11-22 14:02:09",
    "notify_time": "2026-11-22 14:02:11",
    "subject": "保温杯 ×3",
    "buyer_id": "2088102122524333",
    "buyer_logon_id": "csq***@sandbox.com",
    "invoice_amount": "266.40",
    "version": "1.0",
    "notify_id": "2026112200222140209024333014210401",
    "fund_bill_list": '[{"amount":"266.40","fundChannel":"ALIPAYACCOUNT"}]',
    "notify_type": "trade_status_sync",
    "out_trade_no": "7F3K2026112200420001",
    "total_amount": "266.40",
    "trade_status": "TRADE_SUCCESS",
    "trade_no": "2026112222001424333014219981",
    "auth_app_id": APP_ID,
    "receipt_amount": "266.40",
    "point_amount": "0.00",
    "buyer_pay_amount": "266.40",
    "app_id": APP_ID,
    "seller_id": SELLER_ID,
}


@lru_cache
def key_pair(name: str) -> tuple[str, str]:
    """A private and a public PEM, the same for a name while the tests run."""
    key = RSA.generate(2048)
    return key.export_key().decode(), key.publickey().export_key().decode()


def account(**changes: str) -> AccountKeys:
    """The keys of an account; `changes` replace values by name."""
    values = {
        "app_id": APP_ID,
        "seller_id": SELLER_ID,
        "gateway_url": "https://openapi.alipay.com/gateway.do",
        "app_private_key": key_pair("app")[0],
        "alipay_public_key": key_pair("alipay")[1],
    } | changes
    secrets = {name: values.pop(name) for name in SECRETS if name in values}
    return AccountKeys("alipay", "demo-alipay", values, secrets, "1")


@lru_cache
def sdk(signer: str = "alipay", sign_type: str = "RSA2") -> AliPay:
    """The merchant SDK, signing with Alipay's key and verifying with our application's."""
    return AliPay(APP_ID, None, key_pair(signer)[0], key_pair("app")[1], sign_type=sign_type)


def signed_text(fields: Mapping[str, str]) -> str:
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields))


def signature(text: str, *, charset: str = "utf-8") -> str:
    """What Alipay puts into `sign`; python-alipay-sdk knows UTF-8 only, so GBK goes to its RSA library directly."""
    if charset == "utf-8":
        return str(sdk()._sign(text))
    key = RSA.import_key(key_pair("alipay")[0])
    return base64.b64encode(pkcs1_15.new(key).sign(SHA256.new(text.encode(charset)))).decode()


def form(fields: Mapping[str, str], *, charset: str = "utf-8") -> bytes:
    return "&".join(
        f"{quote_plus(name)}={quote_plus(value, encoding=charset)}" for name, value in fields.items()
    ).encode()


def signed_fields(*, charset: str = "utf-8", **changes: str | None) -> dict[str, str]:
    """A genuine payment notification's fields; a change to None leaves a field out."""
    fields = {name: value for name, value in {**PAYMENT, **changes}.items() if value is not None}
    return fields | {"sign": signature(signed_text(fields), charset=charset), "sign_type": "RSA2"}


def notification(*, charset: str = "utf-8", **changes: str | None) -> bytes:
    """The body of a genuine notification."""
    return form(signed_fields(charset=charset, **changes), charset=charset)


def call(
    body: bytes, content_type: str = "application/x-www-form-urlencoded; charset=utf-8"
) -> RawNotification:
    return RawNotification({"content-type": content_type}, body, RECEIVED_AT)


def forged(**changes: str) -> bytes:
    """Genuine fields with unsigned changes."""
    return form({**signed_fields(), **changes})


def response(method: str, node: str, *, signer: str = "alipay", charset: str = "utf-8") -> str:
    """A response of the gateway with this raw node text, signed over exactly that text in this character set."""
    sign = sdk(signer)._sign(node) if charset == "utf-8" else signature(node, charset=charset)
    return f'{{"{method.replace(".", "_")}_response":{node},"sign":"{sign}"}}'
