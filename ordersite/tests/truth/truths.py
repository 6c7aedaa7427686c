"""What must hold, whatever happened: read from the two sides' own books and compared."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from orders.machine import ROWS
from orders.models import Order, OrderEvent, OrderStatus
from ordersite.tests.truth.bank import Bank, Trade
from payments.models import Payment, PaymentException, PaymentStatus, Refund

ZERO = Decimal("0.00")
EDGES = {(row.source, row.target) for row in ROWS}


def check_history(orders: Iterable[int]) -> None:
    """Each order: numbered lines without a gap, each change of state once, from where the last one ended."""
    lines: dict[int, list[OrderEvent]] = {}
    for line in OrderEvent.objects.filter(order_id__in=orders).order_by("order_id", "seq"):
        lines.setdefault(line.order_id, []).append(line)
    for order in Order.objects.filter(pk__in=orders):
        mine = lines[order.pk]
        assert [line.seq for line in mine] == list(range(1, len(mine) + 1))
        state = ""
        for line in mine:
            if line.kind == OrderEvent.EventKind.TRANSITION:
                assert line.from_status == state, (order.number, line)
                assert (line.from_status, line.to_status) in EDGES
            state = line.to_status or state
        assert state == order.status, order.number
        check_no_goods_for_nothing(order, mine)


def check_no_goods_for_nothing(order: Order, lines: Iterable[OrderEvent]) -> None:
    """Nothing leaves the house unpaid."""
    reached = [line.to_status for line in lines if line.to_status]
    if OrderStatus.SHIPPED in reached:
        assert OrderStatus.PAID in reached[: reached.index(OrderStatus.SHIPPED)]
        assert order.paid_at


def check_goods(orders: Iterable[int]) -> None:
    """No more is sent than was bought, and a part with the money of the rest given back is no order that still waits."""
    for order in Order.objects.filter(pk__in=orders).prefetch_related("lines__shipped"):
        [line] = order.lines.all()
        sent = sum(one.quantity for one in line.shipped.all())
        assert sent <= line.quantity, order.number
        rest = line.unit_price * (line.quantity - sent)
        if sent and rest and order.refunded_amount == rest and not order.is_stopped:
            assert order.status != OrderStatus.PAID, (order.number, sent, rest)


def check_money(bank: Bank, orders: Iterable[int]) -> None:
    """Money in = applied to orders + in a person's queue − given back: for each trade, and in all."""
    payments = list(Payment.objects.filter(order_id__in=orders).select_related("order"))
    for payment in payments:
        trade = bank.trades.get(payment.reference)
        if trade is not None:
            _check_trade(trade, payment)
    mains: dict[int, list[Payment]] = {}
    for payment in payments:
        if payment.is_settled and not payment.is_surplus:
            mains.setdefault(payment.order_id, []).append(payment)
    for order in Order.objects.filter(pk__in=orders):
        _check_order(order, mains.get(order.pk, []))


def _check_order(order: Order, mains: list[Payment]) -> None:
    """One payment pays an order, and its refunds are the order's; what an unpaid one has taken waits for a person."""
    if order.status in (OrderStatus.PENDING, OrderStatus.CLOSED):
        for payment in mains:
            kinds = set(PaymentException.objects.filter(payment=payment).values_list("kind", flat=True))
            assert "order_refused" in kinds, (order.number, kinds)
        return
    assert len(mains) == 1, order.number
    assert order.refunded_amount == mains[0].refunded_amount, order.number
    assert (order.status == OrderStatus.REFUNDED) == mains[0].is_refunded, order.number


def _check_trade(trade: Trade, payment: Payment) -> None:
    if trade.paid is None:
        assert not payment.is_settled, payment.reference
        return
    cases = set(PaymentException.objects.filter(payment=payment).values_list("kind", flat=True))
    if trade.paid != payment.amount:
        assert not payment.is_settled
        assert "amount_mismatch" in cases, payment.reference
        return
    assert payment.is_settled, (payment.reference, payment.status)
    given_back = dict(Refund.objects.filter(payment=payment).values_list("refund_reference", "amount"))
    with_a_person = {
        number: trade.refunds[number] for number in _in_the_queue(payment) if number not in given_back
    }
    both = sum(given_back.values(), ZERO) + sum(with_a_person.values(), ZERO)
    assert both == trade.refunded, (given_back, with_a_person, trade.refunds)
    if not with_a_person:
        assert payment.refunded_amount == trade.refunded, payment.reference
        assert (payment.status == PaymentStatus.REFUNDED) == (trade.refunded == trade.paid)
    if payment.is_surplus:
        # Surplus that had gone back whole before we saw it leaves nothing to decide but who gave it back.
        wanted = {"refund_event", "order_refused"} if payment.is_refunded else set()
        assert cases & {"already_paid", "order_closed", *wanted}, payment.reference


def _in_the_queue(payment: Payment) -> set[str]:
    """Refunds of money that we had not seen come in all our patience: each is a case that names it."""
    details = PaymentException.objects.filter(payment=payment, kind="refund_event").values_list(
        "detail", flat=True
    )
    return {str(detail.get("refund_reference", "")) for detail in details} - {""}
