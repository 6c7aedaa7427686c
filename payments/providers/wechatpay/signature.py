"""Verifies WeChat Pay's signature, on notifications and on responses to our calls.

The signature covers three lines, each with its line feed: `timestamp LF nonce LF body LF`, SHA256withRSA
(pay.weixin.qq.com/docs/merchant/development/interface-rules/signature-verification.html).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from payments.providers.errors import SIGNATURE_PROBE, Rejected
from payments.providers.rsa_keys import is_signed_text
from payments.providers.types import AccountKeys
from payments.providers.wechatpay.keys import SIGN_TYPE, find_key

# Seconds, in both directions; exactly five minutes is too much (wechatpay-go,
# core/auth/validators/wechat_pay_validator.go).
TOLERANCE_SECONDS = 300
# WeChat Pay sometimes sends real content with such a signature, to find merchants that do not verify
# (notification-considerations.html).
PROBE_PREFIX = "WECHATPAY/SIGNTEST/"
_TIMESTAMP = re.compile(r"[0-9]{1,11}", re.ASCII)
_NONCE = re.compile(r"[!-~]{1,200}", re.ASCII)


def check_signature(headers: Mapping[str, str], body: bytes, keys: AccountKeys, *, at: datetime) -> None:
    """Raises `Rejected` unless the platform signed exactly these bytes within five minutes of `at` (UTC).

    The age is checked last, so that `stale_timestamp` always means a genuine message.
    """
    # Some genuine notifications lack the header; where it is present it must name the one method that we accept.
    given = headers.get("wechatpay-signature-type", SIGN_TYPE)
    if given != SIGN_TYPE:
        raise Rejected("wrong_sign_type", given[:40])
    timestamp, nonce, signature, serial = (
        _header(headers, name) for name in ("timestamp", "nonce", "signature", "serial")
    )
    if not _TIMESTAMP.fullmatch(timestamp) or not _NONCE.fullmatch(nonce):
        raise Rejected("malformed", "Wechatpay-Timestamp or Wechatpay-Nonce")
    signed = b"%s\n%s\n%s\n" % (timestamp.encode(), nonce.encode(), body)
    _check(signed, signature, keys, serial=serial, at=at)
    if abs(at.timestamp() - int(timestamp)) >= TOLERANCE_SECONDS:
        raise Rejected("stale_timestamp")


def _check(signed: bytes, signature: str, keys: AccountKeys, *, serial: str, at: datetime) -> None:
    is_probe = signature.startswith(PROBE_PREFIX)
    try:
        key = find_key(keys, serial, at=at)
    except LookupError as error:
        raise Rejected(SIGNATURE_PROBE if is_probe else "unknown_key", str(error)) from error
    if not is_signed_text(key, signed, signature):
        raise Rejected(SIGNATURE_PROBE if is_probe else "bad_signature")


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(f"wechatpay-{name}", "")
    if not value:
        raise Rejected("missing_field", f"Wechatpay-{name.title()}")
    return value
