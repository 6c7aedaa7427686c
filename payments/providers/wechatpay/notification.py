"""Verifies, decrypts and parses WeChat Pay's notification.

That the content can be decrypted proves nothing about its sender: the key is shared and old content can be sent
again. So the signature and its time stamp are checked first. Source: pay.weixin.qq.com/docs/partner/apis/
partner-h5-payment/payment-notice.html, pay.weixin.qq.com/wiki/doc/apiv3/apis/chapter3_1_11.shtml (refunds).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ordersite.lib.money import LARGEST, ZERO, fen, yuan
from ordersite.lib.strict_json import loads_object
from payments.providers.errors import Rejected
from payments.providers.types import AccountKeys, ParsedNotification, RawNotification, UpdateKind
from payments.providers.values import (
    CURRENCY,
    MAX_BODY,
    MAX_REFERENCE,
    MAX_STATE,
    event_id,
    facts_digest,
)
from payments.providers.wechatpay.keys import decrypt
from payments.providers.wechatpay.signature import check_signature

ALGORITHM = "AEAD_AES_256_GCM"
# The kind of each resource.original_type, event_type and state of the content. Payments and refunds may share one URL,
# so none of the three decides alone. The state REFUND means that at least one refund exists: the order was paid, even if
# this is its first notification.
_KINDS: Mapping[tuple[str, str, str], UpdateKind] = {
    ("transaction", "TRANSACTION.SUCCESS", "SUCCESS"): UpdateKind.PAYMENT,
    ("transaction", "TRANSACTION.SUCCESS", "REFUND"): UpdateKind.PAID_REFUNDED,
    ("refund", "REFUND.SUCCESS", "SUCCESS"): UpdateKind.REFUND,
    ("refund", "REFUND.ABNORMAL", "ABNORMAL"): UpdateKind.REFUND_ABNORMAL,
    ("refund", "REFUND.CLOSED", "CLOSED"): UpdateKind.REFUND_FAILED,
}
# Events that are about no money (pay.weixin.qq.com: complaints, violations, coupons), and the states of an unpaid order.
_NO_MONEY_EVENTS = ("COMPLAINT.", "VIOLATION.", "COUPON.")
_UNPAID_STATES = frozenset(("NOTPAY", "USERPAYING", "PAYERROR", "CLOSED", "PROCESSING"))
# The account settings that a content must name: a refund's has no appid, and nothing is known of unknown events.
_NAMED: Mapping[UpdateKind, tuple[str, ...]] = {
    UpdateKind.PAYMENT: ("appid", "mchid"),
    UpdateKind.PAID_REFUNDED: ("appid", "mchid"),
    UpdateKind.REFUND: ("mchid",),
    UpdateKind.REFUND_ABNORMAL: ("mchid",),
    UpdateKind.REFUND_FAILED: ("mchid",),
}
_MOST_FEN = fen(LARGEST)
_SHOWN = ("trade_type", "bank_type", "trade_state_desc", "refund_id")


def read_text(values: Mapping[str, Any], name: str) -> str:
    """A field that is a text; empty where it is absent or of another type."""
    value = values.get(name)
    return value if isinstance(value, str) else ""


def read_fen(values: Mapping[str, Any], name: str) -> Decimal | None:
    """An amount of whole fen as yuan; None for anything else (a fraction, a text, a negative number)."""
    value = values.get(name)
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_FEN
    return yuan(value) if fits and isinstance(value, int) else None


def read_object(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A member that is an object; empty where it is absent or of another type."""
    value = values.get(name)
    return value if isinstance(value, dict) else {}


def read_time(values: Mapping[str, Any], name: str) -> datetime | None:
    """A time in RFC 3339 as UTC; None where it is not a time or has no zone."""
    try:
        at = datetime.fromisoformat(read_text(values, name))
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _object(raw: bytes) -> dict[str, Any]:
    try:
        return loads_object(raw)
    except ValueError as error:
        raise Rejected("malformed", str(error)) from error


def _content(resource: Mapping[str, Any], keys: AccountKeys) -> dict[str, Any]:
    """The decrypted content. Raises `Rejected`: cannot_decrypt where the account's key is the wrong one."""
    if resource.get("algorithm") != ALGORITHM:
        raise Rejected("malformed", "resource.algorithm")
    nonce, ciphertext = read_text(resource, "nonce"), read_text(resource, "ciphertext")
    if not nonce or not ciphertext:
        raise Rejected("missing_field", "resource")
    try:
        plain = decrypt(
            keys.secret("api_v3_key"),
            nonce=nonce,
            ciphertext=ciphertext,
            associated_data=read_text(resource, "associated_data"),
        )
    except ValueError as error:
        raise Rejected("cannot_decrypt", str(error)) from error
    return _object(plain)


def account_problem(
    values: Mapping[str, Any], config: Mapping[str, str], *, required: tuple[str, ...] = ("appid", "mchid")
) -> str:
    """A code for the account setting that does not match the message, empty when all match.

    A message of partner mode has `sp_` and `sub_` numbers instead; each that is present must be ours.
    """
    for name in ("appid", "mchid"):
        given = [values[prefix + name] for prefix in ("", "sp_", "sub_") if prefix + name in values]
        if (not given and name in required) or any(value != config.get(name) for value in given):
            return f"wrong_{name}"
    return ""


def _kind(original_type: str, event_type: str, state: str) -> UpdateKind:
    """The kind of an event; UNCLEAR unless it is known, or known to be about no money."""
    if kind := _KINDS.get((original_type, event_type, state)):
        return kind
    is_unpaid = state in _UNPAID_STATES and not event_type.upper().endswith(".SUCCESS")
    moves_no_money = event_type.startswith(_NO_MONEY_EVENTS) or is_unpaid
    return UpdateKind.OTHER if moves_no_money else UpdateKind.UNCLEAR


def _sub_orders(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The orders of a combined payment (合单), each in the form of a single payment's content; empty for any other."""
    given = content.get("sub_orders")
    return [
        {
            **sub_order,
            "appid": content.get("combine_appid"),
            "amount": {**read_object(sub_order, "amount"), "total": _total_amount(sub_order)},
        }
        for sub_order in (given if isinstance(given, list) else [])
        if isinstance(sub_order, dict)
    ]


def _total_amount(sub_order: Mapping[str, Any]) -> Any:
    return read_object(sub_order, "amount").get("total_amount")


def _combined(content: Mapping[str, Any], sub_orders: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """A combined payment of several orders as one content: no state of its own, the sum of what they cost."""
    amounts = [read_fen(read_object(sub_order, "amount"), "total") or ZERO for sub_order in sub_orders]
    reference = read_text(content, "combine_out_trade_no")
    return {"out_trade_no": reference, "amount": {"total": fen(sum(amounts, ZERO))}}


def decrypt_content(body: bytes, keys: AccountKeys) -> Mapping[str, Any]:
    """The decrypted content of a stored notification; its signature is not checked. Raises `Rejected`."""
    return _content(read_object(_object(body), "resource"), keys)


def parse_notification(call: RawNotification, keys: AccountKeys) -> ParsedNotification:
    """Verify, decrypt and parse a notification. Raises `Rejected`."""
    if len(call.body) > MAX_BODY:
        raise Rejected("too_large")
    check_signature(call.headers, call.body, keys, at=call.received_at)
    envelope = _object(call.body)
    if not read_text(envelope, "id"):
        raise Rejected("missing_field", "id")
    resource = read_object(envelope, "resource")
    return _parsed(envelope, resource, _content(resource, keys), keys)


def _parsed(
    envelope: Mapping[str, Any], resource: Mapping[str, Any], content: Mapping[str, Any], keys: AccountKeys
) -> ParsedNotification:
    original_type, event_type = read_text(resource, "original_type"), read_text(envelope, "event_type")
    digest = facts_digest([original_type, event_type, content])
    if sub_orders := _sub_orders(content):
        content = sub_orders[0] if len(sub_orders) == 1 else _combined(content, sub_orders)
    is_refund = original_type == "refund"
    state = read_text(content, "refund_status" if is_refund else "trade_state")
    kind, amount = _kind(original_type, event_type, state), read_object(content, "amount")
    return ParsedNotification(
        event_id=event_id(read_text(envelope, "id"), digest),
        kind=kind,
        reference=read_text(content, "out_trade_no")[:MAX_REFERENCE],
        provider_reference=read_text(content, "transaction_id")[:MAX_REFERENCE],
        # `total`, never `payer_total`, which is less where a coupon was used.
        amount=read_fen(amount, "total"),
        currency=read_text(amount, "currency")[:3] or CURRENCY,
        occurred_at=read_time(content, "success_time") or read_time(envelope, "create_time"),
        refund_reference=read_text(content, "out_refund_no")[:MAX_REFERENCE] if is_refund else "",
        refund_amount=read_fen(amount, "refund") if is_refund else None,
        account_problem=account_problem(content, keys.config, required=_NAMED.get(kind, ())),
        state=(state or event_type)[:MAX_STATE],
        summary={name: read_text(content, name)[:200] for name in _SHOWN if read_text(content, name)},
    )
