"""Decides a review: the order is released, or closed with its money going back. Nothing outside is called here.

Lock order: the order, its payments, then the review.
"""

from __future__ import annotations

from enum import StrEnum

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from orders import closing, lifecycle, machine
from orders.approvals.errors import already_decided, not_allowed
from orders.closing import CancelResult
from orders.history.lines import Actor
from orders.models import HoldReview, Order, OrderStatus, ReviewState
from orders.risk import reviews
from ordersite.lib.errors import DomainError
from ordersite.lib.money import ZERO
from payments.models import Payment
from payments.refunds.request import request_refund

MAY_DECIDE, MAY_CLOSE = "orders.hold_order", "orders.close_order"


class CloseResult(StrEnum):
    """What became of an order whose review was closed."""

    CLOSED = "closed"
    CLOSE_REQUESTED = "close_requested"
    REFUND_REQUESTED = "refund_requested"
    NOTHING_HELD = "nothing_held"


def release(review_id: int, *, user: AbstractUser, reason: str) -> None:
    """Let the order ship; of one that had left already only the review ends. Raises `already_decided`, `not_held`."""
    with transaction.atomic():
        review, order = _lock(review_id)
        if order.held:
            reviews.release_order(order.pk, user=user, reason=reason)
        else:
            reviews.end(review.order_id, ReviewState.RELEASED, user=user, reason=reason)


def close(review_id: int, *, user: AbstractUser, reason: str) -> CloseResult:
    """Close an unpaid order, or request the refund of a paid one, which stays held until its money is back.

    Providers are queried first where a payment was started. The refund takes its two persons as any other. Raises
    `already_decided`, `not_allowed`, and what closing and a refund request refuse.
    """
    with transaction.atomic():
        review, order = _lock(review_id)
        result = _close(order, user, reason)
        reviews.end(review.order_id, ReviewState.CLOSED, user=user, reason=reason)
    return result


def _lock(review_id: int) -> tuple[HoldReview, Order]:
    """The open review with its order, which is locked: each decision locks it first."""
    order_id = HoldReview.objects.filter(pk=review_id).values_list("order_id", flat=True).first()
    orders = lifecycle.lock([order_id] if order_id else [])
    review = HoldReview.objects.filter(pk=review_id).first()
    if review is None:
        raise DomainError("unknown_review", _("There is no review #%(review)s."), review=review_id)
    if not review.is_open:
        raise already_decided(ReviewState(review.state).label)
    return review, orders[review.order_id]


def _close(order: Order, user: AbstractUser, reason: str) -> CloseResult:
    if order.status == OrderStatus.PENDING:
        return _close_unpaid(order, user, reason)
    if order.status == OrderStatus.PAID:
        return _give_back(order, user, reason)
    return CloseResult.NOTHING_HELD


def _close_unpaid(order: Order, user: AbstractUser, reason: str) -> CloseResult:
    if not user.has_perm(MAY_CLOSE):
        raise not_allowed()
    actor = Actor("staff", user.get_username())
    done = closing.cancel(order.number, reason=reason, actor=actor, trigger=machine.STAFF_CANCEL)
    return CloseResult.CLOSED if done is CancelResult.CLOSED else CloseResult.CLOSE_REQUESTED


def _give_back(order: Order, user: AbstractUser, reason: str) -> CloseResult:
    """Request back what each payment of the order still holds; money that goes back already is left out."""
    requested = [
        request_refund(payment.pk, left, actor_user=user, reason=reason)
        for payment in Payment.objects.lock_of_order(order.pk)
        if not payment.is_surplus and (left := payment.refundable_amount) > ZERO
    ]
    if not requested and not order.refunds_pending:
        raise DomainError("nothing_to_refund", _("No payment of this order holds money to give back."))
    return CloseResult.REFUND_REQUESTED
