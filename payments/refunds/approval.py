"""Refunds as a kind of request that two persons decide, and when one person is enough.

Names the rights and the limit; `orders.approvals.workflow` checks them, and that nobody approves an own request.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orders import lifecycle
from orders.approvals.errors import unknown_request
from orders.approvals.kinds import Approval, Step
from orders.approvals.limits import is_within
from orders.approvals.order_kind import OrderKind, staff
from orders.changes import ReleaseRefund, ReserveRefund
from orders.history.lines import Evidence
from orders.models import MoneyLimit, Order
from ordersite.lib.money import ZERO
from ordersite.queue.wakeups import wake
from payments.models import Payment, RefundRequest, RefundStatus
from payments.refunds import errors

REFUND_TASK = "payments.order_refunds"
How = RefundRequest.DecidedBy
# The triggers of the history lines about an approval.
APPROVALS: Mapping[str, str] = {
    How.PERSON: "refund_approved",
    How.LIMIT: "refund_within_limit",
    How.RULE: "refund_by_rule",
    How.ALONE: "refund_approved_alone",
}


def lock_money(payment_id: int) -> tuple[Order, Payment]:
    """Lock the order and then its payment. Raises `DomainError` unknown_payment."""
    order_id = Payment.objects.filter(pk=payment_id).values_list("order_id", flat=True).first()
    if order_id is None:
        raise errors.unknown_payment(payment_id)
    order = lifecycle.lock([order_id])[order_id]
    # In a statement of its own: the account needs no lock.
    payment = Payment.objects.lock(payment_id)
    return order, payment


def approve_at_once(request: RefundRequest) -> None:
    """Approve a new request that needs no second person: the merchant's rule, or within the proposer's own limit."""
    how = _decided_at_once(request)
    if how:
        request.approve_at_once(timezone.now(), how)


def _decided_at_once(request: RefundRequest) -> str:
    """How a new request is approved without a second person; empty when it has to wait for one.

    What the person gave back of this payment before, alone, counts: a limit cannot be walked around in small steps.
    """
    if request.proposer is None:
        return How.RULE
    total = _alone_before(request) + request.amount
    return (
        How.LIMIT if is_within(request.proposer, MoneyLimit.LimitedAction.REFUND_ALONE, total) else How.NOBODY
    )


def _alone_before(request: RefundRequest) -> Decimal:
    own = RefundRequest.objects.effective().filter(payment_id=request.payment_id, proposer=request.proposer)
    return own.filter(decided_how=How.LIMIT).total_amount()


class RefundKind(OrderKind[RefundRequest]):
    """A proposed one reserves its amount on the order; an approved one is ordered at the provider, see `execute`."""

    name = "refund_request"
    trigger = "refund"
    event = "refund.proposed"
    model = RefundRequest
    may_propose = "payments.request_refund"
    may_approve = "payments.approve_refund"
    approve_limit = MoneyLimit.LimitedAction.APPROVE_REFUND
    tile = _("refunds to approve")
    since_column = "created_at"
    decision_columns = (
        "status", "decided_by", "decided_at", "decided_how", "decision_note", "next_try_at", "ended_at",
    )  # fmt: skip
    waiting_guard = {"status": RefundStatus.PROPOSED}
    longest_note = 200

    def lock(self, request_id: int) -> RefundRequest:
        payment_id = RefundRequest.objects.filter(pk=request_id).values_list("payment_id", flat=True).first()
        if payment_id is None:
            raise unknown_request(request_id)
        order, payment = lock_money(payment_id)
        request = RefundRequest.objects.lock(request_id)
        request.order, request.payment = order, payment
        return request

    def check(self, request: RefundRequest) -> None:
        """The provider may have given money back meanwhile without a request of ours."""
        payment, room = request.payment, request.payment.refundable_amount
        if room < ZERO or not payment.is_paid:
            raise errors.refund_exceeds(payment.reference, max(room + request.amount, ZERO))

    def apply(self, request: RefundRequest, approval: Approval) -> None:
        transaction.on_commit(lambda: wake(REFUND_TASK))

    def release(self, request: RefundRequest, step: Step, user: AbstractUser, note: str) -> None:
        proof = self.evidence(request)
        change = ReleaseRefund(request.order_id, request.reserved_amount, staff(user), proof, note)
        lifecycle.apply_one(request.order, change)

    def record(self, request: RefundRequest, step: Step, user: AbstractUser | None, note: str) -> Evidence:
        """A proposal reserves the amount, which writes its line; the end of the reservation writes that of a refusal."""
        if step is Step.APPROVED:
            return super().record(request, step, user, note)
        proof = self.evidence(request)
        if step is Step.PROPOSED:
            change = ReserveRefund(request.order_id, request.reserved_amount, staff(user), proof, note)
            lifecycle.apply_one(request.order, change)
        return proof

    def trigger_of(self, request: RefundRequest, step: Step) -> str:
        return APPROVALS[request.decided_how]

    def evidence(self, request: RefundRequest) -> Evidence:
        return Evidence(self.name, request.reference)


REFUND = RefundKind()
