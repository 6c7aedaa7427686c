"""Advice for each kind of case, and the remedies that fit a case."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from orders.models import OrderStatus
from ordersite.lib.money import ZERO
from payments.models import PaymentException, StatementLine
from payments.models.case import SURPLUS_KINDS

Kind = PaymentException.Kind
WHAT_TO_DO: Mapping[str, Promise] = {
    Kind.UNKNOWN_ORDER: _(
        "Money arrived under a number that is not ours. Find the order with the buyer's name and amount, then propose "
        "a manual settlement; if there is no order, refund it at the provider and resolve the case."
    ),
    Kind.AMOUNT_MISMATCH: _(
        "The amount received is not the amount due. Compare both with the provider's page. Too little or too much: "
        "refund it at the provider and let the buyer pay again; our own mistake: propose a manual settlement."
    ),
    Kind.WRONG_ACCOUNT: _(
        "The notification names another account than the one that it arrived at. Check the account's settings; when "
        "they are right again, replay the notification."
    ),
    Kind.ALREADY_PAID: _(
        "The order was paid already, this money is a second payment. Refund it. A second trade on the same number can "
        "only be refunded at the provider."
    ),
    Kind.ORDER_CLOSED: _(
        "The money arrived after the order was closed. Ask the buyer: refund it, or propose to revive the order if "
        "the goods are in stock."
    ),
    Kind.REFUND_EVENT: _(
        "The provider gave money back that nobody here requested. Find out who did it at the provider, stop the "
        "parcel if it has not left, then resolve the case. An order that is held may be released if the rest of its "
        "money is enough."
    ),
    Kind.REFERENCE_CONFLICT: _(
        "One trade of the provider claims to pay two orders. Look up the trade at the provider, see which order it is "
        "of, and settle the other one by its own number if its money is there."
    ),
    Kind.ORDER_REFUSED: _(
        "The money is there, but the machine's rule for it is switched off. Switch the rule on and replay the "
        "notification, or refund the money."
    ),
    Kind.REVERSED: _(
        "The provider took the payment back (a chargeback or a reversal). Stop the parcel if it has not left, ask the "
        "provider for the reason, then resolve the case."
    ),
    Kind.UNCLEAR: _(
        "The provider sent a message in a form that is not known here, and money may have moved. Read the message and "
        "look at the provider's page; what was paid is settled by hand or refunded there, then resolve the case."
    ),
    Kind.REFUND_TROUBLE: _(
        "A refund does not get through. See the provider's reason, put it right there (mostly the buyer's bank card), "
        "then have the refund tried again; if it failed for good, refund the buyer another way and note how."
    ),
    Kind.STATEMENT_DIFFERENCE: _(
        "The provider's statement and our books differ. Compare the line with the order; money that is there without "
        "an order paid is settled from the statement or by hand."
    ),
    Kind.BAD_SIGNATURES: _(
        "Calls with bad signatures come to this account. If the provider changed its key, change it here and replay "
        "the calls; otherwise somebody is trying the address, and nothing was applied."
    ),
    Kind.PROVIDER_SILENT: _(
        "The provider has not answered for a day. Look at its page whether the payment is there, query it again, and "
        "call operations if its interface is down."
    ),
    Kind.POISON: _(
        "The notification could not be worked on eight times. Give the number to operations; once the cause is put "
        "right, replay it."
    ),
}
# What these ask for is over once the order is paid.
_ABOUT_UNPAID = frozenset({
    Kind.AMOUNT_MISMATCH, Kind.WRONG_ACCOUNT, Kind.REFERENCE_CONFLICT, Kind.ORDER_REFUSED, Kind.PROVIDER_SILENT,
    Kind.STATEMENT_DIFFERENCE,
})  # fmt: skip
_ORDER_IS_PAID = _(
    "The order is paid: it needs no manual settlement. See whether this money came on top; if so, refund it at the "
    "provider. Then resolve the case."
)
ORDER_MOVED_ON: Mapping[str, Promise] = {
    OrderStatus.PAID: _ORDER_IS_PAID,
    OrderStatus.SHIPPED: _ORDER_IS_PAID,
    OrderStatus.COMPLETED: _ORDER_IS_PAID,
    OrderStatus.REFUNDED: _(
        "The order was refunded in full: it needs no money any more. If this money is still there, refund it at the "
        "provider. Then resolve the case."
    ),
    OrderStatus.CLOSED: _(
        "The order is closed: this money cannot settle it. Refund it at the provider, then resolve the case."
    ),
}
_REPLAYABLE = (
    Kind.UNKNOWN_ORDER, Kind.AMOUNT_MISMATCH, Kind.WRONG_ACCOUNT, Kind.REFERENCE_CONFLICT, Kind.ORDER_REFUSED,
    Kind.REFUND_EVENT, Kind.UNCLEAR, Kind.POISON,
)  # fmt: skip
_SETTLEABLE = (
    Kind.UNKNOWN_ORDER, Kind.AMOUNT_MISMATCH, Kind.WRONG_ACCOUNT, Kind.REFERENCE_CONFLICT, Kind.UNCLEAR,
    Kind.STATEMENT_DIFFERENCE, Kind.PROVIDER_SILENT,
)  # fmt: skip


def what_to_do(case: PaymentException) -> str | Promise:
    """The advice for the person who works on the case."""
    general = WHAT_TO_DO.get(case.kind, "")
    if case.kind not in _ABOUT_UNPAID or case.order is None or _is_missing_there(case):
        return general
    return ORDER_MOVED_ON.get(case.order.status, general)


def _is_missing_there(case: PaymentException) -> bool:
    """Whether the books hold a payment that a statement lacks: its order is paid, and that is the trouble."""
    return case.detail.get("difference") == StatementLine.Result.MISSING_THERE


def can_refund(case: PaymentException) -> bool:
    """Whether the case is about surplus money, or money that the order refused; never about a living order's money."""
    payment = case.payment
    if not case.is_open or payment is None or not payment.refundable_amount > ZERO:
        return False
    return payment.is_surplus if case.kind in SURPLUS_KINDS else case.kind == Kind.ORDER_REFUSED


def can_revive(case: PaymentException) -> bool:
    """Whether the case is about money that arrived after its order was closed, and is still here."""
    payment = case.payment
    is_late = (
        case.kind == Kind.ORDER_CLOSED and payment is not None and payment.is_surplus and payment.is_paid
    )
    return case.is_open and is_late


def can_settle(case: PaymentException) -> bool:
    """Whether a manual settlement can end the case: never where its order takes no money any more."""
    is_payable = case.order is None or case.order.status == OrderStatus.PENDING
    return case.is_open and is_payable and case.kind in _SETTLEABLE


def can_replay(case: PaymentException) -> bool:
    """Whether replaying its notification can end the case."""
    return case.is_open and case.kind in _REPLAYABLE and case.notification_id is not None


def can_query(case: PaymentException) -> bool:
    """Whether the case is about an attempt that the provider can still be polled about."""
    return case.is_open and case.payment is not None and case.payment.is_undecided
