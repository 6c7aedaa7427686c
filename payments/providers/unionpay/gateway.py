"""Calls UnionPay's gateway: sends a signed form and reads signed pairs.

The values of respCode, as UnionPay's own samples read them (acp_sdk, Form_6_4_Refund, Form_6_5_Query; open.unionpay.com,
respCode): 00 done or accepted, A6 done with a remark, 03 04 05 not known yet, 12 the number was used before, 34 there is
no such transaction, 02 06 37 try again later, 10 11 13 31 32 form, signature, merchant or rights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, Reply
from payments.providers.errors import ILLEGIBLE, UNREADABLE, Rejected, response_mismatch
from payments.providers.form_body import split_form
from payments.providers.types import AccountKeys
from payments.providers.unionpay.messages import signed_fields, split_response, verified_answer
from payments.providers.unionpay.notification import DONE, UNKNOWN_YET
from payments.providers.values import evidence

BUSY = frozenset(("02", "06", "37"))
MISCONFIGURED = frozenset(("10", "11", "13", "31", "32"))
REPEATED = "12"
NOT_FOUND = "34"
_NOT_SHOWN = frozenset(("signature", "signPubKeyCert", "fileContent"))
_FORM_TYPE = "application/x-www-form-urlencoded;charset=utf-8"


@dataclass(frozen=True, slots=True)
class UnionPayResponse:
    """A signed response about the transaction of the request; `code` is its respCode."""

    fields: Mapping[str, str]
    raw: str

    @property
    def code(self) -> str:
        return self.fields.get("respCode", "")

    @property
    def is_accepted(self) -> bool:
        return self.code in DONE

    def text(self, name: str) -> str:
        """A field; empty where it is absent."""
        return self.fields.get(name, "")

    @property
    def message(self) -> str:
        return f"{self.code} {self.text('respMsg')}".strip()[:200]


def address_of(keys: AccountKeys, name: str) -> str:
    """The URL of a call, such as `queryTrans.do`."""
    return f"{keys.config.get('gateway_url', '').rstrip('/')}/{name}"


def signed_request(fields: Mapping[str, str], keys: AccountKeys) -> dict[str, str]:
    """A request's fields with their signature.

    Raises `OutsideError` (provider_misconfigured) when the account's keys are unusable.
    """
    try:
        return signed_fields(fields, keys)
    except ValueError as error:
        raise _failure("provider_misconfigured", detail=f"sign_cert or sign_key: {error}") from error


def call(name: str, fields: Mapping[str, str], keys: AccountKeys, gateway: Gateway) -> UnionPayResponse:
    """Call the gateway. Raises `OutsideError` unless the response is signed and about this merchant and `orderId`."""
    return call_at(address_of(keys, name), fields, keys, gateway)


def call_at(address: str, fields: Mapping[str, str], keys: AccountKeys, gateway: Gateway) -> UnionPayResponse:
    """Like `call`, for a call that has a URL of its own."""
    body = urlencode(signed_request(fields, keys)).encode()
    response = _read(gateway.post(address, content=body, headers={"content-type": _FORM_TYPE}), keys)
    for own, expected in (("merId", keys.config.get("mer_id", "")), ("orderId", fields.get("orderId", ""))):
        if response.text(own) != expected:
            raise response_mismatch(own)
    return response


def _read(reply: Reply, keys: AccountKeys) -> UnionPayResponse:
    if reply.status != 200:
        # Only a 4xx is a definite refusal; anything else may come from a proxy that had passed the call on.
        is_plain_no = 400 <= reply.status < 500 and reply.status not in (408, 429)
        raise _failure(
            "provider_http_error", retryable=True, outcome_known=is_plain_no, detail=f"HTTP {reply.status}"
        )
    try:
        # Base64 has no percent sign: where the signature has one, this gateway percent-encodes its responses.
        pairs = split_response(reply.body)
        if b"%" in pairs.get(b"signature", b""):
            pairs = split_form(reply.body)
        fields = verified_answer(pairs, keys, at=datetime.now(UTC))
    except Rejected as error:
        code = UNREADABLE if error.code in ILLEGIBLE else "provider_answer_refused"
        raise _failure(code, retryable=True, outcome_known=False, detail=str(error)) from error
    return UnionPayResponse(fields, _evidence(fields))


def _evidence(fields: Mapping[str, str]) -> str:
    """The response as evidence text, without signature, certificate and file, which would fill the bounded text."""
    shown = {name: value for name, value in fields.items() if name not in _NOT_SHOWN}
    return evidence("&".join(f"{name}={shown[name]}" for name in sorted(shown)))


def _failure(
    code: str, *, retryable: bool = False, outcome_known: bool = True, detail: str = ""
) -> OutsideError:
    return OutsideError(
        code,
        _("UnionPay gave no usable answer: %(detail)s"),
        retryable=retryable,
        outcome_known=outcome_known,
        detail=evidence(detail)[:500],
    )


def refusal_error(response: UnionPayResponse) -> OutsideError:
    """The error for a refusal that the caller does not handle by its code."""
    if response.code in UNKNOWN_YET:
        return _failure("provider_error", retryable=True, outcome_known=False, detail=response.message)
    if response.code in BUSY:
        return _failure("provider_busy", retryable=True, detail=response.message)
    misconfigured = response.code in MISCONFIGURED
    return _failure(
        "provider_misconfigured" if misconfigured else "provider_refused", detail=response.message
    )
