"""Refunds surplus payments by the merchant's rule: money for a closed order, or for one that is paid already.

The payment door (`payments.lifecycle.decide`) finds that money is surplus and opens the case; this acts on it where the
merchant's rule is to refund. It never revives an order. Where the refund is refused, the case stays open, with the
reason among its steps.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from orders import lifecycle
from orders.models.merchant import LatePayments
from ordersite.lib.errors import DomainError
from ordersite.queue.relay import Answer, Delivered
from payments.cases import desk
from payments.models import Payment, PaymentException, PaymentExceptionStep, RefundRequest
from payments.models.case import SURPLUS_KINDS
from payments.refunds.request import request_refund

Action = PaymentExceptionStep.Action
# Stored in the refund request and in the history, in English.
REASON = "late payment, refunded by the merchant's rule"


def handle_exception_raised(events: Sequence[Delivered]) -> Sequence[Answer]:
    """Request the refund of these cases' money. Runs in the relay's transaction; running again changes nothing."""
    ids = [event.subject_id for event in events if event.payload.get("kind") in SURPLUS_KINDS]
    # All orders at once, by primary key: nobody else can request this money from here on.
    lifecycle.lock(case.order_id for case in _cases_by_rule(ids) if case.order_id is not None)
    # Read again under the lock: an order may have been revived meanwhile, and its money is surplus no more.
    for case in _cases_by_rule(ids):
        if case.payment is not None:
            _refund(case, case.payment)
    return [None] * len(events)


def _cases_by_rule(ids: Sequence[int]) -> list[PaymentException]:
    """Open cases about surplus money of merchants whose rule is to refund.

    A second trade on the attempt that paid the order is not surplus: its refund would take that order's money. Neither is
    money of which the provider has given back nobody knows how much: a person looks first.
    """
    returned = PaymentException.objects.open().filter(kind=PaymentException.Kind.REFUND_EVENT)
    cases = PaymentException.objects.open().about_surplus()
    cases = cases.filter(pk__in=ids, order__merchant__late_payments=LatePayments.REFUND)
    cases = cases.exclude(payment__in=returned.filter(payment__isnull=False).values("payment"))
    return list(cases.select_related("payment").order_by("order_id", "pk"))


def _refund(case: PaymentException, payment: Payment) -> None:
    amount = payment.refundable_amount
    # The rule requests once; when its request fails, a person decides.
    if not amount or RefundRequest.objects.filter(payment=payment, proposer__isnull=True).exists():
        return
    try:
        with transaction.atomic():
            request = request_refund(payment.pk, amount, actor_user=None, reason=REASON)
    except DomainError as refused:
        desk.add_step(case.pk, Action.NOTED, note=f"refund by rule: {refused}")
        return
    desk.add_step(case.pk, Action.REFUND_REQUESTED, note=request.reference)
