"""An open case in the words of each reader. What the buyer reads never contradicts the money that is here."""

from __future__ import annotations

from decimal import Decimal

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from orders.models import Order, OrderStatus
from orders.truth.facts import BuyerWords, Money, TruthLine
from orders.truth.states import being_checked_words, received_words
from ordersite.lib.money import ZERO, display_amount
from payments.cases.remedies import what_to_do
from payments.models import Payment, PaymentException

Kind = PaymentException.Kind
Voices = tuple[str, BuyerWords | None]
_SILENT: Voices = ("", None)
# Money that is here and that the order did not take.
_RECEIVED = frozenset({Kind.ORDER_CLOSED, Kind.ORDER_REFUSED})
# Money that went back although nobody here requested it.
_WENT_BACK = frozenset({Kind.REFUND_EVENT, Kind.REVERSED})
_UNPAID = (OrderStatus.PENDING, OrderStatus.CLOSED)


_ABOUT_MONEY = _RECEIVED | _WENT_BACK | {Kind.ALREADY_PAID, Kind.REFUND_TROUBLE}


def urgency(case: PaymentException) -> int:
    """The place of a case among those of its order: what is known of money goes before what is unsure."""
    return 0 if case.kind in _ABOUT_MONEY else 1


def case_line(case: PaymentException, order: Order, *, payment: Payment | None, money: Money) -> TruthLine:
    """The line about a case. `payment`: the attempt that the case is about."""
    case.order = order  # loaded already: the advice asks for its state, for each row of a list
    kind, amount = capfirst(case.get_kind_display()), _amount(case, payment)
    merchant, buyer = _voices(case, order, payment, money)
    return TruthLine(
        code=f"case_{case.kind}",
        tone="bad",
        staff=f"{kind} {display_amount(amount)}" if amount else kind,
        merchant=merchant,
        buyer=buyer,
        advice=str(what_to_do(case)),
        mark=case.get_kind_display(),
        url_name="payments_paymentexception_change",
        url_id=case.pk,
    )


def _amount(case: PaymentException, payment: Payment | None) -> Decimal | None:
    """What the case is about in yuan: of a refund that nobody requested the part that went back."""
    if case.kind == Kind.REFUND_EVENT and payment and payment.refunded_amount > ZERO:
        return payment.refunded_amount
    return case.amount


def _voices(case: PaymentException, order: Order, payment: Payment | None, money: Money) -> Voices:
    """The words for merchant and buyer; none where the case does not concern them or its money is with the buyer."""
    is_returned = payment is not None and payment.is_refunded
    if case.kind in _RECEIVED:
        return _SILENT if is_returned else _received(_amount(case, payment))
    if case.kind == Kind.ALREADY_PAID:
        return _SILENT if is_returned else _twice(_amount(case, payment))
    if case.kind in _WENT_BACK:
        return _went_back(case, money)
    if case.kind == Kind.REFUND_TROUBLE:
        return _refund_trouble()
    # Whether the buyer has paid is not sure. What is known of the money says more than that.
    is_open = order.status in _UNPAID and money.received <= ZERO
    return _unsure() if is_open else _SILENT


def _received(amount: Decimal | None) -> Voices:
    if amount is None:
        return _("The buyer's payment was received and is being looked into."), received_words()
    merchant = _("The buyer's payment of %(amount)s was received and is being looked into.")
    return merchant % {"amount": display_amount(amount)}, received_words()


def _twice(amount: Decimal | None) -> Voices:
    sum_ = {"amount": display_amount(amount or ZERO)}
    return (
        _("The buyer has paid twice; %(amount)s on top is being looked into.") % sum_,
        BuyerWords(
            _("You have paid twice"),
            _("%(amount)s was paid on top. The shop is looking into it.") % sum_,
        ),
    )


def _went_back(case: PaymentException, money: Money) -> Voices:
    if case.kind == Kind.REVERSED:
        return (
            _("The payment provider has reversed the buyer's payment; it is being looked into."),
            BuyerWords(
                _("Your payment is being checked"),
                _("The payment provider has reversed it. The shop is looking into it."),
            ),
        )
    if money.refunded <= ZERO:
        return (
            _("The payment provider reports a refund that nobody asked for; it is being looked into."),
            BuyerWords(
                _("Your payment is being checked"),
                _("The payment provider reports a refund. The shop is looking into it."),
            ),
        )
    back = {"amount": display_amount(money.refunded)}
    return (
        _("%(amount)s went back to the buyer without a request; it is being looked into.") % back,
        BuyerWords(
            _("Refunded: %(amount)s") % back,
            _("The money went back the way you paid. The shop is looking into the order."),
        ),
    )


def _refund_trouble() -> Voices:
    return (
        _("A refund did not get through; it is being looked into."),
        BuyerWords(
            _("Your refund takes longer"), _("The refund did not get through. The shop is looking into it.")
        ),
    )


def _unsure() -> Voices:
    return _("It is being checked whether the buyer has paid."), being_checked_words()
