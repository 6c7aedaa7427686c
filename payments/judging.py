"""Judging a finding against the attempt that it speaks of. No database, nothing is changed here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from orders.models import Order, OrderStatus
from payments.findings import Finding, Outcome
from payments.models import Payment, PaymentStatus
from payments.providers.base import NoticeKind

# A notification may overtake the commit of its attempt, and a refund the payment: so long we wait for it.
PATIENCE = timedelta(minutes=10)
RETRY_AFTER = timedelta(seconds=15)
SETTLED = (PaymentStatus.PAID, PaymentStatus.REFUNDED)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is locked while judging. `conflict`: another attempt of the account has this provider's number.

    `refund_known`: this refund is on record.
    """

    payment: Payment
    order: Order
    conflict: bool = False
    refund_known: bool = False


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is to be done. `action` is tried at the order's door: pay, refund or nothing.

    `settle`, `close`: transitions of the attempt; `refunded`: its new refunded sum in yuan; `ask`: the provider is
    to be asked; `retry`: nothing is decided, try again. `case`: a person is needed.
    """

    outcome: Outcome
    action: str = ""
    settle: bool = False
    close: bool = False
    refunded: Decimal | None = None
    ask: bool = False
    retry: bool = False
    case: bool = False


def _case(outcome: Outcome) -> Ruling:
    return Ruling(outcome, case=True)


_DUPLICATE = Ruling(Outcome.DUPLICATE)
_NOTED = Ruling(Outcome.NOTED)


def judge_stranger(finding: Finding, *, now: datetime) -> Ruling:
    """A finding whose reference is not ours, or not yet."""
    if finding.account_problem:
        return _case(Outcome.WRONG_ACCOUNT)
    if finding.kind not in (NoticeKind.PAYMENT, NoticeKind.REFUND):
        return _NOTED
    return _patiently(finding, now=now, otherwise=Outcome.UNKNOWN_ORDER)


def _patiently(finding: Finding, *, now: datetime, otherwise: Outcome, ask: bool = False) -> Ruling:
    if now - finding.seen_at < PATIENCE:
        return Ruling(Outcome.WAITING, retry=True, ask=ask)
    return _case(otherwise)


def judge(finding: Finding, seen: Seen, *, now: datetime) -> Ruling:
    """What a finding about one of our attempts is to do."""
    if finding.account_problem or finding.account_id != seen.payment.account_id:
        return _case(Outcome.WRONG_ACCOUNT)
    if finding.kind is NoticeKind.PAYMENT:
        return _judge_payment(finding, seen)
    if finding.kind is NoticeKind.REFUND:
        return _judge_refund(finding, seen, now=now)
    if finding.kind is NoticeKind.CLOSED:
        return _judge_closing(seen.payment)
    return _NOTED


def _judge_payment(finding: Finding, seen: Seen) -> Ruling:
    payment, order = seen.payment, seen.order
    if finding.amount != payment.amount or finding.currency != payment.currency:
        return _case(Outcome.AMOUNT_MISMATCH)
    if payment.amount != order.total_amount or payment.currency != order.currency:
        return _case(Outcome.AMOUNT_MISMATCH)
    if seen.conflict:
        return _case(Outcome.REFERENCE_CONFLICT)
    if payment.status not in SETTLED:
        return Ruling(Outcome.APPLIED, action="pay", settle=True)
    if _is_other_trade(finding, payment):
        return _case(Outcome.ALREADY_PAID)
    # The money was here before, but the order refused it then: try it again.
    if order.status == OrderStatus.PENDING and payment.status == PaymentStatus.PAID:
        return Ruling(Outcome.APPLIED, action="pay")
    return _DUPLICATE


def _is_other_trade(finding: Finding, payment: Payment) -> bool:
    known, said = payment.provider_reference, finding.provider_reference
    return bool(known and said and known != said)


def _judge_refund(finding: Finding, seen: Seen, *, now: datetime) -> Ruling:
    payment = seen.payment
    if payment.status not in SETTLED:
        # Money went back that we never saw come: the provider is asked, its answer settles, then this is tried again.
        return _patiently(finding, now=now, otherwise=Outcome.REFUND_EVENT, ask=True)
    if _is_other_trade(finding, payment):
        return _case(Outcome.REFERENCE_CONFLICT)
    total = _refunded_total(finding, seen)
    if total is None or total > payment.amount or finding.amount not in (None, payment.amount):
        return _case(Outcome.AMOUNT_MISMATCH)
    if total <= payment.refunded_amount:
        return _DUPLICATE
    full = total == payment.amount and not payment.is_surplus
    return Ruling(Outcome.REFUND_APPLIED, action="refund" if full else "", refunded=total)


def _refunded_total(finding: Finding, seen: Seen) -> Decimal | None:
    """The provider's own sum; where it keeps none, ours and this refund. None: it says neither."""
    if finding.full_refund:
        return seen.payment.amount
    if finding.refunded_total is not None or finding.refund_amount is None:
        return finding.refunded_total
    known = seen.payment.refunded_amount
    return known if seen.refund_known else known + finding.refund_amount


def _judge_closing(payment: Payment) -> Ruling:
    if payment.status in (PaymentStatus.CREATED, PaymentStatus.OPEN):
        return Ruling(Outcome.CLOSED_NOTED, close=True)
    return _DUPLICATE if payment.status == PaymentStatus.CLOSED else _NOTED
