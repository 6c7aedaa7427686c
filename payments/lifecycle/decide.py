"""Judging a finding against the attempt that it speaks of. No database, nothing is changed here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from orders import machine
from orders.models import Order, OrderStatus
from ordersite.lib.money import ZERO
from payments.lifecycle import refunds as confirm
from payments.lifecycle.updates import Outcome, PaymentUpdate
from payments.models import Payment, PaymentStatus, RefundStatus
from payments.models.payment import SETTLED
from payments.models.refund_request import AT_WORK
from payments.providers.types import UpdateKind

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
class Decision:
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


def _case(outcome: Outcome) -> Decision:
    return Decision(outcome, case=True)


_DUPLICATE = Decision(Outcome.DUPLICATE)
_NOTED = Decision(Outcome.NOTED)


def judge_stranger(update: PaymentUpdate, *, now: datetime) -> Decision:
    """A finding whose reference is not ours, or not yet."""
    if update.account_problem:
        return _case(Outcome.WRONG_ACCOUNT)
    if update.kind not in (UpdateKind.PAYMENT, UpdateKind.REFUND):
        return _NOTED
    return _patiently(update, now=now, otherwise=Outcome.UNKNOWN_ORDER)


def _patiently(update: PaymentUpdate, *, now: datetime, otherwise: Outcome, ask: bool = False) -> Decision:
    if now - update.seen_at < PATIENCE:
        return Decision(Outcome.WAITING, retry=True, ask=ask)
    return _case(otherwise)


def judge(update: PaymentUpdate, seen: Seen, *, now: datetime) -> Decision:
    """What a finding about one of our attempts is to do."""
    if update.account_problem or update.account_id != seen.payment.account_id:
        return _case(Outcome.WRONG_ACCOUNT)
    if update.kind is UpdateKind.PAYMENT:
        return _judge_payment(update, seen)
    if update.kind is UpdateKind.REFUND:
        return _judge_refund(update, seen, now=now)
    if update.kind is UpdateKind.CLOSED:
        return _judge_closing(update, seen)
    if update.kind in (UpdateKind.REFUND_FAILED, UpdateKind.REFUND_ABNORMAL):
        return _judge_refund_trouble(update, seen)
    return _NOTED


def _judge_payment(update: PaymentUpdate, seen: Seen) -> Decision:
    payment, order = seen.payment, seen.order
    if update.amount != payment.amount or update.currency != payment.currency:
        return _case(Outcome.AMOUNT_MISMATCH)
    if payment.amount != order.total_amount or payment.currency != order.currency:
        return _case(Outcome.AMOUNT_MISMATCH)
    if seen.conflict:
        return _case(Outcome.REFERENCE_CONFLICT)
    if payment.status not in SETTLED:
        return Decision(Outcome.APPLIED, action="pay", settle=True)
    if _is_other_trade(update, payment):
        return _case(Outcome.ALREADY_PAID)
    # The money was here before, but the order refused it then: try it again.
    if order.status == OrderStatus.PENDING and payment.status == PaymentStatus.PAID:
        return Decision(Outcome.APPLIED, action="pay")
    return _DUPLICATE


def _is_other_trade(update: PaymentUpdate, payment: Payment) -> bool:
    known, said = payment.provider_reference, update.provider_reference
    return bool(known and said and known != said)


def _judge_refund(update: PaymentUpdate, seen: Seen, *, now: datetime) -> Decision:
    payment = seen.payment
    if payment.status not in SETTLED:
        if update.full_refund and update.trigger == machine.QUERY:
            return _came_and_went(payment)
        # Money went back that we never saw come: the provider is asked, its answer settles, then this is tried again.
        # Not even a long outage of ours, which has used up all patience, spares that question.
        if payment.last_asked_at is None or payment.last_asked_at < update.seen_at:
            return Decision(Outcome.WAITING, retry=True, ask=True)
        return _patiently(update, now=now, otherwise=Outcome.REFUND_EVENT, ask=True)
    if _is_other_trade(update, payment):
        return _case(Outcome.REFERENCE_CONFLICT)
    if not _is_amount_asked(update, seen.refunds):
        return _case(Outcome.AMOUNT_MISMATCH)
    total = _refunded_total(update, seen)
    if total is None or total > payment.amount or update.amount not in (None, payment.amount):
        return _case(Outcome.AMOUNT_MISMATCH)
    if total <= payment.refunded_amount:
        return _confirming(Decision(Outcome.DUPLICATE), update, seen)
    full = total == payment.amount and not payment.is_surplus
    decision = Decision(Outcome.REFUND_APPLIED, action="refund" if full else "", refunded=total)
    return _confirming(decision, update, seen)


def _came_and_went(payment: Payment) -> Decision:
    """The provider's answer is «paid and refunded», and its payment was refused here: another amount. All of it is
    with the buyer again, and the trade takes no more: the attempt, and an order that waits for it, may close."""
    is_open = payment.status in (PaymentStatus.CREATED, PaymentStatus.OPEN)
    return Decision(Outcome.CLOSED_NOTED, close=True) if is_open else _NOTED


def _is_amount_asked(update: PaymentUpdate, refunds: confirm.Seen) -> bool:
    return refunds.asked is None or update.refund_amount in (None, refunds.asked.amount)


def _confirming(decision: Decision, update: PaymentUpdate, seen: Seen) -> Decision:
    """The same ruling with what it means for the request: its end, or that nobody had asked for this money."""
    asked, refunds = seen.refunds.asked, seen.refunds
    if asked is not None and asked.status == RefundStatus.SUCCEEDED:
        return decision
    if asked is not None:
        # Money that went back for a request that had failed, or that was never sent out, is a person's matter too.
        unasked = asked.status not in AT_WORK
        return replace(decision, outcome=Outcome.REFUND_APPLIED, request="succeed", unasked=unasked)
    risen = ZERO if decision.refunded is None else decision.refunded - seen.payment.refunded_amount
    explained = not update.refund_reference and risen <= refunds.live
    return replace(decision, unasked=risen > ZERO and not explained)


def _refunded_total(update: PaymentUpdate, seen: Seen) -> Decimal | None:
    """The provider's own sum; where it keeps none, ours and this refund. None: it says neither.

    A refund that a sum of the provider's held before it was told is not added again.
    """
    if update.full_refund:
        return seen.payment.amount
    if update.refunded_total is not None or update.refund_amount is None:
        return update.refunded_total
    known, refunds = seen.payment.refunded_amount, seen.refunds
    if update.refund_reference in refunds.recorded:
        return known
    return known + max(update.refund_amount - (known - refunds.explained), ZERO)


def _judge_refund_trouble(update: PaymentUpdate, seen: Seen) -> Decision:
    """A refund that somebody ordered elsewhere and that came to nothing moved no money."""
    asked, failed = seen.refunds.asked, update.kind is UpdateKind.REFUND_FAILED
    if asked is None:
        return _NOTED
    if asked.status not in AT_WORK:
        # Late or twice; a failure after we saw the money go back is told to a person, and changes nothing.
        return (
            _case(Outcome.REFUND_TROUBLE) if failed and asked.status == RefundStatus.SUCCEEDED else _DUPLICATE
        )
    if not failed and asked.status == RefundStatus.ABNORMAL:
        return _DUPLICATE
    return Decision(Outcome.REFUND_TROUBLE, case=True, request="fail" if failed else "hang")


def _is_stale(update: PaymentUpdate, payment: Payment) -> bool:
    """Whether this answer may have left the provider before the money came."""
    if update.trigger != machine.QUERY or payment.paid_at is None:
        return False
    return update.seen_at - payment.paid_at < FRESH


def _judge_closing(update: PaymentUpdate, seen: Seen) -> Decision:
    """A provider that closes what it has taken money for has taken the money back: nothing is changed in silence.

    While the money is fresh an answer to a question may be older than it: then the provider is asked again.
    """
    payment = seen.payment
    if payment.status in (PaymentStatus.CREATED, PaymentStatus.OPEN):
        return Decision(Outcome.CLOSED_NOTED, close=True)
    if payment.status == PaymentStatus.PAID and not payment.refunded_amount and not seen.refunds.live:
        return Decision(Outcome.NOTED, ask=True) if _is_stale(update, payment) else _case(Outcome.REVERSED)
    return _DUPLICATE if payment.status == PaymentStatus.CLOSED else _NOTED
