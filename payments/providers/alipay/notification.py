"""Verifies and parses Alipay's asynchronous notification.

One parsed form serves both the signature and the content, so that no unsigned field is used, and the signed text can be
read in no other way. The signature is verified on bytes, since Alipay signed exactly the bytes that arrived, in any of
several character sets. Source: docs.open.alipay.com/204/105301 (signed string), developer.aliyun.com/ask/285129 and
/285132 (refund events), opendocs.alipay.com/common/02kiq1 (the gateway's other messages).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ordersite.lib.china_time import read_beijing
from ordersite.lib.crypto import strict_base64
from payments.providers.alipay.certificates import (
    configured_key,
    downloaded_certificates,
    is_certificate_mode,
)
from payments.providers.alipay.keys import is_signed
from payments.providers.errors import Rejected
from payments.providers.form_body import (
    CODECS,
    check_one_reading,
    decode_form,
    signed_text,
    split_form,
)
from payments.providers.types import AccountKeys, ParsedNotification, RawNotification, UpdateKind
from payments.providers.values import (
    MAX_BODY,
    MAX_REFERENCE,
    MAX_STATE,
    event_id,
    facts_digest,
    read_amount,
)

SIGN_TYPE = "RSA2"
PAID_STATES = ("TRADE_SUCCESS", "TRADE_FINISHED")
CLOSED_STATE = "TRADE_CLOSED"
_UNPAID_STATE = "WAIT_BUYER_PAY"
# Messages of the gateway that are about agreements and rights, never about money.
_NO_MONEY_TYPES = frozenset(("dut_user_sign", "dut_user_unsign", "open_app_auth_notify"))
_NO_MONEY_METHODS = ("alipay.open.", "alipay.user.")
# What belongs to one sending of a notification, not to what it reports.
_SENDING = frozenset(("notify_time", "sign", "sign_type"))
_HEADER_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.ASCII | re.IGNORECASE)
_UNSIGNED = frozenset((b"sign", b"sign_type"))
_CERTIFICATE_NUMBER = b"alipay_cert_sn"
_SHOWN = ("subject", "buyer_logon_id", "gmt_payment", "gmt_refund", "gmt_close", "receipt_amount")


def _codec(form: Mapping[bytes, bytes], headers: Mapping[str, str]) -> str:
    """The codec of the signed field `charset`, or of the content-type header where the field is absent.

    The header is not signed and proxies rewrite it, so the signed field takes precedence. Raises `Rejected`.
    """
    named = form.get(b"charset", b"").decode("ascii", "replace")
    codec = CODECS.get((named or _header_charset(headers) or "utf-8").lower())
    if codec is None:
        raise Rejected("bad_charset", named[:40])
    return codec


def _header_charset(headers: Mapping[str, str]) -> str:
    found = _HEADER_CHARSET.search(headers.get("content-type", ""))
    return found[1] if found else ""


def _signed_names(form: Mapping[bytes, bytes]) -> set[bytes]:
    """The fields that Alipay signed: all but sign and sign_type."""
    return form.keys() - _UNSIGNED


def _signature(form: Mapping[bytes, bytes]) -> bytes:
    for name in (b"sign", b"sign_type"):
        if name not in form:
            raise Rejected("missing_field", name.decode())
    # The method is fixed here, never chosen by the message: RSA (SHA-1) must not pass where RSA2 was agreed.
    if form[b"sign_type"] != SIGN_TYPE.encode():
        raise Rejected("wrong_sign_type", form[b"sign_type"][:10].decode("ascii", "replace"))
    try:
        return strict_base64(form[b"sign"])
    except ValueError as error:
        raise Rejected("bad_signature", str(error)) from error


def _candidates(form: dict[bytes, bytes], keys: AccountKeys) -> Iterator[dict[bytes, bytes]]:
    """The sets of fields that the signature may cover, likeliest first; only covered fields are used.

    Most of Alipay's senders sign empty values, some do not. In certificate mode the certificate's serial number is not
    signed (smartwalle/alipay, VerifySign).
    """
    forms = [form]
    if _CERTIFICATE_NUMBER in form and is_certificate_mode(keys):
        forms.insert(0, {name: value for name, value in form.items() if name != _CERTIFICATE_NUMBER})
    for one in forms:
        yield one
        filled = {name: value for name, value in one.items() if value}
        if len(filled) < len(one):
            yield filled


def _account_keys(keys: AccountKeys, at: datetime) -> list[RSAPublicKey]:
    """The account's key of Alipay and the downloaded successors that are valid at `at`. Makes no network call."""
    try:
        return [configured_key(keys), *downloaded_certificates.all(keys, at=at)]
    except ValueError as error:
        raise Rejected("bad_signature", f"Alipay's key of this account is {error}") from error


def read_fields(call: RawNotification, keys: AccountKeys) -> dict[str, str]:
    """The signed fields of a genuine notification, decoded. Raises `Rejected`."""
    if len(call.body) > MAX_BODY:
        raise Rejected("too_large")
    form = split_form(call.body)
    codec = _codec(form, call.headers)
    signature, trusted = _signature(form), _account_keys(keys, call.received_at)
    for candidate in _candidates(form, keys):
        names = _signed_names(candidate)
        text = signed_text(candidate, names)
        if any(is_signed(key, text, signature) for key in trusted):
            check_one_reading(candidate, names)
            return decode_form(candidate, codec)
    raise Rejected("bad_signature")


def _is_refund(fields: Mapping[str, str]) -> bool:
    """Whether the notification is about a refund.

    A partial refund keeps TRADE_SUCCESS, and a payment may carry refund_fee=0.00, so neither decides alone. A
    refund_fee that is not an amount counts as a refund: such a message must not mark a payment as paid.
    """
    fee = fields.get("refund_fee", "")
    return bool(fields.get("gmt_refund") or (fee and read_amount(fee) != 0))


def _kind(fields: Mapping[str, str]) -> UpdateKind:
    state = fields.get("trade_status", "")
    if _is_refund(fields):
        return UpdateKind.REFUND
    if state in PAID_STATES:
        return UpdateKind.PAYMENT
    if state == CLOSED_STATE:
        return UpdateKind.CLOSED
    return UpdateKind.OTHER if _moves_no_money(fields, state) else UpdateKind.UNCLEAR


def _moves_no_money(fields: Mapping[str, str], state: str) -> bool:
    """Whether a notification in no known state of money is known to be about none."""
    if state:
        return state == _UNPAID_STATE
    method = fields.get("msg_method", "")
    return fields.get("notify_type") in _NO_MONEY_TYPES or method.startswith(_NO_MONEY_METHODS)


def _occurred_at(fields: Mapping[str, str], kind: UpdateKind) -> datetime | None:
    own = {UpdateKind.PAYMENT: "gmt_payment", UpdateKind.REFUND: "gmt_refund", UpdateKind.CLOSED: "gmt_close"}
    return read_beijing(fields.get(own.get(kind, ""), "")) or read_beijing(fields.get("notify_time", ""))


def _account_problem(fields: Mapping[str, str], config: Mapping[str, str], kind: UpdateKind) -> str:
    """A message about a trade must name both numbers of the account; of any other, those that it names are compared."""
    is_about_trade = kind not in (UpdateKind.OTHER, UpdateKind.UNCLEAR)
    for name in ("app_id", "seller_id"):
        if fields.get(name) != config.get(name) and (is_about_trade or name in fields):
            return f"wrong_{name}"
    return ""


def _is_full_refund(state: str, *, amount: Decimal | None, refunded: Decimal | None) -> bool:
    return state == CLOSED_STATE if refunded is None else refunded == amount


def parse_notification(call: RawNotification, keys: AccountKeys) -> ParsedNotification:
    """Verify and parse a notification. Raises `Rejected`."""
    fields = read_fields(call, keys)
    kind, state = _kind(fields), fields.get("trade_status", "")
    amount = read_amount(fields.get("total_amount", ""))
    refund = kind is UpdateKind.REFUND
    refunded = read_amount(fields.get("refund_fee", "")) if refund else None
    notify_id = fields.get("notify_id", "")
    if not notify_id:
        raise Rejected("missing_field", "notify_id")
    facts = {name: value for name, value in fields.items() if name not in _SENDING}
    return ParsedNotification(
        event_id=event_id(notify_id, facts_digest(facts)),
        kind=kind,
        reference=fields.get("out_trade_no", "")[:MAX_REFERENCE],
        provider_reference=fields.get("trade_no", "")[:MAX_REFERENCE],
        amount=amount,
        occurred_at=_occurred_at(fields, kind),
        refund_reference=fields.get("out_biz_no", "")[:MAX_REFERENCE] if refund else "",
        refunded_total=refunded,
        full_refund=refund and _is_full_refund(state, amount=amount, refunded=refunded),
        account_problem=_account_problem(fields, keys.config, kind),
        state=(state or fields.get("msg_method") or fields.get("notify_type", ""))[:MAX_STATE],
        summary={name: fields[name][:200] for name in _SHOWN if fields.get(name)},
    )
