"""Builders of WeChat Pay's side for tests: its keys, its notifications, its signed responses.

Signed with the wechatpayv3 package's own code, so that our code never checks its own work.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID
from wechatpayv3.core import Core

from payments.providers.types import AccountKeys, RawNotification

MCHID, APPID = "1900000001", "wx0000000000000001"
API_V3_KEY = "0123456789abcdefghijklmnopqrstuv"
PUBLIC_KEY_ID = "PUB_KEY_ID_0119000000012026112200000000000001"
SERIAL = 0x5157F09EFDC096DE15EBE81A47057A7232F1B8E1
OWN_SERIAL = "3775B6A45ACD588826D15E583A95F5DD0AAAAAAA"
SIGN_TYPE = "WECHATPAY2-SHA256-RSA2048"
RECEIVED_AT = datetime(2026, 11, 22, 6, 2, 12, tzinfo=UTC)

TRANSACTION: Mapping[str, Any] = {
    "mchid": MCHID,
    "appid": APPID,
    "out_trade_no": "7F3K2026112200420001",
    "transaction_id": "4200002345202611221234567890",
    "trade_type": "NATIVE",
    "trade_state": "SUCCESS",
    "trade_state_desc": "支付成功",
    "bank_type": "OTHERS",
    "attach": "",
    "success_time": "2026-11-22T14:02:09+08:00",
    "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
    "amount": {"total": 26640, "payer_total": 26140, "currency": "CNY", "payer_currency": "CNY"},
    "promotion_detail": [{"coupon_id": "109519", "amount": 500}],
}
REFUND: Mapping[str, Any] = {
    "mchid": MCHID,
    "out_trade_no": "7F3K2026112200420001",
    "transaction_id": "4200002345202611221234567890",
    "out_refund_no": "R20261122000001",
    "refund_id": "50000000382019052709732678859",
    "refund_status": "SUCCESS",
    "success_time": "2026-11-22T14:02:09+08:00",
    "user_received_account": "招商银行信用卡0403",
    "amount": {"total": 26640, "refund": 8880, "payer_total": 26140, "payer_refund": 8880},
}


@lru_cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """The same for a name while the tests run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(name: str) -> str:
    return rsa_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(name: str) -> str:
    key = rsa_key(name).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@lru_cache
def certificate(
    name: str = "platform", serial: int = SERIAL, *, begins: int = -3000, ends: int = 20000
) -> str:
    """A certificate in PEM with that key; the days count from RECEIVED_AT."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com Root CA")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(rsa_key(name).public_key())
        .serial_number(serial)
        .not_valid_before(RECEIVED_AT + timedelta(days=begins))
        .not_valid_after(RECEIVED_AT + timedelta(days=ends))
    )
    return builder.sign(rsa_key(name), SHA256()).public_bytes(Encoding.PEM).decode()


def hex_serial(serial: int = SERIAL) -> str:
    return f"{serial:040X}"


def account_file(**changes: Any) -> dict[str, Any]:
    """The account file; by default with both kinds of platform key, as during a change."""
    return {
        "mchid": MCHID,
        "appid": APPID,
        "gateway_url": "https://api.mch.weixin.qq.com",
        "api_v3_key": API_V3_KEY,
        "merchant_private_key": private_pem("merchant"),
        "merchant_serial": OWN_SERIAL,
        "platform_keys": {PUBLIC_KEY_ID: public_pem("platform-2"), hex_serial(): certificate()},
    } | changes


def account(**changes: Any) -> AccountKeys:
    values = account_file(**changes)
    names = ("api_v3_key", "merchant_private_key", "platform_keys")
    kept = {name: values.pop(name) for name in names}
    return AccountKeys("wechatpay", "demo-wechatpay", values, kept, "1")


@lru_cache
def sdk(signer: str = "platform") -> Core:
    """wechatpayv3's core with that private key; it knows `platform-2` by PUBLIC_KEY_ID."""
    return Core(
        MCHID,
        OWN_SERIAL,
        private_pem(signer),
        API_V3_KEY,
        public_key=public_pem("platform-2"),
        public_key_id=PUBLIC_KEY_ID,
    )


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that signs, and the serial number that the message names."""

    signer: str = "platform"
    serial: str = hex_serial()


CERTIFICATE, PUBLIC_KEY = Signer(), Signer("platform-2", PUBLIC_KEY_ID)


def signed_headers(body: bytes, *, by: Signer = CERTIFICATE, at: datetime = RECEIVED_AT) -> dict[str, str]:
    timestamp, nonce = str(int(at.timestamp())), secrets.token_hex(16)
    return {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": sdk(by.signer).sign([timestamp, nonce, body.decode()]),
        "Wechatpay-Serial": by.serial,
        "Wechatpay-Signature-Type": SIGN_TYPE,
    }


def encrypted(
    content: bytes, *, key: str = API_V3_KEY, associated_data: str | None = "transaction"
) -> dict[str, str]:
    nonce = secrets.token_hex(6)
    sealed = AESGCM(key.encode()).encrypt(nonce.encode(), content, (associated_data or "").encode())
    found = {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(sealed).decode(),
        "nonce": nonce,
    }
    return found if associated_data is None else {**found, "associated_data": associated_data}


def envelope(resource: Mapping[str, Any], **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "id": "EV-2018022511223320873",
        "create_time": "2026-11-22T14:02:10+08:00",
        "resource_type": "encrypt-resource",
        "event_type": "TRANSACTION.SUCCESS",
        "summary": "支付成功",
        "resource": resource,
    } | changes
    given = {name: value for name, value in fields.items() if value is not None}
    return json.dumps(given, ensure_ascii=False).encode()


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def payment_body(*, event: Mapping[str, Any] | None = None, **changes: Any) -> bytes:
    """A payment's notification; changes replace fields of its content, None leaves one out; `event` of its envelope."""
    content = json.dumps(without_none({**TRANSACTION, **changes}), ensure_ascii=False).encode()
    return envelope({"original_type": "transaction", **encrypted(content)}, **(event or {}))


def refund_body(*, event: Mapping[str, Any] | None = None, **changes: Any) -> bytes:
    content = json.dumps(without_none({**REFUND, **changes}), ensure_ascii=False).encode()
    resource = {"original_type": "refund", **encrypted(content, associated_data="refund")}
    return envelope(resource, **{"event_type": "REFUND.SUCCESS", "summary": "退款成功", **(event or {})})


def call(
    body: bytes, headers: Mapping[str, str] | None = None, *, at: datetime = RECEIVED_AT
) -> RawNotification:
    """A notification as the view passes it on: header names in lower case."""
    given = signed_headers(body) if headers is None else headers
    return RawNotification({name.lower(): value for name, value in given.items()}, body, at)
