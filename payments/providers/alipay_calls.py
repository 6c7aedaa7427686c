"""Our calls to Alipay's gateway (`openapi.alipay.com/gateway.do`, version 1.0, RSA2, key mode).

The answer's signature covers the raw text of the `…_response` node, byte for byte; it is cut out, not
re-serialised.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext_lazy as _

from ordersite.lib.chinatime import write_beijing
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, Reply
from ordersite.lib.strictjson import loads_object, raw_members
from payments.providers.alipay_keys import is_signed_text, private_key, public_key, sign
from payments.providers.base import AccountKeys, evidence

CALL_OK = "10000"
# 20000: the gateway does not know whether the call was carried out (opendocs.alipay.com, common error codes).
_UNKNOWN_CODES = frozenset(("20000",))
_UNKNOWN_SUB_CODES = frozenset(("ACQ.SYSTEM_ERROR", "aop.ACQ.SYSTEM_ERROR", "isp.unknow-error"))
_FORM_TYPE = "application/x-www-form-urlencoded;charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """The node of an answer: `ok` when the call was carried out, otherwise `sub_code` says why not."""

    ok: bool
    sub_code: str
    fields: Mapping[str, Any]
    raw: str

    def text(self, name: str) -> str:
        """A field as text; empty where it is absent or no text."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""


def signed_params(
    method: str, content: Mapping[str, str], keys: AccountKeys, *, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """All parameters of a request with its signature.

    OutsideError (misconfigured) when our key is unusable.
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
        return params | {"sign": sign(private_key(keys.secret("app_private_key")), params)}
    except ValueError as error:
        raise _failure("provider_misconfigured", detail=f"app_private_key: {error}") from error


def page_address(params: Mapping[str, str], keys: AccountKeys) -> str:
    """A signed request as an address that the buyer's browser opens."""
    gateway_url = keys.config.get("gateway_url", "")
    return f"{gateway_url}{'&' if '?' in gateway_url else '?'}{urlencode(params)}"


def call(method: str, content: Mapping[str, str], keys: AccountKeys, gateway: Gateway) -> Answer:
    """Ask the gateway; raises `OutsideError` unless there is a definite answer in the provider's words."""
    body = urlencode(signed_params(method, content, keys)).encode()
    reply = gateway.post(
        keys.config.get("gateway_url", ""), content=body, headers={"content-type": _FORM_TYPE}
    )
    answer = _read(reply, f"{method.replace('.', '_')}_response", keys)
    if answer.fields.get("code") in _UNKNOWN_CODES or answer.sub_code in _UNKNOWN_SUB_CODES:
        raise _failure("provider_error", retryable=True, outcome_known=False, detail=answer.raw)
    return answer


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


def _read(reply: Reply, node_name: str, keys: AccountKeys) -> Answer:
    if reply.status != 200:
        # Only a 4xx is a plain no; anything else may come from a proxy behind which the call went on.
        refused = 400 <= reply.status < 500 and reply.status not in (408, 429)
        raise _failure(
            "provider_http_error", retryable=True, outcome_known=refused, detail=f"HTTP {reply.status}"
        )
    try:
        members = raw_members(reply.body)
    except ValueError as error:
        raise _unreadable(f"the answer {error}") from error
    raw = members.get(node_name) or members.get("error_response")
    if raw is None:
        raise _unreadable(f"{node_name} is missing")
    return _judge(raw, members.get("sign"), keys)


def _judge(raw: str, sign_member: str | None, keys: AccountKeys) -> Answer:
    """A signature that is there must be good. Only an answer that says no may come without one."""
    try:
        fields = loads_object(raw)
        signature = json.loads(sign_member) if sign_member else None
        key = public_key(keys.secret("alipay_public_key"))
    except ValueError as error:
        raise _unreadable(str(error)) from error
    ok = fields.get("code") == CALL_OK
    if signature is not None:
        if not isinstance(signature, str) or not is_signed_text(key, raw.encode(), signature):
            raise _unreadable("the signature does not fit")
    elif ok:
        raise _unreadable("the answer is not signed")
    sub_code = fields.get("sub_code", "")
    return Answer(ok, sub_code if isinstance(sub_code, str) else "", fields, evidence(raw))


def refused(answer: Answer) -> OutsideError:
    """The error for a definite no that has no meaning of its own for the caller."""
    detail = " ".join(answer.text(name) for name in ("code", "msg", "sub_code", "sub_msg")).strip()
    # 4000x other than 40004: keys, rights, parameters. Nothing of it heals by itself.
    misconfigured = answer.fields.get("code") != "40004"
    return _failure("provider_misconfigured" if misconfigured else "provider_refused", detail=detail)
