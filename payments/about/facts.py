"""What payments know of orders for the sentence of truth: their money, open cases, waiting requests, silent providers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from orders.models import Order, OrderStatus
from orders.truth.facts import Facts, Money, TruthLine
from ordersite.lib.money import ZERO
from payments.about.case_lines import case_line, urgency
from payments.about.request_lines import WaitingRequest, request_line
from payments.about.silence import is_silent, silence_line
from payments.models import (
    Payment,
    PaymentException,
    PaymentNotification,
    PaymentQuery,
    RefundRequest,
    RevivalRequest,
    SettlementRequest,
)

_READ = (
    "id", "order_id", "account_id", "reference", "amount", "refunded_amount", "is_surplus", "status", "last_answer",
    "last_answer",
    "account__provider", "account__slug", "account__failures_in_a_row", "account__next_call_at",
)  # fmt: skip


def facts_of(orders: Sequence[Order]) -> dict[int, Facts]:
    """The facts of each order, by its id. At most five queries, however many orders there are."""
    ids = [order.pk for order in orders]
    payments: dict[int, list[Payment]] = defaultdict(list)
    rows = Payment.objects.of_orders(ids).select_related("account").only(*_READ)
    for payment in rows.order_by("pk"):
        payments[payment.order_id].append(payment)
    money = {order_id: money_of(mine) for order_id, mine in payments.items()}
    cases, requests = _cases(orders, payments, money), _requests(orders)
    unpaid = [order for order in orders if order.status == OrderStatus.PENDING and not _kept(money, order)]
    silent = _silences({order.pk: payments.get(order.pk, ()) for order in unpaid})
    return {
        pk: Facts(money.get(pk, Money()), cases.get(pk, ()), requests.get(pk, ()), silent.get(pk))
        for pk in ids
    }


def _kept(money: Mapping[int, Money], order: Order) -> bool:
    return order.pk in money and money[order.pk].kept > ZERO


def money_of(payments: Sequence[Payment]) -> Money:
    """The money of an order's attempts."""
    settled = [payment for payment in payments if payment.is_settled]
    surplus = [payment.amount - payment.refunded_amount for payment in settled if payment.is_surplus]
    return Money(
        received=sum((payment.amount for payment in settled), ZERO),
        refunded=sum((payment.refunded_amount for payment in settled), ZERO),
        surplus=sum(surplus, ZERO),
    )


def _cases(
    orders: Sequence[Order], payments: Mapping[int, Sequence[Payment]], money: Mapping[int, Money]
) -> dict[int, list[TruthLine]]:
    """The open cases of each order: those that know of money first, then the newest. One query."""
    by_id = {order.pk: order for order in orders}
    found: dict[int, list[TruthLine]] = defaultdict(list)
    rows = PaymentException.objects.open().filter(order_id__in=sorted(by_id)).order_by("-pk")
    for case in sorted(rows, key=urgency):
        order = by_id[case.order_id or 0]
        mine = {payment.pk: payment for payment in payments.get(order.pk, ())}
        about = mine.get(case.payment_id or 0)
        found[order.pk].append(case_line(case, order, payment=about, money=money.get(order.pk, Money())))
    return found


def _requests(orders: Sequence[Order]) -> dict[int, list[TruthLine]]:
    """The requests of each order that have not ended. One query over three tables."""
    by_id = {order.pk: order for order in orders}
    columns = ("order_id", "pk", "amount", "status", "since", "proposer__username")
    settlements = WaitingRequest.rows(SettlementRequest.objects.waiting(), "settlement", since="proposed_at")
    revivals = WaitingRequest.rows(RevivalRequest.objects.waiting(), "revival", since="proposed_at")
    refunds = WaitingRequest.rows(RefundRequest.objects.live(), "refund", since="created_at")
    ours = [
        rows.filter(order_id__in=sorted(by_id)).values_list("kind", *columns)
        for rows in (settlements, revivals, refunds)
    ]
    found: dict[int, list[TruthLine]] = defaultdict(list)
    for row in ours[0].union(*ours[1:], all=True):
        request = WaitingRequest(*row)
        found[request.order_id].append(request_line(request, by_id[request.order_id]))
    return found


def _silences(payments: Mapping[int, Sequence[Payment]]) -> dict[int, TruthLine]:
    """A line for each of these unpaid orders whose provider does not answer. At most two queries."""
    undecided = {
        payment.pk: payment for mine in payments.values() for payment in mine if payment.is_undecided
    }
    if not undecided:
        return {}
    answers = {row.payment_id: row for row in PaymentQuery.objects.latest_of(undecided)}
    failed = {pk: payment for pk, payment in undecided.items() if is_silent(payment, answers.get(pk))}
    notified = _notified(failed.values()) if failed else set()
    return {
        payment.order_id: silence_line(
            payment, answers.get(payment.pk), is_notified=payment.reference in notified
        )
        for payment in failed.values()
    }


def _notified(payments: Iterable[Payment]) -> set[str]:
    """The references of those attempts for which a genuine notification has come."""
    references = [payment.reference for payment in payments]
    verified = PaymentNotification.objects.verified().filter(reference__in=sorted(references))
    return set(verified.values_list("reference", flat=True))
