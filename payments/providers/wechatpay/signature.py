"""The signature on everything that WeChat Pay sends: notifications and answers to our calls alike.

Signed are three lines, the last line feed included: `timestamp LF nonce LF body LF`, SHA256withRSA
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

# wechatpay-go, core/auth/validators/wechat_pay_validator.go: five minutes, both directions, exactly five is too much.
TOLERANCE_SECONDS = 300
# Sent now and then with real content to see who does not check (notification-considerations.html).
PROBE_PREFIX = "WECHATPAY/SIGNTEST/"
_TIMESTAMP = re.compile(r"[0-9]{1,11}", re.ASCII)
_NONCE = re.compile(r"[!-~]{1,200}", re.ASCII)


def check_signature(headers: Mapping[str, str], body: bytes, keys: AccountKeys, *, at: datetime) -> None:
    """Raises `Rejected` unless the platform signed exactly these bytes within five minutes of `at`.

    Staleness is judged last, so that `stale_timestamp` always means a genuine message.
    """
    # The header is missing from some genuine calls; it can only ever name the one method that we take.
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
