"""Decides what a payment update does to the payment that it names. Reads no database, changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, auto

from orders import changes, machine
from orders.machine import Action
from orders.models import Order, OrderStatus
from ordersite.lib.money import ZERO
from payments.lifecycle.refunds import (
    NO_REFUNDS,
    KnownRefunds,
    RequestAction,
    RequestEffect,
)
from payments.lifecycle.updates import Outcome, PaymentUpdate
from payments.models import Payment, RefundStatus
from payments.providers.types import UpdateKind

# Money that no order needs.
SURPLUS = frozenset({Outcome.ALREADY_PAID, Outcome.ORDER_CLOSED})
# A notification may overtake the commit of its attempt, and a refund the payment: wait so long for it.
PATIENCE = timedelta(minutes=10)
RETRY_AFTER = timedelta(seconds=15)
# A query's answer may have left the provider before the money arrived: it proves nothing about money this fresh.
FRESH = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class PaymentContext:
    """The locked rows that a decision reads. `conflict`: another payment of the account has the provider's number.

    `refunds` is filled where the update is about refunds.
    """

    payment: Payment
    order: Order
    conflict: bool = False
    refunds: KnownRefunds = NO_REFUNDS


class Effect(Enum):
    """What a decision does to the payment.

    SETTLE: it becomes paid, and the orders' door is tried with `pay`. PAY_ORDER: it is paid already, only the order
    is tried again. CLOSE: it becomes closed. QUERY: its provider is queried as soon as possible. QUERY_LATER: it is
    queried once more, as soon as its answer can be no older than the money.
    """

    SETTLE = auto()
    PAY_ORDER = auto()
    CLOSE = auto()
    QUERY = auto()
    QUERY_LATER = auto()


@dataclass(frozen=True, slots=True)
class RaiseRefunded:
    """The effect of a refund: the payment's refunded sum rises to `total` (yuan), and its order's with it."""

    total: Decimal


@dataclass(frozen=True, slots=True)
class SettleRefunded:
    """The effect of «paid, then refunded» for money that was never seen here: the payment becomes paid and refunded.

    `total`: the part (yuan) that has gone back; None where the provider has not said it, it is then queried.
    `is_whole`: nothing is left.
    """

    total: Decimal | None
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """What an update means. `outcome` WAITING: nothing is decided yet, it is tried again after RETRY_AFTER.

    `request`: what becomes of the refund request that the update names. `holds`: the order must not ship before a
    person has looked. `cases`: a person is needed; the outcomes to open cases for.
    """

    outcome: Outcome
    effect: Effect | RaiseRefunded | SettleRefunded | None = None
    request: RequestEffect | None = None
    holds: bool = False
    cases: tuple[Outcome, ...] = ()

    def with_case(self, outcome: Outcome) -> Decision:
        """The same decision with this outcome and a case for it."""
        return replace(self, outcome=outcome)._and_case(outcome)

    def _and_case(self, kind: Outcome) -> Decision:
        return self if kind in self.cases else replace(self, cases=(*self.cases, kind))


_MONEY_MOVED = frozenset(
    {UpdateKind.PAYMENT, UpdateKind.PAID_REFUNDED, UpdateKind.REFUND, UpdateKind.REFUND_ABNORMAL}
)
_SETTLED = Decision(Outcome.APPLIED, Effect.SETTLE)
_DUPLICATE = Decision(Outcome.DUPLICATE)
_NOTED = Decision(Outcome.NOTED)


def _case(outcome: Outcome) -> Decision:
    return Decision(outcome, cases=(outcome,))


def decide_unmatched(update: PaymentUpdate, *, now: datetime) -> Decision:
    """Decide about an update whose reference names none of our payments, or none yet. `now` is UTC."""
    if update.account_problem:
        return _case(Outcome.WRONG_ACCOUNT)
    if update.kind is UpdateKind.UNCLEAR:
        return _case(Outcome.UNCLEAR)
    if update.kind not in _MONEY_MOVED:
        return _NOTED
    return _wait(update, now=now, otherwise=Outcome.UNKNOWN_ORDER)


def _wait(
    update: PaymentUpdate, *, now: datetime, otherwise: Outcome, effect: Effect | None = None
) -> Decision:
    """Wait while the update is young; then open a case for `otherwise`."""
    if now - update.seen_at < PATIENCE:
        return Decision(Outcome.WAITING, effect)
    return _case(otherwise)


def decide(update: PaymentUpdate, context: PaymentContext, *, now: datetime) -> Decision:
    """Decide about an update of one of our payments. `now` is UTC."""
    if update.account_problem or update.account_id != context.payment.account_id:
        return _case(Outcome.WRONG_ACCOUNT)
    if update.kind is UpdateKind.PAYMENT:
        return _decide_payment(update, context)
    if update.kind is UpdateKind.PAID_REFUNDED:
        return _decide_paid_refunded(update, context)
    if update.kind is UpdateKind.REFUND:
        return _decide_refund(update, context, now=now)
    if update.kind is UpdateKind.CLOSED:
        return _decide_closed(update, context)
    if update.kind in (UpdateKind.REFUND_FAILED, UpdateKind.REFUND_ABNORMAL):
        return _decide_refund_trouble(update, context)
    return _decide_unclear(context.payment) if update.kind is UpdateKind.UNCLEAR else _NOTED


def decide_refusal(decision: Decision, action: Action, outcome: changes.Outcome) -> Decision:
    """Decide again after the order has not done `action`.

    The money arrived or left all the same: the payment records it, and a person decides about the order.
    """
    already = outcome.result is changes.Result.ALREADY
    if action is Action.REFUND:
        return decision if already else decision.with_case(Outcome.REFUND_EVENT)
    closed = outcome.code == f"order_{OrderStatus.CLOSED}"
    refused = Outcome.ORDER_CLOSED if closed else Outcome.ORDER_REFUSED
    kind = Outcome.ALREADY_PAID if already else refused
    is_gone = isinstance(decision.effect, SettleRefunded) and decision.effect.is_whole
    # Surplus money that has gone back whole leaves nothing to decide about.
    return replace(decision, outcome=kind) if is_gone and kind in SURPLUS else decision.with_case(kind)


def _is_expected_amount(update: PaymentUpdate, context: PaymentContext) -> bool:
    payment, order = context.payment, context.order
    if update.amount != payment.amount or update.currency != payment.currency:
        return False
    return payment.amount == order.total_amount and payment.currency == order.currency


def _decide_payment(update: PaymentUpdate, context: PaymentContext) -> Decision:
    payment, order = context.payment, context.order
    if not _is_expected_amount(update, context):
        return _case(Outcome.AMOUNT_MISMATCH)
    if context.conflict:
        return _case(Outcome.REFERENCE_CONFLICT)
    if not payment.is_settled:
        return _SETTLED
    if _is_other_trade(update, payment):
        return _case(Outcome.ALREADY_PAID)
    # The payment is settled, but its order refused the money then: try the order again.
    if order.status == OrderStatus.PENDING and payment.is_paid:
        return Decision(Outcome.APPLIED, Effect.PAY_ORDER)
    return _DUPLICATE


def _is_other_trade(update: PaymentUpdate, payment: Payment) -> bool:
    known, named = payment.provider_reference, update.provider_reference
    return bool(known and named and known != named)


def _decide_paid_refunded(update: PaymentUpdate, context: PaymentContext) -> Decision:
    """«Paid, and at least one refund exists», with or without the sum that went back."""
    payment = context.payment
    if not payment.is_settled:
        return _decide_first_sight(update, context)
    if not _is_expected_amount(update, context):
        return _case(Outcome.AMOUNT_MISMATCH)
    if _is_other_trade(update, payment):
        return _case(Outcome.ALREADY_PAID)
    if _refunded_total(update, context) is not None:
        return _decide_sum(update, context)
    if payment.is_refunded or payment.refunded_amount or context.refunds.live:
        return _DUPLICATE
    query = Effect.QUERY if update.trigger == machine.NOTIFICATION else None
    return Decision(Outcome.REFUND_EVENT, query, holds=True, cases=(Outcome.REFUND_EVENT,))


def _decide_first_sight(update: PaymentUpdate, context: PaymentContext) -> Decision:
    """Money that was never seen here, and that the provider has given back in part or whole: nobody here requested it."""
    payment = context.payment
    if not _is_expected_amount(update, context):
        # All of another amount is with the buyer again and the trade takes no more: the attempt may close.
        is_over = update.full_refund and update.trigger == machine.QUERY and payment.is_undecided
        mismatch = _case(Outcome.AMOUNT_MISMATCH)
        return replace(mismatch, outcome=Outcome.CLOSED_NOTED, effect=Effect.CLOSE) if is_over else mismatch
    if context.conflict:
        return _case(Outcome.REFERENCE_CONFLICT)
    total = _refunded_total(update, context)
    is_too_much = total is not None and total > payment.amount
    decision = Decision(
        Outcome.REFUND_APPLIED if total else Outcome.APPLIED,
        SettleRefunded(None if is_too_much else total, is_whole=total == payment.amount),
        holds=True,
        cases=(Outcome.REFUND_EVENT,),
    )
    return decision.with_case(Outcome.AMOUNT_MISMATCH) if is_too_much else decision


def _decide_refund(update: PaymentUpdate, context: PaymentContext, *, now: datetime) -> Decision:
    payment = context.payment
    if not payment.is_settled:
        if update.amount is not None:
            return _decide_first_sight(update, context)
        # A refund of money that we never saw arrive, and nothing says how much that was: query the provider, its answer
        # settles, then try this again. Query once even when an outage of ours has used up all patience.
        if payment.last_query_at is None or payment.last_query_at < update.seen_at:
            return Decision(Outcome.WAITING, Effect.QUERY, holds=True, cases=(Outcome.REFUND_EVENT,))
        return _wait(update, now=now, otherwise=Outcome.REFUND_EVENT, effect=Effect.QUERY)
    if _is_other_trade(update, payment):
        return _case(Outcome.REFERENCE_CONFLICT)
    if update.amount not in (None, payment.amount):
        return _case(Outcome.AMOUNT_MISMATCH)
    return _decide_sum(update, context)


def _decide_sum(update: PaymentUpdate, context: PaymentContext) -> Decision:
    """Decide about a refund of money that is here, by the sum that has gone back with it."""
    payment = context.payment
    total = _refunded_total(update, context)
    if total is None or total > payment.amount or not context.refunds.is_expected(update):
        return _case(Outcome.AMOUNT_MISMATCH)
    if total <= payment.refunded_amount:
        return _with_request(_DUPLICATE, context, update, risen=ZERO)
    decision = Decision(Outcome.REFUND_APPLIED, RaiseRefunded(total))
    return _with_request(decision, context, update, risen=total - payment.refunded_amount)


def _with_request(
    decision: Decision, context: PaymentContext, update: PaymentUpdate, *, risen: Decimal
) -> Decision:
    """Add the end of the refund request, or a case where nobody here requested this money. `risen` is yuan."""
    refunds, named = context.refunds, context.refunds.named
    if named is None:
        explained = risen <= ZERO or (not update.refund_reference and risen <= refunds.live)
        is_doubtful = refunds.is_repeated(update) or not explained
        return decision._and_case(Outcome.REFUND_EVENT) if is_doubtful else decision
    if named.status == RefundStatus.SUCCEEDED:
        return decision
    succeeded = replace(
        decision, outcome=Outcome.REFUND_APPLIED, request=RequestEffect(named, RequestAction.SUCCEED)
    )
    # Money that went back for a request that had failed, or was never sent out, needs a person too.
    return succeeded if named.is_at_work else succeeded._and_case(Outcome.REFUND_EVENT)


def _refunded_total(update: PaymentUpdate, context: PaymentContext) -> Decimal | None:
    """Return the provider's own sum in yuan; where it keeps none, ours and this refund. None: neither is known.

    A refund that an earlier sum of the provider's held already, or that may be reported a second time, is not added
    again. A sum may also be older than refunds that were reported since by their numbers: it counts no less than those
    and this refund.
    """
    if update.full_refund:
        return context.payment.amount
    known, refunds = context.payment.refunded_amount, context.refunds
    if update.refunded_total is not None and update.refund_amount is not None and update.refund_reference:
        least = max(refunds.confirmed, refunds.numbered_beside(update)) + update.refund_amount
        return max(update.refunded_total, least)
    if update.refunded_total is not None or update.refund_amount is None:
        return update.refunded_total
    if (
        update.refund_reference in refunds.recorded
        or refunds.is_repeated(update)
        or refunds.unnumbered_row_of(update)
        or refunds.holder_of(update)
    ):
        return known
    return known + max(update.refund_amount - (known - refunds.explained), ZERO)


def _decide_refund_trouble(update: PaymentUpdate, context: PaymentContext) -> Decision:
    """A failed refund that was ordered elsewhere moved no money: it is only noted. One that is stuck did.

    Either proves that the payment was made.
    """
    named, failed = context.refunds.named, update.kind is UpdateKind.REFUND_FAILED
    if named is None:
        decision = _NOTED if failed else _case(Outcome.REFUND_TROUBLE)
        return decision if context.payment.is_settled else replace(decision, effect=Effect.QUERY)
    if not named.is_at_work:
        # Late or repeated. A failure after we saw the money go back needs a person, and changes nothing.
        contradicts = failed and named.status == RefundStatus.SUCCEEDED
        return _case(Outcome.REFUND_TROUBLE) if contradicts else _DUPLICATE
    if not failed and named.status == RefundStatus.ABNORMAL:
        return _DUPLICATE
    action = RequestAction.FAIL if failed else RequestAction.HANG
    return replace(_case(Outcome.REFUND_TROUBLE), request=RequestEffect(named, action))


def _is_stale(update: PaymentUpdate, payment: Payment) -> bool:
    """Whether this answer may have left the provider before the money arrived."""
    if update.trigger != machine.QUERY or payment.paid_at is None:
        return False
    return update.seen_at - payment.paid_at < FRESH


def _decide_closed(update: PaymentUpdate, context: PaymentContext) -> Decision:
    """A provider that closes a trade that it was paid for has reversed the money: a person must know.

    While the money is fresh the answer to a query may be older than it: then the provider is queried once more.
    """
    payment = context.payment
    if payment.is_undecided:
        return Decision(Outcome.CLOSED_NOTED, Effect.CLOSE)
    if payment.is_paid and not context.refunds.live:
        return (
            Decision(Outcome.NOTED, Effect.QUERY_LATER)
            if _is_stale(update, payment)
            else _case(Outcome.REVERSED)
        )
    return _DUPLICATE if payment.is_closed else _NOTED


def _decide_unclear(payment: Payment) -> Decision:
    """Money may have moved in a way that nobody here knows: for a person, and the provider says what is so."""
    query = None if payment.is_settled else Effect.QUERY
    return Decision(Outcome.UNCLEAR, query, cases=(Outcome.UNCLEAR,))
