"""Who may decide about a refund request: the permission is checked at the door, here the person and the amount."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.contrib.auth.models import User
from django.db.models import Sum
from django.utils import timezone

from orders.models import Merchant
from ordersite.lib.money import ZERO
from payments.approvals.limits import is_within
from payments.approvals.workflow import Kind
from payments.models import MoneyLimit, RefundRequest
from payments.models.refund_request import LIVE, RefundStatus
from payments.refunds import errors

How = RefundRequest.DecidedBy
Deed = MoneyLimit.Deed
REFUND = Kind(
    "refund_request", "refund", "payments.request_refund", "payments.approve_refund", Deed.APPROVE_REFUND
)


def decided_at_once(request: RefundRequest) -> str:
    """How a new request is approved without a second person; empty when it has to wait for one.

    What the person gave back of this payment before, alone, counts: a limit cannot be walked around in small steps.
    """
    if request.proposer is None:
        return How.RULE
    total = _alone_before(request) + request.amount
    return How.LIMIT if is_within(request.proposer, Deed.REFUND_ALONE, total) else How.NOBODY


def _alone_before(request: RefundRequest) -> Decimal:
    rows = RefundRequest.objects.filter(
        payment_id=request.payment_id,
        proposer=request.proposer,
        decided_how=How.LIMIT,
        status__in=[*LIVE, RefundStatus.SUCCEEDED],
    )
    total: Decimal | None = rows.aggregate(total=Sum("amount"))["total"]
    return total or ZERO


def check_decider(request: RefundRequest, user: User, merchant: Merchant) -> str:
    """How this person's approval counts. Raises `DomainError`: above_limit, own_request, too_early."""
    if not is_within(user, Deed.APPROVE_REFUND, request.amount):
        raise errors.above_limit(request.amount)
    if request.proposer_id != user.pk:
        return How.PERSON
    if not merchant.allows_single_operator:
        raise errors.own_request(request.reference)
    minutes = merchant.single_operator_wait_minutes
    if timezone.now() < request.created_at + timedelta(minutes=minutes):
        raise errors.too_early(request.reference, minutes)
    return How.ALONE
