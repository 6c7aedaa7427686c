"""Calls Alipay's gateway (`openapi.alipay.com/gateway.do`, version 1.0, RSA2, key and certificate mode).

The response's signature covers the raw text of the `…_response` node, byte for byte; that text is cut out, never
re-serialised.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.utils.translation import gettext_lazy as _

from ordersite.lib.china_time import write_beijing
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, Reply
from ordersite.lib.strict_json import loads_object, raw_members
from payments.providers.alipay.certificates import (
    configured_key,
    downloaded_certificates,
    is_certificate_mode,
    request_serials,
    serial,
)
from payments.providers.alipay.keys import is_signed_text, private_key, sign
from payments.providers.certificates import read_certificate
from payments.providers.types import AccountKeys
from payments.providers.values import evidence

CALL_OK = "10000"
# 20000: the gateway does not know whether the call was carried out (opendocs.alipay.com, common error codes).
_UNKNOWN_CODES = frozenset(("20000",))
_UNKNOWN_SUB_CODES = frozenset(("ACQ.SYSTEM_ERROR", "aop.ACQ.SYSTEM_ERROR", "isp.unknow-error"))
# Rate limits: nothing was done, the same call may succeed later (opendocs.alipay.com, common error codes).
_TOO_MANY = frozenset(("isv.app-call-limited", "isv.method-call-limited", "isv.app-method-call-limited"))
_CERTIFICATE_NUMBER = re.compile(r"[0-9a-f]{32}", re.ASCII)
_FORM_TYPE = "application/x-www-form-urlencoded;charset=utf-8"


@dataclass(frozen=True, slots=True)
class AlipayResponse:
    """The response node of a call: `ok` when the call was carried out, otherwise `sub_code` is the reason."""

    ok: bool
    sub_code: str
    fields: Mapping[str, Any]
    raw: str

    def text(self, name: str) -> str:
        """A field that is a text; empty where it is absent or of another type."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""


def signed_params(
    method: str, content: Mapping[str, str], keys: AccountKeys, *, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """All parameters of a request with their signature.

    Raises `OutsideError` (provider_misconfigured) when the account's keys are unusable.
    """
    params = {
        "app_id": keys.config.get("app_id", ""),
        "method": method,
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": write_beijing(datetime.now(UTC)),
        "version": "1.0",
        "biz_content": json.dumps(
            {name: value for name, value in content.items() if value},
            ensure_ascii=False,
            separators=(",", ":"),
        ),
    }
    params |= {name: value for name, value in (extra or {}).items() if value}
    try:
        params |= request_serials(keys)
        return params | {"sign": sign(private_key(keys.secret("app_private_key")), params)}
    except ValueError as error:
        raise _failure("provider_misconfigured", detail=f"the account's keys: {error}") from error


def page_address(params: Mapping[str, str], keys: AccountKeys) -> str:
    """A signed request as a URL that the buyer's browser opens."""
    gateway_url = keys.config.get("gateway_url", "")
    return f"{gateway_url}{'&' if '?' in gateway_url else '?'}{urlencode(params)}"


def call(method: str, content: Mapping[str, str], keys: AccountKeys, gateway: Gateway) -> AlipayResponse:
    """Call a method of the gateway. Raises `OutsideError` unless there is a definite, signed response.

    A refusal may be unsigned.
    """
    members, raw = _send(method, content, keys, gateway)
    fields = _fields(raw)
    if "sign" in members:
        _check_signature(raw, members, _response_key(members, keys, gateway))
    elif fields.get("code") == CALL_OK:
        # Only a refusal may be unsigned.
        raise _unreadable("the answer is not signed")
    sub_code = fields.get("sub_code", "")
    response = AlipayResponse(
        fields.get("code") == CALL_OK, sub_code if isinstance(sub_code, str) else "", fields, evidence(raw)
    )
    if response.fields.get("code") in _UNKNOWN_CODES or response.sub_code in _UNKNOWN_SUB_CODES:
        raise _failure("provider_error", retryable=True, outcome_known=False, detail=response.raw)
    return response


def _send(
    method: str, content: Mapping[str, str], keys: AccountKeys, gateway: Gateway
) -> tuple[dict[str, str], str]:
    """The members of the response, each as its raw text, and the raw text of the node for this method."""
    body = urlencode(signed_params(method, content, keys)).encode()
    reply = gateway.post(
        keys.config.get("gateway_url", ""), content=body, headers={"content-type": _FORM_TYPE}
    )
    return _read(reply, f"{method.replace('.', '_')}_response")


def _failure(
    code: str, *, retryable: bool = False, outcome_known: bool = True, detail: str = ""
) -> OutsideError:
    return OutsideError(
        code,
        _("Alipay gave no usable answer: %(detail)s"),
        retryable=retryable,
        outcome_known=outcome_known,
        detail=evidence(detail)[:500],
    )


def _unreadable(detail: str) -> OutsideError:
    return _failure("provider_answer_refused", retryable=True, outcome_known=False, detail=detail)


def _read(reply: Reply, node_name: str) -> tuple[dict[str, str], str]:
    if reply.status != 200:
        # Only a 4xx is a definite refusal; anything else may come from a proxy that had passed the call on.
        is_plain_no = 400 <= reply.status < 500 and reply.status not in (408, 429)
        raise _failure(
            "provider_http_error", retryable=True, outcome_known=is_plain_no, detail=f"HTTP {reply.status}"
        )
    try:
        members = raw_members(reply.body)
    except ValueError as error:
        raise _unreadable(f"the answer {error}") from error
    raw = members.get(node_name) or members.get("error_response")
    if raw is None:
        raise _unreadable(f"{node_name} is missing")
    return members, raw


def _fields(raw: str) -> dict[str, Any]:
    try:
        return loads_object(raw)
    except ValueError as error:
        raise _unreadable(str(error)) from error


def _check_signature(raw: str, members: Mapping[str, str], key: RSAPublicKey) -> None:
    """Raises `OutsideError` unless the signature of the response fits `raw`."""
    if not is_signed_text(key, raw.encode(), _text(members, "sign")):
        raise _unreadable("the signature does not fit")


def _text(members: Mapping[str, str], name: str) -> str:
    """A member that is a text; empty where it is absent or of another type."""
    value = json.loads(members.get(name) or '""')
    return value if isinstance(value, str) else ""


def _response_key(members: Mapping[str, str], keys: AccountKeys, gateway: Gateway) -> RSAPublicKey:
    """The key that verifies this response: the account's, or that of a newer certificate that the response names."""
    number = _text(members, "alipay_cert_sn") if is_certificate_mode(keys) else ""
    try:
        if not number or number == serial(read_certificate(keys.secret("alipay_cert"))):
            return configured_key(keys)
    except ValueError as error:
        raise _unreadable(f"the account's keys: {error}") from error
    return downloaded_certificates.get(keys, number, at=datetime.now(UTC)) or _download(number, keys, gateway)


def _download(number: str, keys: AccountKeys, gateway: Gateway) -> RSAPublicKey:
    """Download the certificate of an unknown serial number.

    That response is signed with the very key that it delivers, so its signature proves nothing; the certificate's own
    chain is verified instead.
    """
    if not _CERTIFICATE_NUMBER.fullmatch(number):
        raise _unreadable("alipay_cert_sn is no number of a certificate")
    _members, raw = _send("alipay.open.app.alipaycert.download", {"alipay_cert_sn": number}, keys, gateway)
    content = _fields(raw).get("alipay_cert_content")
    try:
        text = base64.b64decode(content if isinstance(content, str) else "", validate=True).decode()
        return downloaded_certificates.accept(keys, number, text, at=datetime.now(UTC))
    except ValueError as error:
        raise _unreadable(f"Alipay's certificate {number}: {error}") from error


def refusal_error(response: AlipayResponse) -> OutsideError:
    """The error for a definite refusal that the caller does not handle by its code."""
    detail = " ".join(response.text(name) for name in ("code", "msg", "sub_code", "sub_msg")).strip()
    if response.sub_code in _TOO_MANY:
        return _failure("provider_busy", retryable=True, detail=detail)
    # 4000x other than 40004 means keys, rights or parameters: a retry does not help.
    misconfigured = response.fields.get("code") != "40004"
    return _failure("provider_misconfigured" if misconfigured else "provider_refused", detail=detail)
