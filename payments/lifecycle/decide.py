"""Judging a finding against the attempt that it speaks of. No database, nothing is changed here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from orders import machine
from orders.models import Order, OrderStatus
from ordersite.lib.money import ZERO
from payments.lifecycle import refunds as confirm
from payments.lifecycle.updates import Finding, Outcome
from payments.models import Payment, PaymentStatus, RefundStatus
from payments.models.payment import SETTLED
from payments.models.refund_request import AT_WORK
from payments.providers.types import NoticeKind

# A notification may overtake the commit of its attempt, and a refund the payment: so long we wait for it.
PATIENCE = timedelta(minutes=10)
RETRY_AFTER = timedelta(seconds=15)
# An answer that was on its way while the money came says nothing about that money.
FRESH = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is locked while judging. `conflict`: another attempt of the account has this provider's number.

    `refunds`: filled where the finding speaks of refunds.
    """

    payment: Payment
    order: Order
    conflict: bool = False
    refunds: confirm.Seen = confirm.NOTHING


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is to be done. `action` is tried at the order's door: pay, refund or nothing.

    `settle`, `close`: transitions of the attempt; `refunded`: its new refunded sum in yuan; `ask`: the provider is
    to be asked; `retry`: nothing is decided, try again. `case`: a person is needed. `request`: what becomes of the
    refund request (succeed, fail, hang). `unasked`: money went back that nobody here had asked for.
    """

    outcome: Outcome
    action: str = ""
    settle: bool = False
    close: bool = False
    refunded: Decimal | None = None
    ask: bool = False
    retry: bool = False
    case: bool = False
    request: str = ""
    unasked: bool = False


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
        return _judge_closing(finding, seen)
    if finding.kind in (NoticeKind.REFUND_FAILED, NoticeKind.REFUND_ABNORMAL):
        return _judge_refund_trouble(finding, seen)
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
        if finding.full_refund and finding.trigger == machine.QUERY:
            return _came_and_went(payment)
        # Money went back that we never saw come: the provider is asked, its answer settles, then this is tried again.
        # Not even a long outage of ours, which has used up all patience, spares that question.
        if payment.last_asked_at is None or payment.last_asked_at < finding.seen_at:
            return Ruling(Outcome.WAITING, retry=True, ask=True)
        return _patiently(finding, now=now, otherwise=Outcome.REFUND_EVENT, ask=True)
    if _is_other_trade(finding, payment):
        return _case(Outcome.REFERENCE_CONFLICT)
    if not _is_amount_asked(finding, seen.refunds):
        return _case(Outcome.AMOUNT_MISMATCH)
    total = _refunded_total(finding, seen)
    if total is None or total > payment.amount or finding.amount not in (None, payment.amount):
        return _case(Outcome.AMOUNT_MISMATCH)
    if total <= payment.refunded_amount:
        return _confirming(Ruling(Outcome.DUPLICATE), finding, seen)
    full = total == payment.amount and not payment.is_surplus
    ruling = Ruling(Outcome.REFUND_APPLIED, action="refund" if full else "", refunded=total)
    return _confirming(ruling, finding, seen)


def _came_and_went(payment: Payment) -> Ruling:
    """The provider's answer is «paid and refunded», and its payment was refused here: another amount. All of it is
    with the buyer again, and the trade takes no more: the attempt, and an order that waits for it, may close."""
    is_open = payment.status in (PaymentStatus.CREATED, PaymentStatus.OPEN)
    return Ruling(Outcome.CLOSED_NOTED, close=True) if is_open else _NOTED


def _is_amount_asked(finding: Finding, refunds: confirm.Seen) -> bool:
    return refunds.asked is None or finding.refund_amount in (None, refunds.asked.amount)


def _confirming(ruling: Ruling, finding: Finding, seen: Seen) -> Ruling:
    """The same ruling with what it means for the request: its end, or that nobody had asked for this money."""
    asked, refunds = seen.refunds.asked, seen.refunds
    if asked is not None and asked.status == RefundStatus.SUCCEEDED:
        return ruling
    if asked is not None:
        # Money that went back for a request that had failed, or that was never sent out, is a person's matter too.
        unasked = asked.status not in AT_WORK
        return replace(ruling, outcome=Outcome.REFUND_APPLIED, request="succeed", unasked=unasked)
    risen = ZERO if ruling.refunded is None else ruling.refunded - seen.payment.refunded_amount
    explained = not finding.refund_reference and risen <= refunds.live
    return replace(ruling, unasked=risen > ZERO and not explained)


def _refunded_total(finding: Finding, seen: Seen) -> Decimal | None:
    """The provider's own sum; where it keeps none, ours and this refund. None: it says neither.

    A refund that a sum of the provider's held before it was told is not added again.
    """
    if finding.full_refund:
        return seen.payment.amount
    if finding.refunded_total is not None or finding.refund_amount is None:
        return finding.refunded_total
    known, refunds = seen.payment.refunded_amount, seen.refunds
    if finding.refund_reference in refunds.recorded:
        return known
    return known + max(finding.refund_amount - (known - refunds.explained), ZERO)


def _judge_refund_trouble(finding: Finding, seen: Seen) -> Ruling:
    """A refund that somebody ordered elsewhere and that came to nothing moved no money."""
    asked, failed = seen.refunds.asked, finding.kind is NoticeKind.REFUND_FAILED
    if asked is None:
        return _NOTED
    if asked.status not in AT_WORK:
        # Late or twice; a failure after we saw the money go back is told to a person, and changes nothing.
        return (
            _case(Outcome.REFUND_TROUBLE) if failed and asked.status == RefundStatus.SUCCEEDED else _DUPLICATE
        )
    if not failed and asked.status == RefundStatus.ABNORMAL:
        return _DUPLICATE
    return Ruling(Outcome.REFUND_TROUBLE, case=True, request="fail" if failed else "hang")


def _is_stale(finding: Finding, payment: Payment) -> bool:
    """Whether this answer may have left the provider before the money came."""
    if finding.trigger != machine.QUERY or payment.paid_at is None:
        return False
    return finding.seen_at - payment.paid_at < FRESH


def _judge_closing(finding: Finding, seen: Seen) -> Ruling:
    """A provider that closes what it has taken money for has taken the money back: nothing is changed in silence.

    While the money is fresh an answer to a question may be older than it: then the provider is asked again.
    """
    payment = seen.payment
    if payment.status in (PaymentStatus.CREATED, PaymentStatus.OPEN):
        return Ruling(Outcome.CLOSED_NOTED, close=True)
    if payment.status == PaymentStatus.PAID and not payment.refunded_amount and not seen.refunds.live:
        return Ruling(Outcome.NOTED, ask=True) if _is_stale(finding, payment) else _case(Outcome.REVERSED)
    return _DUPLICATE if payment.status == PaymentStatus.CLOSED else _NOTED
