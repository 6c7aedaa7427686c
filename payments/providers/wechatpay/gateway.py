"""Calls WeChat Pay's APIv3: signs requests and accepts only responses with the platform's signature.

A request's signature covers five lines: method, path with query, timestamp, nonce and body as sent, each with a line feed
(pay.weixin.qq.com/wiki/doc/api_external/ch/wechatpay/wechatpay4_0.shtml).
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, Reply
from ordersite.lib.strict_json import loads_object
from payments.providers.answers import decode_reply, readable_text
from payments.providers.errors import UNREADABLE, Rejected
from payments.providers.rsa_keys import private_key, sign
from payments.providers.types import AccountKeys
from payments.providers.values import evidence
from payments.providers.wechatpay.keys import SIGN_TYPE, public_key_id
from payments.providers.wechatpay.signature import check_signature

# Refusals that only a change of the account's settings, or of this program, can end.
_MISCONFIGURED = frozenset(
    (
        "SIGNERROR",
        "NOAUTH",
        "APPIDMCHIDNOTMATCH",
        "MCHNOTEXISTS",
        "MCHNOTEXIST",
        "PARAMERROR",
        "INVALIDAPPID",
        "APPIDNOTEXIST",
    )
)
_TOO_OFTEN = frozenset(("FREQUENCYLIMITED", "FREQUENCYLIMITEXCEED", "RATELIMITEXCEED", "RATELIMITEXCEEDED"))
# The platform does not know whether it has acted; by its documentation these have a 5xx status.
_UNKNOWN = frozenset(("SYSTEMERROR", "BANKERROR"))


@dataclass(frozen=True, slots=True)
class WeChatPayResponse:
    """The response to a call: `ok` when it was carried out, otherwise `code` is the reason.

    `code` is upper case and without underscores, since the platform spells its codes both ways.
    """

    ok: bool
    fields: Mapping[str, Any]
    raw: str
    code: str = ""


def failure(code: str, detail: str, *, retryable: bool = False, outcome_known: bool = True) -> OutsideError:
    return OutsideError(
        code,
        _("WeChat Pay gave no usable answer: %(detail)s"),
        retryable=retryable,
        outcome_known=outcome_known,
        detail=evidence(detail)[:500],
    )


def untrusted(detail: str) -> OutsideError:
    """The error for a response that proves nothing: it leaves open whether the call was carried out."""
    return failure("provider_answer_refused", detail, retryable=True, outcome_known=False)


def refusal_error(response: WeChatPayResponse) -> OutsideError:
    """The error for a definite refusal that the caller does not handle by its code."""
    misconfigured = response.code in _MISCONFIGURED
    return failure("provider_misconfigured" if misconfigured else "provider_refused", refusal_text(response))


def refusal_text(response: WeChatPayResponse) -> str:
    message = response.fields.get("message")
    return f"{response.fields.get('code', '')} {message if isinstance(message, str) else ''}".strip()[:200]


def signature_of(keys: AccountKeys, *lines: str) -> str:
    """Our signature over these lines. Raises `OutsideError` (provider_misconfigured) when our key is unusable."""
    try:
        key = private_key(keys.secret("merchant_private_key"))
    except ValueError as error:
        raise failure("provider_misconfigured", f"merchant_private_key: {error}") from error
    return sign(key, "".join(f"{line}\n" for line in lines).encode())


def authorization(method: str, url: str, body: str, keys: AccountKeys) -> str:
    """The Authorization header of one call; it is valid for five minutes."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    timestamp, nonce = str(int(time.time())), secrets.token_hex(16).upper()
    fields = {
        "mchid": keys.config.get("mchid", ""),
        "nonce_str": nonce,
        "signature": signature_of(keys, method, target, timestamp, nonce, body),
        "timestamp": timestamp,
        "serial_no": keys.config.get("merchant_serial", ""),
    }
    return f"{SIGN_TYPE} " + ",".join(f'{name}="{value}"' for name, value in fields.items())


def request_headers(method: str, url: str, body: str, keys: AccountKeys) -> dict[str, str]:
    headers = {
        "accept": "application/json",
        "user-agent": "ordersite",
        "authorization": authorization(method, url, body, keys),
    }
    if wanted := public_key_id(keys):
        # Without this header the platform signs with a certificate while the merchant still has one.
        headers["wechatpay-serial"] = wanted
    return headers | ({"content-type": "application/json"} if body else {})


def get(path: str, keys: AccountKeys, gateway: Gateway) -> WeChatPayResponse:
    """Send a GET request. Raises `OutsideError` unless the platform gives a definite response."""
    url = _url(path, keys)
    return _read(gateway.get(url, headers=request_headers("GET", url, "", keys)), keys)


def post(path: str, content: Mapping[str, Any], keys: AccountKeys, gateway: Gateway) -> WeChatPayResponse:
    """Send a POST request with a JSON body; the signature covers exactly the text that is sent.

    Raises `OutsideError` unless the platform gives a definite response.
    """
    url, body = _url(path, keys), json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    headers = request_headers("POST", url, body, keys)
    return _read(gateway.post(url, content=body.encode(), headers=headers), keys)


def _url(path: str, keys: AccountKeys) -> str:
    return keys.config.get("gateway_url", "").rstrip("/") + path


def _read(reply: Reply, keys: AccountKeys) -> WeChatPayResponse:
    is_good = 200 <= reply.status < 300
    # A refusal may be unsigned, from a gateway on the way; a signature that is present must be good.
    if is_good or "wechatpay-signature" in reply.headers:
        _check_signature(reply, keys)
    if not is_good:
        return _refusal(reply)
    if reply.status not in (200, 204):
        raise untrusted(f"HTTP {reply.status}")
    return WeChatPayResponse(True, _fields(reply) if reply.body else {}, _text(reply))


def _check_signature(reply: Reply, keys: AccountKeys) -> None:
    try:
        check_signature(reply.headers, reply.body, keys, at=datetime.now(UTC))
    except Rejected as error:
        raise untrusted(f"HTTP {reply.status}, {error}") from error


def _refusal(reply: Reply) -> WeChatPayResponse:
    """The response of a definite refusal: a 4xx with a code. Raises `OutsideError` for any other status."""
    status = reply.status
    try:
        fields = loads_object(decode_reply(reply).text)
    except ValueError:
        fields = {}
    code = fields.get("code")
    plain = code.upper().replace("_", "") if isinstance(code, str) else ""
    if status == 429 or (plain in _TOO_OFTEN and status < 500):
        raise failure("provider_busy", f"HTTP {status} {_text(reply)}", retryable=True)
    if plain in _UNKNOWN or not 400 <= status < 500 or status == 408:
        raise failure("provider_error", f"HTTP {status} {_text(reply)}", retryable=True, outcome_known=False)
    if not plain:
        raise failure("provider_http_error", f"HTTP {status} {_text(reply)}".strip(), retryable=True)
    return WeChatPayResponse(False, fields, _text(reply), plain)


def _fields(reply: Reply) -> dict[str, Any]:
    try:
        return loads_object(decode_reply(reply).text)
    except ValueError as error:
        raise failure(UNREADABLE, f"the answer {error}", retryable=True, outcome_known=False) from error


def _text(reply: Reply) -> str:
    return evidence(readable_text(reply))
