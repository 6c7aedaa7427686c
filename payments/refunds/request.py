"""Refund requests of a person or of the merchant's rule. Nothing outside is called here.

Never more than was paid: under the locks of order and payment, the sum of refunds and of requests stays within the
payment's amount. Lock order: order, payment, request.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial

from django.contrib.auth.models import AbstractUser
from django.utils import timezone

from orders.approvals import workflow
from orders.models import Order
from ordersite.lib.money import ZERO, fen
from payments import references
from payments.accounts.keys import keys_of
from payments.models import Payment, RefundRequest
from payments.providers.registry import get_provider
from payments.refunds import errors
from payments.refunds.approval import REFUND, approve_at_once, lock_money

# The same request of the same person within this time is a double click.
SAME_AGAIN = timedelta(minutes=1)


def request_refund(
    payment_id: int, amount: Decimal, *, actor_user: AbstractUser | None, reason: str
) -> RefundRequest:
    """Request a refund of `amount` yuan of a payment; without a user the merchant's rule requests and approves it.

    Within the person's own limit the request is approved at once, else it waits for a second one. From now on the
    order does not ship. Raises `DomainError`: unknown_payment, not_allowed, reason_missing, bad_amount,
    payment_not_paid, refund_exceeds, refund_not_offered, asked_just_now. May be called inside a transaction.
    """
    draft = partial(_draft, payment_id, amount, actor_user, approve_at_once)
    return workflow.propose(REFUND, draft, user=actor_user, reason=reason)


def propose_refund(
    payment_id: int, amount: Decimal, *, actor_user: AbstractUser, reason: str
) -> RefundRequest:
    """Request a refund that a second person always decides, whatever the own limit of `actor_user`.

    For what proposes in a person's name without that person looking. Raises as `request_refund`.
    """
    draft = partial(_draft, payment_id, amount, actor_user, _leave_waiting)
    return workflow.propose(REFUND, draft, user=actor_user, reason=reason)


def _draft(
    payment_id: int,
    amount: Decimal,
    actor_user: AbstractUser | None,
    decide: Callable[[RefundRequest], None],
    reason: str,
) -> RefundRequest:
    order, payment = lock_money(payment_id)
    _check_amount(payment, amount)
    if actor_user is not None:
        _check_not_twice(payment_id, amount, actor_user)
    request = _new_request(order, payment, amount, reason)
    request.proposer_id = actor_user.pk if actor_user else None
    decide(request)
    request.save(force_insert=True)
    return request


def _leave_waiting(_request: RefundRequest) -> None:
    """Nobody has decided."""


def _check_amount(payment: Payment, amount: Decimal) -> None:
    try:
        is_money = fen(amount) > 0
    except ValueError:
        is_money = False
    if not is_money:
        raise errors.bad_amount()
    if not payment.is_paid:
        raise errors.payment_not_paid(payment.reference)
    left = payment.refundable_amount
    if amount > left:
        raise errors.refund_exceeds(payment.reference, max(left, ZERO))
    keys = keys_of(payment.account)
    if not get_provider(keys.provider).can_refund(keys):
        raise errors.refund_not_offered(keys.slug)


def _check_not_twice(payment_id: int, amount: Decimal, user: AbstractUser) -> None:
    """Refuse a second equal request within a minute: a button that was pressed twice."""
    own = RefundRequest.objects.effective().filter(payment_id=payment_id, proposer_id=user.pk)
    for request in own.filter(created_at__gt=timezone.now() - SAME_AGAIN):
        if request.amount == amount:
            raise errors.requested_just_now(request.reference)


def _new_request(order: Order, payment: Payment, amount: Decimal, reason: str) -> RefundRequest:
    return RefundRequest(
        payment=payment,
        order=order,
        account_id=payment.account_id,
        reference=references.new_reference(),
        amount=amount,
        reason=reason,
        is_reserved=not payment.is_surplus,
    )
