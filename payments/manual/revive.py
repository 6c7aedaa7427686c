"""Revival: two persons decide that an order which was paid after it was closed is delivered after all.

Lock order: order, attempts, request, case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders import lifecycle, machine
from orders.approvals import workflow
from orders.approvals.errors import proposal_waiting, unknown_request
from orders.approvals.kinds import Approval
from orders.approvals.order_kind import OrderKind, staff
from orders.changes import Move, Result
from orders.errors import refused
from orders.machine import Action
from orders.models import MoneyLimit, Order, OrderStatus
from ordersite.database import bulk
from ordersite.lib.money import ZERO
from payments.cases import desk
from payments.manual.errors import (
    amount_is_not_the_order,
    not_a_late_payment,
    refund_under_way,
    stock_not_confirmed,
)
from payments.models import (
    Payment,
    PaymentException,
    PaymentExceptionStep,
    PaymentStatus,
    RevivalRequest,
)


def propose(
    payment_id: int, *, user: AbstractUser, reason: str, stock_confirmed: bool, case_id: int | None = None
) -> RevivalRequest:
    """Put on record that the order of this late payment shall live again. Nothing is changed by it.

    Raises `DomainError`: not_allowed, reason_missing, stock_not_confirmed, not_a_late_payment, refund_under_way,
    amount_is_not_the_order, proposal_waiting.
    """

    def draft(note: str) -> RevivalRequest:
        if not stock_confirmed:
            raise stock_not_confirmed()
        order, payment = _lock_money(payment_id)
        _check_proposal(order, payment)
        request = RevivalRequest(
            order=order,
            payment=payment,
            case_id=case_id,
            amount=payment.amount,
            reason=note,
            proposer_id=user.pk,
            stock_confirmed=True,
            stock_confirmed_by_id=user.pk,
        )
        request.save(force_insert=True)
        if case_id is not None:
            step = PaymentExceptionStep.Action.REVIVAL_PROPOSED
            desk.add_step(case_id, step, user_id=user.pk, note=str(request))
        return request

    return workflow.propose(REVIVAL, draft, user=user, reason=reason)


def _lock_money(payment_id: int) -> tuple[Order, Payment]:
    order_id = Payment.objects.values_list("order_id", flat=True).get(pk=payment_id)
    order = lifecycle.lock([order_id])[order_id]
    return order, Payment.objects.lock(payment_id)


def _check_proposal(order: Order, payment: Payment) -> None:
    _check_revivable(order, payment)
    if RevivalRequest.objects.waiting().filter(order=order).exists():
        raise proposal_waiting(gettext("order %(number)s") % {"number": order.number})


def _check_revivable(order: Order, payment: Payment) -> None:
    is_there = payment.is_paid and payment.is_surplus and payment.refunded_amount == ZERO
    if order.status != OrderStatus.CLOSED or not is_there:
        raise not_a_late_payment()
    if payment.amount != order.total_amount:
        raise amount_is_not_the_order(payment.amount, order.total_amount)
    if payment.refund_requests.live().exists():
        raise refund_under_way()


def _revive(order: Order, payment: Payment, approval: Approval) -> None:
    actor = staff(approval.user)
    move = Move(order.pk, Action.REVIVE, machine.LATE_PAYMENT, actor, approval.proof)
    outcome = lifecycle.apply_one(order, move)
    if outcome.result is not Result.DONE:
        raise refused(outcome.code, order.number)
    payment.is_surplus = False
    guard: Mapping[str, Any] = {"status": PaymentStatus.PAID}
    if bulk.update_rows(Payment, [payment], ("is_surplus",), guard=guard) != 1:
        raise RuntimeError("a locked payment was changed")


def _open_cases(payment: Payment) -> list[int]:
    late = PaymentException.objects.open().filter(payment=payment, kind=PaymentException.Kind.ORDER_CLOSED)
    return list(late.order_by("pk").values_list("pk", flat=True))


class Revival(OrderKind[RevivalRequest]):
    """An approved one makes the closed order paid by its late payment, and resolves the cases of that payment."""

    name = "revival_request"
    trigger = "revival"
    event = "revival.proposed"
    model = RevivalRequest
    may_propose = "payments.propose_revivalrequest"
    may_approve = "payments.approve_revivalrequest"
    approve_limit = MoneyLimit.LimitedAction.APPROVE_REVIVAL
    tile = _("revivals to review")

    def lock(self, request_id: int) -> RevivalRequest:
        payment_id = RevivalRequest.objects.values_list("payment_id", flat=True).filter(pk=request_id).first()
        if payment_id is None:
            raise unknown_request(request_id)
        order, payment = _lock_money(payment_id)
        request = RevivalRequest.objects.lock(request_id)
        request.order, request.payment = order, payment
        return request

    def check(self, request: RevivalRequest) -> None:
        _check_revivable(request.order, request.payment)

    def apply(self, request: RevivalRequest, approval: Approval) -> None:
        _revive(request.order, request.payment, approval)
        desk.resolve_all(_open_cases(request.payment), user=approval.user, note=approval.note)

    def facts(self, request: RevivalRequest) -> dict[str, Any]:
        confirmed_by = request.stock_confirmed_by
        return {
            "payment": request.payment.reference,
            "stock_confirmed_by": confirmed_by.get_username() if confirmed_by else "",
        }


REVIVAL = Revival()
