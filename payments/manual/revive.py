"""Revival: an order that was paid after it was closed is delivered after all. Two persons decide, with the goods there.

Lock order: order, attempts, request, case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from orders import lifecycle, machine
from orders.changes import Move, Result
from orders.errors import refused
from orders.history.lines import Evidence
from orders.machine import Action
from orders.models import Order, OrderStatus
from ordersite.database import bulk
from ordersite.lib.money import ZERO
from ordersite.queue import outbox
from payments.approvals.errors import decision_note_missing, reason_missing
from payments.approvals.workflow import (
    REVIVAL,
    Desk,
    check_approver,
    check_proposer,
    decision_words,
    save_decision,
    staff,
    words_of,
)
from payments.cases import desk
from payments.manual.errors import (
    amount_is_not_the_order,
    not_a_late_payment,
    proposal_waiting,
    refund_under_way,
    stock_not_confirmed,
)
from payments.models import (
    Payment,
    PaymentException,
    PaymentExceptionStep,
    PaymentStatus,
    RefundRequest,
    RevivalRequest,
)
from payments.models.proposal import ProposalStatus
from payments.models.refund_request import LIVE


def propose(
    payment_id: int, *, user: AbstractUser, reason: str, stock_confirmed: bool, case_id: int | None = None
) -> RevivalRequest:
    """Put on record that the order of this late payment shall live again. Nothing is changed by it.

    Raises `DomainError`: not_allowed, reason_missing, stock_not_confirmed, not_a_late_payment, refund_under_way,
    amount_is_not_the_order, proposal_waiting.
    """
    words = words_of(reason, reason_missing())
    if not stock_confirmed:
        raise stock_not_confirmed()
    with transaction.atomic():
        order, payment = _lock_money(payment_id)
        check_proposer(REVIVAL, user, payment.amount)
        _check_revivable(order, payment)
        if RevivalRequest.objects.filter(order=order, status=ProposalStatus.PROPOSED).exists():
            raise proposal_waiting(order.number)
        request = RevivalRequest(
            order=order,
            payment=payment,
            case_id=case_id,
            amount=payment.amount,
            reason=words,
            proposer_id=user.pk,
            stock_confirmed=True,
            stock_confirmed_by_id=user.pk,
        )
        request.save(force_insert=True)
        _DESK.note(order, request, user, step="proposed", words=words)
        _tell(request, order)
    return request


def _lock_money(payment_id: int) -> tuple[Order, Payment]:
    order_id = Payment.objects.values_list("order_id", flat=True).get(pk=payment_id)
    order = lifecycle.lock([order_id])[order_id]
    return order, Payment.objects.select_for_update(no_key=True).get(pk=payment_id)


def _check_revivable(order: Order, payment: Payment) -> None:
    is_there = payment.status == PaymentStatus.PAID and payment.is_surplus and payment.refunded_amount == ZERO
    if order.status != OrderStatus.CLOSED or not is_there:
        raise not_a_late_payment()
    if payment.amount != order.total_amount:
        raise amount_is_not_the_order(payment.amount, order.total_amount)
    if RefundRequest.objects.filter(payment=payment, status__in=LIVE).exists():
        raise refund_under_way()


def _tell(request: RevivalRequest, order: Order) -> None:
    payload = {"number": order.number, "proposer_id": request.proposer_id}
    outbox.publish([outbox.Event("revival.proposed", request.pk, request.proposed_at, payload)])
    if request.case_id is not None:
        desk.add_step(
            request.case_id,
            PaymentExceptionStep.Deed.REVIVAL_PROPOSED,
            user_id=request.proposer_id,
            words=str(request),
        )


def approve(request_id: int, *, user: AbstractUser, note: str) -> RevivalRequest:
    """The second person says yes: the order is paid by this payment, and the case is resolved.

    Raises `DomainError`: decision_note_missing, already_decided, not_allowed, own_proposal, too_soon, beyond_limit,
    not_a_late_payment, refund_under_way, refused (the machine's rule is off). Nothing is changed then.
    """
    words = words_of(note, decision_note_missing())
    with transaction.atomic():
        order, request = _lock(request_id)
        payment, now = request.payment, timezone.now()
        check_approver(REVIVAL, request, user, now=now)
        _check_revivable(order, payment)
        request.approve(user, now, words)
        save_decision(request)
        proof = _DESK.note(order, request, user, step="approved", words=decision_words(request))
        _revive(order, payment, proof, user)
        desk.resolve_all(_open_cases(payment), user=user, note=words)
    return request


def _lock(request_id: int) -> tuple[Order, RevivalRequest]:
    payment_id = RevivalRequest.objects.values_list("payment_id", flat=True).get(pk=request_id)
    order, payment = _lock_money(payment_id)
    request = RevivalRequest.objects.select_for_update(no_key=True).get(pk=request_id)
    request.order, request.payment = order, payment
    return order, request


def _revive(order: Order, payment: Payment, proof: Evidence, user: AbstractUser) -> None:
    move = Move(order.pk, Action.REVIVE, machine.LATE_PAYMENT, staff(user), proof)
    outcome = lifecycle.apply_one(order, move)
    if outcome.result is not Result.DONE:
        raise refused(outcome.code, order.number)
    payment.is_surplus = False
    guard: Mapping[str, Any] = {"status": PaymentStatus.PAID}
    if bulk.update_rows(Payment, [payment], ("is_surplus",), guard=guard) != 1:
        raise RuntimeError("a locked payment was changed")


def _open_cases(payment: Payment) -> list[int]:
    late = PaymentException.objects.filter(
        payment=payment, kind=PaymentException.Kind.ORDER_CLOSED, resolved_at__isnull=True
    )
    return list(late.order_by("pk").values_list("pk", flat=True))


def _facts(request: RevivalRequest) -> dict[str, Any]:
    said_by = request.stock_confirmed_by
    return {
        "payment": request.payment.reference,
        "stock_confirmed_by": said_by.get_username() if said_by else "",
    }


_DESK = Desk(REVIVAL, _lock, _facts)
refuse, withdraw = _DESK.refuse, _DESK.withdraw
