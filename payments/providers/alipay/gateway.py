"""Calls Alipay's gateway (`openapi.alipay.com/gateway.do`, version 1.0, RSA2, key and certificate mode).

The response's signature covers the raw text of the `…_response` node, byte for byte; that text is cut out, never
re-serialised. The gateway takes the character set of a POST from the URL, where Alipay's own SDKs put all common
parameters, and its errors may be in GBK whatever was wanted (alipay-sdk-java, DefaultAlipayClient; yansongda/pay#247).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

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
from payments.providers.answers import DecodedAnswer, decode_reply
from payments.providers.certificates import read_certificate
from payments.providers.errors import UNREADABLE
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


def address_with(params: Mapping[str, str], keys: AccountKeys) -> str:
    """The gateway's URL with these parameters in its query; they replace what `gateway_url` gives itself.

    With all parameters of a signed request it is a page that the buyer's browser opens.
    """
    parts = urlsplit(keys.config.get("gateway_url", ""))
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name not in params]
    return urlunsplit(parts._replace(query=urlencode([*kept, *params.items()]), fragment=""))


def call(method: str, content: Mapping[str, str], keys: AccountKeys, gateway: Gateway) -> AlipayResponse:
    """Call a method of the gateway. Raises `OutsideError` unless there is a definite, signed response.

    A refusal may be unsigned.
    """
    node = _send(method, content, keys, gateway)
    raw, fields = node.text, _fields(node.text)
    if "sign" in node.members:
        _check_signature(node, _response_key(node.members, keys, gateway))
    elif fields.get("code") == CALL_OK:
        # Only a refusal may be unsigned.
        raise _untrusted("the answer is not signed")
    sub_code = fields.get("sub_code", "")
    response = AlipayResponse(
        fields.get("code") == CALL_OK, sub_code if isinstance(sub_code, str) else "", fields, evidence(raw)
    )
    if response.fields.get("code") in _UNKNOWN_CODES or response.sub_code in _UNKNOWN_SUB_CODES:
        raise _failure("provider_error", retryable=True, outcome_known=False, detail=response.raw)
    return response


@dataclass(frozen=True, slots=True)
class _Node:
    """The response node of a call: its raw text, the bytes that arrived for it, the raw texts of all members."""

    text: str
    signed: bytes
    members: Mapping[str, str]


def _send(method: str, content: Mapping[str, str], keys: AccountKeys, gateway: Gateway) -> _Node:
    """Send a request: its common parameters in the URL, what the method takes in the body."""
    params = signed_params(method, content, keys)
    body = urlencode({"biz_content": params.pop("biz_content")}).encode()
    reply = gateway.post(address_with(params, keys), content=body, headers={"content-type": _FORM_TYPE})
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


def _untrusted(detail: str) -> OutsideError:
    return _failure("provider_answer_refused", retryable=True, outcome_known=False, detail=detail)


def _unreadable(detail: str) -> OutsideError:
    return _failure(UNREADABLE, retryable=True, outcome_known=False, detail=detail)


def _read(reply: Reply, node_name: str) -> _Node:
    if reply.status != 200:
        # Only a 4xx is a definite refusal; anything else may come from a proxy that had passed the call on.
        is_plain_no = 400 <= reply.status < 500 and reply.status not in (408, 429)
        raise _failure(
            "provider_http_error", retryable=True, outcome_known=is_plain_no, detail=f"HTTP {reply.status}"
        )
    try:
        answer = decode_reply(reply)
        members = raw_members(answer.text)
    except ValueError as error:
        raise _unreadable(f"the answer {error}") from error
    return _node(answer, members, node_name)


def _node(answer: DecodedAnswer, members: Mapping[str, str], name: str) -> _Node:
    raw = members.get(name) or members.get("error_response")
    if raw is None:
        raise _untrusted(f"{name} is missing")
    return _Node(raw, answer.bytes_of(raw), members)


def _fields(raw: str) -> dict[str, Any]:
    try:
        return loads_object(raw)
    except ValueError as error:
        raise _unreadable(str(error)) from error


def _check_signature(node: _Node, key: RSAPublicKey) -> None:
    """Raises `OutsideError` unless the signature of the response fits the node's bytes."""
    if not is_signed_text(key, node.signed, _text(node.members, "sign")):
        raise _untrusted("the signature does not fit")


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
        raise _untrusted(f"the account's keys: {error}") from error
    return downloaded_certificates.get(keys, number, at=datetime.now(UTC)) or _download(number, keys, gateway)


def _download(number: str, keys: AccountKeys, gateway: Gateway) -> RSAPublicKey:
    """Download the certificate of an unknown serial number.

    That response is signed with the very key that it delivers, so its signature proves nothing; the certificate's own
    chain is verified instead.
    """
    if not _CERTIFICATE_NUMBER.fullmatch(number):
        raise _untrusted("alipay_cert_sn is no number of a certificate")
    node = _send("alipay.open.app.alipaycert.download", {"alipay_cert_sn": number}, keys, gateway)
    content = _fields(node.text).get("alipay_cert_content")
    try:
        text = base64.b64decode(content if isinstance(content, str) else "", validate=True).decode()
        return downloaded_certificates.accept(keys, number, text, at=datetime.now(UTC))
    except ValueError as error:
        raise _untrusted(f"Alipay's certificate {number}: {error}") from error


def refusal_error(response: AlipayResponse) -> OutsideError:
    """The error for a definite refusal that the caller does not handle by its code."""
    detail = " ".join(response.text(name) for name in ("code", "msg", "sub_code", "sub_msg")).strip()
    if response.sub_code in _TOO_MANY:
        return _failure("provider_busy", retryable=True, detail=detail)
    # 4000x other than 40004 means keys, rights or parameters: a retry does not help.
    misconfigured = response.fields.get("code") != "40004"
    return _failure("provider_misconfigured" if misconfigured else "provider_refused", detail=detail)
