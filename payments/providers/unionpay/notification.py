"""Verifies and parses UnionPay's notification.

A payment (txnType 01) has our reference in `orderId`. A refund (04) and a void (31) have an `orderId` of their own and
name the payment by `origQryId`, some by `origOrderId`; our refunds also carry our reference in `reqReserved`, which
UnionPay returns unchanged. Where neither of the last two is present, the caller finds the payment by `origQryId`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from ordersite.lib.china_time import BEIJING, read_beijing
from payments.providers.errors import Rejected
from payments.providers.form_body import split_form
from payments.providers.types import AccountKeys, ParsedNotification, RawNotification, UpdateKind
from payments.providers.unionpay.messages import verified_fields
from payments.providers.values import (
    CURRENCY,
    MAX_BODY,
    MAX_REFERENCE,
    MAX_STATE,
    event_id,
    facts_digest,
)

PAY, VOID, REFUND = "01", "31", "04"
# A6 is «done, with something left over that concerns UnionPay and the banks only» (acp_sdk, sample of the back notice).
DONE = frozenset(("00", "A6"))
# In progress: a notification or a query brings the result. `gateway` lists the other codes.
UNKNOWN_YET = frozenset(("03", "04", "05"))
# Transactions without money: queries, and the opening and ending of a card's contract (open.unionpay.com, txnType).
_NO_MONEY = frozenset(("00", "71", "72", "74", "75", "77", "78", "79"))
_CODE = re.compile(r"[0-9A-Z]{2}", re.ASCII)
# What belongs to the signing of a message, not to what it reports: a certificate may change between two retries.
_SENDING = frozenset(("signature", "signPubKeyCert", "certId", "signMethod", "version", "encoding"))
_FEN = re.compile(r"[0-9]{1,12}", re.ASCII)
_REFERENCE = re.compile(r"[0-9A-Z]{16,32}", re.ASCII)
_SHOWN = ("respMsg", "traceNo", "traceTime", "settleDate", "payCardType", "accNo")


def read_fen(text: str) -> Decimal | None:
    """Yuan from a number of fen in ASCII digits; None for any other text."""
    return Decimal(int(text)).scaleb(-2) if _FEN.fullmatch(text) else None


def write_fen(amount: Decimal) -> str:
    return str(int(amount.scaleb(2)))


def read_currency(code: str) -> str:
    """156 is the yuan (ISO 4217 by number); others stay as they are, so that they match nothing."""
    return CURRENCY if code in ("", "156") else code[:3]


def traded_at(fields: Mapping[str, str]) -> datetime | None:
    """When the transaction was carried out, UTC.

    traceTime holds month to second only, so the year is that of txnTime, or the next one around New Year.
    """
    ordered, traced = _compact(fields.get("txnTime", "")), fields.get("traceTime", "")
    if ordered is None:
        return None
    at = _compact(f"{ordered.astimezone(BEIJING).year}{traced}")
    if at and at < ordered - timedelta(days=180):
        at = _compact(f"{ordered.astimezone(BEIJING).year + 1}{traced}")
    return at or ordered


def _compact(text: str) -> datetime | None:
    """UTC from yyyyMMddHHmmss in Beijing; None for any other text."""
    if not re.fullmatch(r"[0-9]{14}", text, re.ASCII):
        return None
    return read_beijing(f"{text[:4]}-{text[4:6]}-{text[6:8]} {text[8:10]}:{text[10:12]}:{text[12:]}")


def write_compact(at: datetime) -> str:
    """An aware time as yyyyMMddHHmmss in Beijing."""
    return at.astimezone(BEIJING).strftime("%Y%m%d%H%M%S")


def parse_notification(call: RawNotification, keys: AccountKeys) -> ParsedNotification:
    """Verify and parse a notification. Raises `Rejected`."""
    if len(call.body) > MAX_BODY:
        raise Rejected("too_large")
    fields = verified_fields(split_form(call.body), keys, at=call.received_at)
    for name in ("txnType", "orderId", "respCode"):
        if name not in fields:
            raise Rejected("missing_field", name)
    return _parsed(fields, keys)


def _kind(fields: Mapping[str, str]) -> UpdateKind:
    """A transaction that was carried out moved money, unless its type is known to move none."""
    code, what = fields["respCode"], fields["txnType"]
    if what in _NO_MONEY or code in UNKNOWN_YET:
        return UpdateKind.OTHER
    if code in DONE:
        known = {PAY: UpdateKind.PAYMENT, REFUND: UpdateKind.REFUND, VOID: UpdateKind.REFUND}
        return known.get(what, UpdateKind.UNCLEAR)
    if not _CODE.fullmatch(code):
        return UpdateKind.UNCLEAR
    return UpdateKind.REFUND_FAILED if what == REFUND else UpdateKind.OTHER


def _reference(fields: Mapping[str, str]) -> str:
    if fields["txnType"] == PAY:
        return fields["orderId"][:MAX_REFERENCE]
    carried = (fields.get(name, "") for name in ("origOrderId", "reqReserved"))
    return next((text for text in carried if _REFERENCE.fullmatch(text)), "")


def _account_problem(fields: Mapping[str, str], config: Mapping[str, str], kind: UpdateKind) -> str:
    is_about_payment = kind not in (UpdateKind.OTHER, UpdateKind.UNCLEAR)
    if fields.get("merId") == config.get("mer_id") or not (is_about_payment or "merId" in fields):
        return ""
    return "wrong_mer_id"


def _parsed(fields: Mapping[str, str], keys: AccountKeys) -> ParsedNotification:
    kind, paying = _kind(fields), fields["txnType"] == PAY
    amount = read_fen(fields.get("txnAmt", ""))
    identity = [fields.get(name, "") for name in ("txnType", "orderId", "txnTime", "queryId", "respCode")]
    facts = {name: value for name, value in fields.items() if name not in _SENDING}
    return ParsedNotification(
        event_id=event_id(*identity, facts_digest(facts)),
        kind=kind,
        reference=_reference(fields),
        provider_reference=fields.get("queryId" if paying else "origQryId", "")[:MAX_REFERENCE],
        amount=amount if paying else None,
        currency=read_currency(fields.get("currencyCode", "")),
        occurred_at=traded_at(fields),
        refund_reference="" if paying else fields["orderId"][:MAX_REFERENCE],
        refund_amount=None if paying else amount,
        full_refund=kind is UpdateKind.REFUND and fields["txnType"] == VOID,
        account_problem=_account_problem(fields, keys.config, kind),
        state=f"{fields['txnType']} {fields['respCode']}"[:MAX_STATE],
        summary={name: fields[name][:200] for name in _SHOWN if fields.get(name)},
    )
