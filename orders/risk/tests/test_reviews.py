"""Reviews end with a person's decision or with the order, and come back while a rule still holds a paid order."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from orders import lifecycle
from orders.changes import Hold, ReserveRefund
from orders.history.lines import SYSTEM, Actor, Evidence
from orders.models import HoldReview, Order, OrderEvent
from orders.risk import reviews
from orders.risk.grounds import Grounds
from orders.tests.builders import apply_changes, build_order, build_order_in, move
from ordersite.lib.errors import DomainError

pytestmark = pytest.mark.django_db


@pytest.fixture
def supervisor() -> User:
    return User.objects.create_user("supervisor")


def held(order: Order) -> HoldReview:
    grounds = Grounds("suspected_brushing", order.created_at, ("cup-1",), {"counts": {"cup-1": 4}})
    with transaction.atomic():
        orders = lifecycle.lock([order.pk])
        assert reviews.hold(orders, {order.pk: grounds}) == [order.number]
    return HoldReview.objects.get(order=order)


def test_a_release_ends_the_review(supervisor: User) -> None:
    order = build_order_in("paid")
    review = held(order)

    reviews.release_order(order.pk, user=supervisor, reason="a company's gifts")

    review.refresh_from_db()
    assert (review.state, review.decided_by, review.reason) == ("released", supervisor, "a company's gifts")
    assert Order.objects.get(pk=order.pk).held is False
    line = OrderEvent.objects.filter(order=order).latest("seq")
    assert (line.kind, line.actor_id) == ("release", "supervisor")


def test_a_release_of_a_persons_hold_needs_no_review(supervisor: User) -> None:
    order = build_order()
    apply_changes(Hold(order.pk, Actor("staff", "agent"), "called"))

    reviews.release_order(order.pk, user=supervisor, reason="ok")

    assert Order.objects.get(pk=order.pk).held is False
    with pytest.raises(DomainError) as refused:
        reviews.release_order(order.pk, user=supervisor, reason="ok")
    assert refused.value.code == "not_held"


def test_one_open_review_for_an_order() -> None:
    review = held(build_order())
    copy = HoldReview(order=review.order, merchant=review.merchant, rule=review.rule)
    with pytest.raises(IntegrityError), transaction.atomic():
        copy.save()


def test_the_end_of_an_order_ends_its_review() -> None:
    closed, waiting = build_order(), build_order()
    review, other = held(closed), held(waiting)
    move(closed, "close", "timeout")

    assert reviews.end_of_ended_orders() == 1

    review.refresh_from_db()
    other.refresh_from_db()
    assert (review.state, review.decided_by, other.state) == ("closed", None, "open")
    assert reviews.end_of_ended_orders() == 0


def test_a_held_order_paid_after_its_end_is_reviewed_again() -> None:
    order = build_order()
    first = held(order)
    move(order, "close", "timeout")
    reviews.end_of_ended_orders()
    move(order, "revive", "late_payment")

    assert reviews.reopen_forgotten() == 1

    again = HoldReview.objects.open().get()
    assert (again.order_id, again.rule, again.seen) == (order.pk, first.rule, first.seen)
    assert reviews.reopen_forgotten() == 0


def test_no_review_while_a_refund_is_under_way() -> None:
    order = build_order_in("paid")
    held(order)
    HoldReview.objects.update(state="closed", decided_at=timezone.now())
    apply_changes(ReserveRefund(order.pk, Decimal("199.00"), SYSTEM, Evidence("refund_request", "R1"), "ok"))

    assert reviews.reopen_forgotten() == 0


def test_a_persons_hold_opens_no_review() -> None:
    order = build_order_in("paid")
    apply_changes(Hold(order.pk, Actor("staff", "agent"), "called"))

    assert reviews.reopen_forgotten() == 0
