"""Manual settlement: a person saw the money arrive, proves it, and another person approves. Only then is it a payment.

An approved request goes through the payment door like every other payment update; a refusal there undoes the approval.
Lock order: order, attempts, request, case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders import lifecycle, machine
from orders.approvals import workflow
from orders.approvals.errors import proposal_waiting, unknown_request
from orders.approvals.kinds import Approval
from orders.approvals.order_kind import OrderKind, staff
from orders.errors import already_paid, unknown_order
from orders.models import MoneyLimit, Order, OrderStatus
from payments.cases import desk, remedies
from payments.cases.errors import remedy_gone
from payments.lifecycle.apply import apply_updates
from payments.lifecycle.updates import Outcome, PaymentUpdate
from payments.manual import evidence
from payments.manual.errors import (
    account_of_another_shop,
    amount_is_not_the_order,
    evidence_missing,
    line_does_not_fit,
    line_taken,
    not_settled,
    order_is_closed,
    reference_malformed,
    reference_taken,
)
from payments.models import (
    Payment,
    PaymentAccount,
    PaymentException,
    PaymentExceptionStep,
    PaymentStatus,
    SettlementRequest,
    StatementLine,
)
from payments.providers.types import UpdateKind
from payments.references import new_reference

# What a search for a provider's number finds, see payments.about.panel.
_REFERENCE = re.compile(r"[0-9A-Za-z_-]{6,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Money that a person saw arrive: yuan, the order, the account, and the provider's number of the trade.

    `occurred_at` (UTC) is when it arrived, as the evidence says. Evidence is a statement line, files, or both.
    """

    order_id: int
    account_id: int
    amount: Decimal
    provider_reference: str
    reason: str
    occurred_at: datetime | None = None
    statement_line_id: int | None = None
    case_id: int | None = None
    files: Sequence[evidence.Handed] = ()


def propose(wish: Wish, *, user: AbstractUser) -> SettlementRequest:
    """Put a request on record for a second person, and notify those who may approve. Nothing is settled by it.

    Raises `DomainError`: not_allowed, beyond_limit, reason_missing, reference_malformed, reference_taken,
    evidence_missing, line_does_not_fit, line_taken, amount_is_not_the_order, account_of_another_shop,
    order_is_closed, already_paid, proposal_waiting, remedy_gone (of the case), and what `evidence.kept` refuses of a file.
    Nothing is kept then.
    """

    def draft(reason: str) -> SettlementRequest:
        _check_form(wish)
        order = _lock_order(wish.order_id)
        _check_order(order, wish)
        request = _insert(order, wish, user, reason)
        evidence.attach(request, files, user)
        if request.case_id is not None:
            step = PaymentExceptionStep.Action.SETTLEMENT_PROPOSED
            desk.add_step(request.case_id, step, user_id=user.pk, note=str(request))
        return request

    with evidence.kept(wish.files) as files:
        return workflow.propose(SETTLEMENT, draft, user=user, reason=wish.reason)


def _check_form(wish: Wish) -> None:
    if not _REFERENCE.fullmatch(wish.provider_reference):
        raise reference_malformed()
    if not wish.files and wish.statement_line_id is None:
        raise evidence_missing()


def _lock_order(order_id: int) -> Order:
    found = lifecycle.lock([order_id])
    if order_id not in found:
        raise unknown_order(f"#{order_id}")
    return found[order_id]


def _check_order(order: Order, wish: Wish) -> None:
    check_payable(order)
    account = PaymentAccount.objects.get(pk=wish.account_id)
    if account.merchant_id != order.merchant_id:
        raise account_of_another_shop(account.slug)
    if wish.amount != order.total_amount:
        raise amount_is_not_the_order(wish.amount, order.total_amount)
    if wish.case_id is not None:
        _check_case(wish.case_id, order)
    if wish.statement_line_id is not None:
        # Locked, so that of two orders at once one finds the other's request.
        lines = StatementLine.objects.select_for_update(no_key=True)
        _check_line(lines.get(pk=wish.statement_line_id), order, wish)
    if SettlementRequest.objects.waiting().filter(order=order).exists():
        raise proposal_waiting(gettext("order %(number)s") % {"number": order.number})
    _check_reference(order, wish)


def _check_case(case_id: int, order: Order) -> None:
    """Check that the case is an open one of this shop that a settlement can end: approving resolves it too."""
    case = PaymentException.objects.select_related("account", "order", "payment").get(pk=case_id)
    owner = case.order or case.account
    is_of_shop = owner is None or owner.merchant_id == order.merchant_id
    if not (is_of_shop and remedies.can_settle(case)):
        raise remedy_gone()


def check_payable(order: Order) -> None:
    """Raises `DomainError`: order_is_closed (its money is a late payment), already_paid."""
    if order.status == OrderStatus.CLOSED:
        raise order_is_closed(order.number)
    if order.status != OrderStatus.PENDING:
        raise already_paid(order.number)


def _check_line(line: StatementLine, order: Order, wish: Wish) -> None:
    # A bank's line may have no number that could be compared: it proves one order's money all the same.
    proving = SettlementRequest.objects.live().filter(statement_line=line).select_related("order")
    if taken := proving.first():
        raise line_taken(taken.order.number)
    is_same = (line.account_id, line.amount) == (wish.account_id, wish.amount)
    is_its_number = line.provider_reference in ("", wish.provider_reference)
    of_another = line.payment is not None and line.payment.order_id != order.pk
    is_yuan = line.note != StatementLine.Note.CURRENCY
    if (
        line.kind != StatementLine.LineKind.PAYMENT
        or not is_yuan
        or not is_same
        or not is_its_number
        or of_another
    ):
        raise line_does_not_fit()


def proving_lines() -> QuerySet[SettlementRequest, int]:
    """Numbers of the statement lines that are evidence for an order already."""
    requests = SettlementRequest.objects.live().filter(statement_line__isnull=False)
    return requests.order_by().values_list("statement_line_id", flat=True)


def _check_reference(order: Order, wish: Wish) -> None:
    """One trade pays one order: neither an attempt of another order nor another request may have the number."""
    same = {"account_id": wish.account_id, "provider_reference": wish.provider_reference}
    holder = Payment.objects.filter(**same).exclude(order=order).select_related("order").first()
    request = SettlementRequest.objects.live().filter(**same).select_related("order").first()
    taken = holder or request
    if taken is not None:
        raise reference_taken(wish.provider_reference, taken.order.number)


def _insert(order: Order, wish: Wish, user: AbstractUser, reason: str) -> SettlementRequest:
    request = SettlementRequest(
        order=order,
        account_id=wish.account_id,
        amount=wish.amount,
        provider_reference=wish.provider_reference,
        reason=reason,
        occurred_at=wish.occurred_at,
        statement_line_id=wish.statement_line_id,
        case_id=wish.case_id,
        proposer_id=user.pk,
    )
    try:
        with transaction.atomic():
            request.save(force_insert=True)
    except IntegrityError:
        # Another order's request with this number was inserted after our check.
        _check_reference(order, wish)
        raise
    return request


def _fitting_attempt(request: SettlementRequest) -> Payment | None:
    """The attempt that this money was for: the line's, the one with its number, an undecided, the newest closed one."""
    line = request.statement_line
    of_line = line.payment_id if line else None
    fitting = Payment.objects.filter(
        order_id=request.order_id,
        account_id=request.account_id,
        amount=request.amount,  # type: ignore[misc]  # a MoneyField speaks Decimal
        is_surplus=False,
        provider_reference__in=["", request.provider_reference],
    ).exclude(status=PaymentStatus.REFUNDED)
    known = [one for one in fitting.order_by("-pk") if _may_take(one, request)]
    return min(
        known,
        key=lambda one: (one.pk != of_line, not one.provider_reference, not one.is_undecided),
        default=None,
    )


def _may_take(payment: Payment, request: SettlementRequest) -> bool:
    """Whether the attempt can hold this money. A paid one, which the order once refused, must have the same number."""
    return not payment.is_paid or payment.provider_reference == request.provider_reference


def _new_attempt(order: Order, request: SettlementRequest) -> Payment:
    """Make an attempt for money that the buyer paid without one of ours; it is settled at once."""
    now = timezone.now()
    payment = Payment(
        order=order,
        account_id=request.account_id,
        reference=new_reference(),
        amount=request.amount,
        currency=order.currency,
        created_at=now,
        expires_at=now,
    )
    payment.save(force_insert=True)
    return payment


def _mark_line(request: SettlementRequest, payment: Payment) -> None:
    """Link the statement line to its payment, so that it becomes no case and no later file lacks the payment."""
    if request.statement_line_id is not None:
        lines = StatementLine.objects.filter(pk=request.statement_line_id, outcome="")
        lines.update(payment=payment, outcome=Outcome.APPLIED.value, settled_at=timezone.now())


def _update(request: SettlementRequest, payment: Payment, approval: Approval) -> PaymentUpdate:
    return PaymentUpdate(
        account_id=request.account_id,
        kind=UpdateKind.PAYMENT,
        reference=payment.reference,
        evidence=approval.proof,
        seen_at=timezone.now(),
        trigger=machine.MANUAL,
        provider_reference=request.provider_reference,
        amount=request.amount,
        currency=payment.currency,
        occurred_at=request.occurred_at,
        actor=staff(approval.user),
    )


class Settlement(OrderKind[SettlementRequest]):
    """An approved one pays the order through the payment door, trigger «manual», and resolves its case."""

    name = "settlement_request"
    trigger = "settlement"
    event = "settlement.proposed"
    model = SettlementRequest
    may_propose = "payments.propose_settlementrequest"
    may_approve = "payments.approve_settlementrequest"
    propose_limit = MoneyLimit.LimitedAction.PROPOSE_SETTLEMENT
    approve_limit = MoneyLimit.LimitedAction.APPROVE_SETTLEMENT
    tile = _("manual settlements to review")

    def lock(self, request_id: int) -> SettlementRequest:
        ids = (
            SettlementRequest.objects.values_list("order_id", "case__order_id").filter(pk=request_id).first()
        )
        if ids is None:
            raise unknown_request(request_id)
        # Two trades on one number: the case may be another order's, which is locked now and not behind the attempts.
        order = lifecycle.lock(pk for pk in ids if pk is not None)[ids[0]]
        Payment.objects.lock_of_order(order.pk)
        request = SettlementRequest.objects.lock(request_id)
        request.order = order
        return request

    def check(self, request: SettlementRequest) -> None:
        check_payable(request.order)

    def apply(self, request: SettlementRequest, approval: Approval) -> None:
        payment = _fitting_attempt(request) or _new_attempt(request.order, request)
        request.payment = payment
        request.save(update_fields=["payment"])
        outcome = apply_updates([_update(request, payment, approval)])[0].outcome
        if outcome is not Outcome.APPLIED:
            raise not_settled(outcome.label)
        _mark_line(request, payment)
        if request.case_id is not None:
            desk.resolve_all([request.case_id], user=approval.user, note=approval.note)

    def facts(self, request: SettlementRequest) -> dict[str, Any]:
        return {
            "account": request.account.slug,
            "provider_reference": request.provider_reference,
            "occurred_at": request.occurred_at.isoformat() if request.occurred_at else "",
            "statement_line": request.statement_line_id or 0,
            "files": sorted(request.files.values_list("sha256", flat=True)),
        }


SETTLEMENT = Settlement()
