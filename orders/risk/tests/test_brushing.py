"""The rule of attempts: which order it holds, which it leaves alone, and what a person's decision means to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from orders import closing
from orders.history.verify import verify_history
from orders.models import Buyer, HoldMark, HoldReview, Order, OrderEvent, OrderEventText
from orders.risk import brushing, marks, reviews
from orders.risk.brushing import AttemptLimits
from orders.risk.grounds import Grounds
from orders.tests.builders import build_buyer, build_merchant, build_order_for, move
from orders.tests.web import at_once

pytestmark = pytest.mark.django_db
CUP = "cup-1"
NOW = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Tried:
    """An attempt, as far as the rule reads it."""

    merchant_id: int = 1
    buyer: str = "b1"
    products: Sequence[str] = (CUP, "pen-2")
    at: datetime = NOW


@pytest.fixture
def buyer() -> Buyer:
    return build_buyer(build_merchant())


def order_of(buyer: Buyer, *, total: str = "199.00") -> Order:
    return build_order_for(buyer, total=Decimal(total), quantity=1, due_in=timedelta(minutes=30))


def grounds(*products: str, minutes: int = 5) -> Grounds:
    since = timezone.now() - timedelta(minutes=minutes)
    return Grounds("suspected_brushing", since, products or (CUP,), {"counts": {CUP: 4}, "threshold": 3})


def hold_newest(buyer: Buyer, *products: str) -> list[str]:
    reason = grounds(*products)
    return brushing.hold_newest(buyer.merchant_id, buyer.outside_id, reason.products, reason)


def is_held(order: Order) -> bool:
    return Order.objects.values_list("held", flat=True).get(pk=order.pk)


def no_marks_yet() -> None:
    """What a process takes for granted that looked a moment ago."""
    marks.find(0, "", ())


# --- the rule -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "is_too_many"), [(1, False), (3, False), (4, True), (900, True)])
def test_the_fourth_attempt_is_too_many(count: int, is_too_many: bool) -> None:
    found = brushing.judge(Tried(), {CUP: count}, AttemptLimits())
    assert (found is not None) is is_too_many


def test_only_the_repeated_product_is_named() -> None:
    found = brushing.judge(
        Tried(), {CUP: 7, "pen-2": 2, "other": 9}, AttemptLimits(threshold=5, window_seconds=60)
    )

    assert found is not None
    assert found.grounds() == Grounds(
        "suspected_brushing",
        NOW - timedelta(seconds=60),
        [CUP],
        {"counts": {CUP: 7}, "threshold": 5, "window": 60},
    )


# --- which order is held ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["pending", "paid"])
def test_the_newest_order_is_held(buyer: Buyer, status: str) -> None:
    older, newest = order_of(buyer), order_of(buyer)
    if status == "paid":
        move(newest, "pay", "notification")

    assert hold_newest(buyer) == [newest.number]

    assert (is_held(older), is_held(newest)) == (False, True)
    assert Order.objects.get(pk=newest.pk).hold_reason == "suspected_brushing"
    assert HoldMark.objects.count() == 0
    verify_history()


def test_the_line_of_a_hold_is_the_systems(buyer: Buyer) -> None:
    order = order_of(buyer)

    hold_newest(buyer)

    review = HoldReview.objects.get()
    line = OrderEvent.objects.filter(order=order).latest("seq")
    assert (line.kind, line.actor_kind, line.actor_id) == ("hold", "system", "")
    assert json.loads(line.evidence) == {"kind": "hold_review", "id": str(review.pk), "sha256": ""}
    assert OrderEventText.objects.get(order_id=order.pk).text == "suspected_brushing"


def test_the_review_keeps_what_the_rule_saw(buyer: Buyer) -> None:
    order = order_of(buyer)
    Order.objects.filter(pk=order.pk).update(device_id="d1", client_ip="203.0.113.9")

    hold_newest(buyer)

    review = HoldReview.objects.get()
    assert (review.order_id, review.merchant_id, review.state, review.is_shipped) == (
        order.pk, buyer.merchant_id, "open", False,
    )  # fmt: skip
    (attempt,) = review.seen.pop("attempts")
    assert review.seen == {"counts": {CUP: 4}, "threshold": 3, "products": [CUP]}
    assert (attempt["order"], attempt["device"], attempt["ip"]) == (order.number, "d1", "203.0.113.9")


def test_others_keep_their_orders(buyer: Buyer) -> None:
    neighbour, elsewhere = build_buyer(buyer.merchant), build_merchant("other")
    theirs = order_of(neighbour)
    namesake = Buyer.objects.create(
        merchant=elsewhere, outside_id=buyer.outside_id, name="王小明", phone="13800138000"
    )
    far = order_of(namesake)

    assert hold_newest(buyer) == []
    assert (is_held(theirs), is_held(far)) == (False, False)


def test_an_order_of_another_product_stays(buyer: Buyer) -> None:
    order = order_of(buyer)
    assert hold_newest(buyer, "pen-2") == []
    assert is_held(order) is False


def test_a_burst_holds_once(buyer: Buyer) -> None:
    order = order_of(buyer)

    assert [hold_newest(buyer), hold_newest(buyer), hold_newest(buyer)] == [[order.number], [], []]

    assert HoldReview.objects.count() == 1
    assert OrderEvent.objects.filter(order=order, kind="hold").count() == 1


def test_a_released_order_is_not_held_again(buyer: Buyer) -> None:
    order = order_of(buyer)
    hold_newest(buyer)
    person = User.objects.create_user("supervisor")
    reviews.release_order(order.pk, user=person, reason="gifts for the team")

    assert hold_newest(buyer) == []
    assert is_held(order) is False


def test_the_next_burst_holds_a_released_order(buyer: Buyer) -> None:
    order = order_of(buyer)
    hold_newest(buyer)
    reviews.release_order(order.pk, user=User.objects.create_user("supervisor"), reason="ok")
    later = Grounds("suspected_brushing", timezone.now(), (CUP,), {})

    assert brushing.hold_newest(buyer.merchant_id, buyer.outside_id, (CUP,), later) == [order.number]
    assert HoldReview.objects.count() == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_attempts_at_once_hold_once() -> None:
    buyer = build_buyer(build_merchant())
    order = order_of(buyer)

    results = at_once([partial(hold_newest, buyer)] * 12)

    assert sorted(results) == [[]] * 11 + [[order.number]]
    assert (HoldReview.objects.count(), HoldMark.objects.count()) == (1, 0)
    verify_history()


def test_a_held_pending_order_still_times_out(buyer: Buyer) -> None:
    pending, paid = order_of(buyer), order_of(build_buyer(buyer.merchant))
    move(paid, "pay", "notification")
    hold_newest(buyer)
    hold_newest(paid.buyer)
    Order.objects.update(close_due_at=timezone.now() - timedelta(minutes=1))

    closing.close_overdue()

    rows = Order.objects.filter(pk__in=[pending.pk, paid.pk]).order_by("pk")
    assert list(rows.values_list("status", "held")) == [("closed", True), ("paid", True)]


# --- none that could be held -----------------------------------------------------------------------------------------


def test_without_an_order_the_next_is_marked(buyer: Buyer) -> None:
    no_marks_yet()
    closed = order_of(buyer)
    move(closed, "close", "timeout")
    with transaction.atomic():  # its end is what a mark waits for
        assert hold_newest(buyer) == []

    HoldMark.objects.get(merchant=buyer.merchant, buyer_outside_id=buyer.outside_id, product_id=CUP)
    assert HoldReview.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_marked_buyers_next_order_is_born_held() -> None:
    buyer = build_buyer(build_merchant())
    no_marks_yet()
    hold_newest(buyer)
    next_try = Tried(buyer.merchant_id, buyer.outside_id)

    found = brushing.marked(next_try)

    assert found is not None
    with transaction.atomic():
        order = order_of(buyer)
        brushing.hold_created(order, found)
    assert (order.held, is_held(order)) == (True, True)
    assert brushing.marked(next_try) is None


def test_a_mark_counts_for_a_day(buyer: Buyer) -> None:
    hold_newest(buyer)
    HoldMark.objects.update(created_at=timezone.now() - timedelta(hours=25))

    assert marks.find(buyer.merchant_id, buyer.outside_id, (CUP,)) is None
    assert (marks.forget_old(), HoldMark.objects.count()) == (1, 0)


def test_an_order_shipped_meanwhile_gets_a_review(buyer: Buyer) -> None:
    order = order_of(buyer)
    move(order, "pay", "notification")
    move(order, "ship", "warehouse")

    assert hold_newest(buyer) == hold_newest(buyer) == []

    assert is_held(order) is False
    review = HoldReview.objects.get()
    assert (review.order_id, review.is_shipped, review.state) == (order.pk, True, "open")


def test_an_order_shipped_long_ago_is_left_alone(buyer: Buyer) -> None:
    order = order_of(buyer)
    move(order, "pay", "notification")
    move(order, "ship", "warehouse", at=timezone.now() - timedelta(days=3))

    hold_newest(buyer)

    assert HoldReview.objects.count() == 0
