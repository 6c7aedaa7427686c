"""The sentence of an order's state. What its money did comes first: no order is called unpaid whose money is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.translation import gettext as _

from orders.models import Order, OrderStatus
from orders.truth.facts import BuyerWords, Money, TruthLine
from ordersite.lib.durations import time_since, time_until
from ordersite.lib.money import ZERO, display_amount


@dataclass(frozen=True, slots=True)
class StateWords:
    """Words for the orders of one page, all at the same moment (UTC)."""

    at: datetime

    def line(self, order: Order, money: Money) -> TruthLine:
        """The line about the state of an order with this money."""
        words: Mapping[str, Callable[[Order, Money], TruthLine]] = {
            OrderStatus.PENDING: self._pending,
            OrderStatus.PAID: self._paid,
            OrderStatus.SHIPPED: self._shipped,
            OrderStatus.COMPLETED: _completed,
            OrderStatus.CLOSED: _closed,
            OrderStatus.REFUNDED: _refunded,
        }
        return words[order.status](order, money)

    def _pending(self, order: Order, money: Money) -> TruthLine:
        if money.kept > ZERO:
            return _pending_received(money)
        line = self._unpaid(order)
        if not money.is_returned:
            return line
        back = _("%(amount)s was received and has gone back.") % {"amount": display_amount(money.refunded)}
        return _with(replace(line, code=f"{line.code}_returned"), back, back, back)

    def _unpaid(self, order: Order) -> TruthLine:
        if order.closing_at:
            return self._closing(order.closing_at)
        if order.close_due_at <= self.at:
            return _overdue()
        words = _("Waiting for the buyer's payment. Closes by itself in %(time)s.")
        return TruthLine(
            code="pending",
            tone="waiting",
            staff=words % {"time": time_until(order.close_due_at, self.at)},
            merchant=_("Waiting for the buyer's payment."),
            buyer=BuyerWords(
                _("Waiting for payment"), _("As soon as the payment arrives, the warehouse starts packing.")
            ),
        )

    def _closing(self, since: datetime) -> TruthLine:
        words = _("Being closed: the payment provider is queried first, for %(time)s.")
        return TruthLine(
            code="pending_closing",
            tone="waiting",
            staff=words % {"time": time_since(since, self.at)},
            merchant=_("Being closed: the payment provider is queried first whether the buyer has paid."),
            buyer=BuyerWords(
                _("The order is being closed"),
                _("The payment provider is queried first. If you have paid, your money is not lost."),
            ),
        )

    def _paid(self, order: Order, money: Money) -> TruthLine:
        if money.is_returned:
            return _returned("paid_returned", money)
        if order.held:
            return _held(order, money)
        if order.refunds_pending > ZERO:
            return _refunding(order, money)
        line = TruthLine(
            code="paid",
            tone="moving",
            staff=_("Waiting for the warehouse for %(time)s.") % {"time": time_since(order.paid_at, self.at)},
            merchant=_("Paid. Waiting for the warehouse to ship."),
            buyer=BuyerWords(_("The warehouse is packing"), _("Once it ships, its way shows on this page.")),
        )
        return _with_refunds(line, order, money)

    def _shipped(self, order: Order, money: Money) -> TruthLine:
        if money.is_returned:
            return _returned("shipped_returned", money)
        since = {"time": time_since(order.shipped_at, self.at)}
        line = TruthLine(
            code="shipped",
            tone="moving",
            staff=_("On its way for %(time)s, not signed for yet.") % since,
            merchant=_("On its way to the buyer."),
            buyer=BuyerWords(_("Shipped"), _("Your parcel is on its way.")),
        )
        return _with_refunds(line, order, money)


def _overdue() -> TruthLine:
    return TruthLine(
        code="pending_overdue",
        tone="waiting",
        staff=_("Overdue: it is closed in a moment."),
        merchant=_("The time to pay is over; the order is closed in a moment."),
        buyer=BuyerWords(_("The time to pay is over"), _("The order is closed in a moment.")),
    )


def _pending_received(money: Money) -> TruthLine:
    amount = {"amount": display_amount(money.kept)}
    return TruthLine(
        code="pending_received",
        tone="bad",
        staff=_("%(amount)s was received, but the order did not become paid: a person has to look.") % amount,
        merchant=_("The buyer's payment of %(amount)s was received and is being looked into.") % amount,
        buyer=received_words(),
        mark=_("money received"),
    )


def received_words() -> BuyerWords:
    """For a buyer whose money is here, whatever the order made of it."""
    return BuyerWords(
        _("Your payment was received"), _("The shop is looking into it. You need not pay again.")
    )


def being_checked_words() -> BuyerWords:
    """For a buyer of whom nobody knows yet whether the money is here."""
    return BuyerWords(
        _("Your payment is being checked"),
        _("The shop is looking into it. If you have paid, you need not pay again."),
    )


def _held(order: Order, money: Money) -> TruthLine:
    line = TruthLine(
        code="paid_held",
        tone="bad",
        staff=_("Paid and held: it does not ship until somebody releases it."),
        merchant=_("This order is held for review. It does not ship until it is released."),
        buyer=BuyerWords(_("Paid"), _("The shop checks the order before it ships.")),
    )
    return _with_refunds(line, order, money)


def _refunding(order: Order, money: Money) -> TruthLine:
    amount = {"amount": display_amount(order.refunds_pending)}
    line = TruthLine(
        code="paid_refunding",
        tone="waiting",
        staff=_("%(amount)s is being refunded: the order does not ship until that has ended.") % amount,
        merchant=_("Money of this order is on its way back. It does not ship until that has ended."),
        buyer=BuyerWords(_("A refund is under way"), _("The order does not ship until that has ended.")),
    )
    return _with_refunds(line, order, money)


def _completed(order: Order, money: Money) -> TruthLine:
    if money.is_returned:
        return _returned("completed_returned", money)
    line = TruthLine(
        code="completed",
        tone="good",
        staff=_("Done: signed for."),
        merchant=_("Signed for. Nothing left to do."),
        buyer=BuyerWords(_("Signed for"), _("The order is complete.")),
    )
    return _with_refunds(line, order, money)


def _returned(code: str, money: Money) -> TruthLine:
    """All money has gone back, but the order does not say refunded: a provider did what nobody here requested."""
    amount = {"amount": display_amount(money.refunded)}
    return TruthLine(
        code=code,
        tone="bad",
        staff=_("All of the money has gone back (%(amount)s), but the order is not refunded.") % amount,
        merchant=_("All of the money (%(amount)s) has gone back to the buyer.") % amount,
        buyer=_refunded_words(amount),
        mark=_("money gone back"),
    )


def _refunded_words(amount: Mapping[str, str]) -> BuyerWords:
    return BuyerWords(_("The order is refunded"), _("%(amount)s went back the way you paid.") % amount)


def _closed(order: Order, money: Money) -> TruthLine:
    if money.kept > ZERO:
        return _closed_received(money)
    if money.is_returned:
        amount = {"amount": display_amount(money.refunded)}
        return TruthLine(
            code="closed_returned",
            tone="plain",
            staff=_("Closed. %(amount)s arrived after the closing and has gone back whole.") % amount,
            merchant=_("Closed. %(amount)s arrived after the closing and has gone back whole.") % amount,
            buyer=_refunded_words(amount),
            mark=_("late payment refunded"),
        )
    return TruthLine(
        code="closed_unpaid",
        tone="plain",
        staff=_("Closed without payment. Nothing is left to do."),
        merchant=_("Closed without payment."),
        buyer=BuyerWords(_("The order is closed"), _("It was not paid, so nothing is sent.")),
    )


def _closed_received(money: Money) -> TruthLine:
    amount = {"amount": display_amount(money.kept)}
    return TruthLine(
        code="closed_received",
        tone="bad",
        staff=_("Closed. %(amount)s arrived after the closing and has not gone back.") % amount,
        merchant=_("Closed. %(amount)s arrived after the closing and has not gone back.") % amount,
        buyer=BuyerWords(
            _("Your payment was received"),
            _("The order was closed before. The shop sends the money back or revives the order."),
        ),
        mark=_("money received"),
    )


def _refunded(order: Order, money: Money) -> TruthLine:
    back = {"amount": display_amount(order.refunded_amount or order.total_amount)}
    line = TruthLine(
        code="refunded",
        tone="plain",
        staff=_("Refunded in full: %(amount)s.") % back,
        merchant=_("The money went back to the buyer: %(amount)s.") % back,
        buyer=_refunded_words(back),
    )
    return _with_surplus(line, money)


def _with_refunds(line: TruthLine, order: Order, money: Money) -> TruthLine:
    """Add what went back in part, and what came on top and is still here."""
    if order.refunded_amount > ZERO:
        back = _("%(amount)s is refunded.") % {"amount": display_amount(order.refunded_amount)}
        line = replace(_with(line, back, back, back), mark=_("partly refunded"))
    return _with_surplus(line, money)


def _with_surplus(line: TruthLine, money: Money) -> TruthLine:
    if money.surplus <= ZERO:
        return line
    amount = {"amount": display_amount(money.surplus)}
    staff = _("%(amount)s that was paid on top has not gone back.") % amount
    buyer = _("%(amount)s that you paid on top goes back to you.") % amount
    return replace(_with(line, staff, staff, buyer), mark=_("paid too much"))


def _with(line: TruthLine, staff: str, merchant: str, buyer: str) -> TruthLine:
    """The line with one more sentence for each reader."""
    words = line.buyer or BuyerWords("", "")
    return replace(
        line,
        staff=join(line.staff, staff),
        merchant=join(line.merchant, merchant),
        buyer=BuyerWords(words.title, join(words.text, buyer)),
    )


def join(first: str, second: str) -> str:
    """Two sentences one after the other, as the reader's language sets them."""
    return _("%(first)s %(second)s") % {"first": first, "second": second}
