"""Builders of UnionPay's side for tests: its certificates, its notifications, its gateway's responses.

Signed with PyCryptodome, written down from the protocol and not from our code.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote_plus

from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import RSA
from Cryptodome.Signature import pkcs1_15

from payments.providers.tests.authority import Issued, issue, private_pem
from payments.providers.types import AccountKeys, RawNotification

MER_ID = "777290058110048"
SIGNER_CN = "041@Z2011@中国银联股份有限公司@00000001"
RECEIVED_AT = datetime(2026, 11, 22, 6, 2, 12, tzinfo=UTC)
ROOT = issue("CFCA TEST CS CA", key="up-root", ca=1)
MIDDLE = issue("CFCA TEST OCA1", key="up-middle", by=ROOT, ca=0)
SIGNER = issue(SIGNER_CN, key="up-signer", by=MIDDLE)
SHOP = issue(f"041@Z2011@{MER_ID}@00000002", key="up-shop", by=MIDDLE, serial=69597475696)

PAYMENT: Mapping[str, str] = {
    "accNo": "6216***********0018",
    "accessType": "0",
    "bizType": "000201",
    "currencyCode": "156",
    "encoding": "UTF-8",
    "merId": MER_ID,
    "orderId": "7F3K2026112200420001",
    "payCardType": "01",
    "queryId": "472611221402091234568",
    "reqReserved": "",
    "respCode": "00",
    "respMsg": "成功[0000000]",
    "settleAmt": "26640",
    "settleCurrencyCode": "156",
    "settleDate": "1122",
    "signMethod": "01",
    "traceNo": "123456",
    "traceTime": "1122140209",
    "txnAmt": "26640",
    "txnSubType": "01",
    "txnTime": "20261122140140",
    "txnType": "01",
    "version": "5.1.0",
}
REFUND: Mapping[str, str] = {
    **PAYMENT,
    "txnType": "04",
    "txnSubType": "00",
    "orderId": "R2026112200000001",
    "origQryId": PAYMENT["queryId"],
    "queryId": "472611230910001234567",
    "reqReserved": PAYMENT["orderId"],
    "traceTime": "1123091000",
    "txnAmt": "8880",
    "txnTime": "20261123090955",
}


def account(**changes: str) -> AccountKeys:
    """The keys of an account; `changes` replace values by name."""
    values = {
        "mer_id": MER_ID,
        "gateway_url": "https://gateway.95516.com/gateway/api",
        "sign_cert": SHOP.pem,
        "sign_key": private_pem("up-shop"),
        "root_cert": ROOT.pem,
        "middle_cert": MIDDLE.pem,
    } | changes
    secrets = {name: values.pop(name) for name in ("sign_cert", "sign_key", "root_cert", "middle_cert")}
    return AccountKeys("unionpay", "demo-unionpay", values, secrets, "1")


def crlf(signer: Issued) -> str:
    """As UnionPay sends it: Windows line ends, which are part of what is signed."""
    return signer.pem.replace("\n", "\r\n")


def hex_digest(fields: Mapping[str, str], charset: str) -> bytes:
    text = "&".join(
        f"{name}={fields[name]}" for name in sorted(fields) if fields[name] and name != "signature"
    )
    return hashlib.sha256(text.encode(charset)).hexdigest().encode()


@lru_cache
def _pair(key: str) -> RSA.RsaKey:
    return RSA.import_key(private_pem(key))


def sign(fields: Mapping[str, str], *, signer: Issued = SIGNER, charset: str = "utf-8") -> dict[str, str]:
    """The fields with signPubKeyCert and signature; a certificate that is there already stays."""
    whole = {"signPubKeyCert": crlf(signer), **fields}
    signature = pkcs1_15.new(_pair(signer.key)).sign(SHA256.new(hex_digest(whole, charset)))
    return whole | {"signature": base64.b64encode(signature).decode()}


def check(fields: Mapping[str, str], public: str) -> None:
    """Raises ValueError unless the key has signed these fields."""
    signature = base64.b64decode(fields["signature"])
    pkcs1_15.new(RSA.import_key(public)).verify(SHA256.new(hex_digest(fields, "utf-8")), signature)


def form(fields: Mapping[str, str], *, charset: str = "utf-8") -> bytes:
    return "&".join(
        f"{quote_plus(name)}={quote_plus(value, encoding=charset)}" for name, value in fields.items()
    ).encode()


def changed(fields: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def notification(*, charset: str = "utf-8", **changes: str | None) -> bytes:
    """The body of a genuine payment notification; a change to None leaves a field out."""
    return form(sign(changed(PAYMENT, changes), charset=charset), charset=charset)


def notification_by(signer: Issued, **changes: str | None) -> bytes:
    """The same, signed by somebody else."""
    return form(sign(changed(PAYMENT, changes), signer=signer))


def refund_notification(**changes: str | None) -> bytes:
    return form(sign(changed(REFUND, changes)))


def response(fields: Mapping[str, str], *, signer: Issued = SIGNER, charset: str = "utf-8") -> str:
    """A response of the gateway: signed pairs, not percent-encoded."""
    common = {"version": "5.1.0", "encoding": "UTF-8", "signMethod": "01", "merId": MER_ID}
    pairs = sign({**common, **fields}, signer=signer, charset=charset)
    return "&".join(f"{name}={value}" for name, value in pairs.items())


def call(body: bytes) -> RawNotification:
    return RawNotification(
        {"content-type": "application/x-www-form-urlencoded;charset=utf-8"}, body, RECEIVED_AT
    )
