"""Genuine notifications of WeChat Pay for the forgery test: signed under a certificate and under a public key."""

from __future__ import annotations

from payments.providers.tests.genuine import GenuineNotification
from payments.providers.types import AccountKeys, RawNotification
from payments.providers.wechatpay.tests.messages import (
    CERTIFICATE,
    PUBLIC_KEY,
    Signer,
    account,
    call,
    payment_body,
    signed_headers,
)


def _signed(by: Signer) -> tuple[RawNotification, AccountKeys]:
    body = payment_body()
    return call(body, signed_headers(body, by=by)), account()


GENUINE = {
    "by certificate": GenuineNotification(lambda: _signed(CERTIFICATE), 20_000, is_raw_signed=True),
    "by public key": GenuineNotification(lambda: _signed(PUBLIC_KEY), 10_000, is_raw_signed=True),
}
