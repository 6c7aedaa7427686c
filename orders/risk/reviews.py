"""Reviews of held orders: opened with the hold, ended by a person's decision or with the order itself.

Lock order: the order, then its review. `close` is composed above, where money can be given back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from orders import lifecycle
from orders.changes import Hold, HoldUnshipped, ReleaseHold, Result
from orders.errors import refused
from orders.history.lines import SYSTEM, Actor, Evidence
from orders.labels import HOLD_REASONS
from orders.models import HoldReview, Order, OrderEvent, OrderStatus, ReviewState
from orders.risk.grounds import Grounds
from orders.risk.trail import attempts_of
from ordersite.database import bulk

UNSHIPPED = (OrderStatus.PENDING, OrderStatus.PAID)
_ENDED = (OrderStatus.CLOSED, OrderStatus.REFUNDED)
_BATCH = 500


def hold(orders: Mapping[int, Order], grounds: Mapping[int, Grounds]) -> list[str]:
    """Hold locked orders and open their reviews; returns the numbers of those that were held now.

    Skips an order that is held already, or about which a person has decided within the window.
    """
    free = [
        order
        for order in orders.values()
        if not order.held and not _is_decided(order.pk, grounds[order.pk].since)
    ]
    opened = _open(free, grounds, is_shipped=False)
    changes = [
        HoldUnshipped(pk, SYSTEM, grounds[pk].code, Evidence("hold_review", str(review)))
        for pk, review in opened.items()
    ]
    outcomes = lifecycle.apply(orders, changes)
    return [orders[one.order_id].number for one in outcomes if one.result is Result.DONE]


def open_for_shipped(orders: Iterable[Order], grounds: Grounds) -> None:
    """Open reviews of orders that left before they could be held: a person sees whether the parcel must be stopped."""
    found = {order.pk: order for order in orders if not _is_decided(order.pk, grounds.since)}
    _open(list(found.values()), dict.fromkeys(found, grounds), is_shipped=True)


def _open(orders: Iterable[Order], grounds: Mapping[int, Grounds], *, is_shipped: bool) -> dict[int, int]:
    """Insert the reviews; returns their keys by order, without orders that have an open one."""
    now = timezone.now()
    rows = [
        HoldReview(
            order_id=order.pk, merchant_id=order.merchant_id, rule=grounds[order.pk].code,
            seen=_seen(order, grounds[order.pk]), is_shipped=is_shipped, opened_at=now,
        )
        for order in sorted(orders, key=lambda order: order.pk)
    ]  # fmt: skip
    inserted = bulk.insert_rows(HoldReview, rows, ignore_conflicts=True, returning=["order", "id"])
    return dict(inserted)


def _seen(order: Order, grounds: Grounds) -> dict[str, object]:
    attempts = attempts_of(order, grounds.products, grounds.since)
    return {
        **grounds.seen,
        "products": list(grounds.products),
        "attempts": [attempt.as_json() for attempt in attempts],
    }


def _is_decided(order_id: int, since: datetime) -> bool:
    """Whether a person has released the order, or decided its review, since then (UTC)."""
    reviews = HoldReview.objects.filter(order_id=order_id, decided_by__isnull=False, decided_at__gte=since)
    releases = OrderEvent.objects.filter(
        order_id=order_id, kind=OrderEvent.EventKind.RELEASE, recorded_at__gte=since
    )
    return reviews.exists() or releases.exists()


def hold_order(order_id: int, *, user: AbstractUser, reason: str) -> None:
    """Hold an unshipped order for a person, who knows why: no review is opened.

    Raises `already_held`, or order_… for an order that has left or ended.
    """
    with transaction.atomic():
        order = lifecycle.lock([order_id])[order_id]
        if order.status not in UNSHIPPED:
            raise refused(f"order_{order.status}", order.number)
        change = Hold(order_id, Actor("staff", user.get_username()), reason)
        if lifecycle.apply_one(order, change).result is Result.ALREADY:
            raise refused("already_held", order.number)


def release_order(order_id: int, *, user: AbstractUser, reason: str) -> None:
    """Let a held order ship, and end its review if it has one. Raises `not_held`."""
    with transaction.atomic():
        order = lifecycle.lock([order_id])[order_id]
        change = ReleaseHold(order_id, Actor("staff", user.get_username()), reason)
        if lifecycle.apply_one(order, change).result is Result.ALREADY:
            raise refused("not_held", order.number)
        end(order_id, ReviewState.RELEASED, user=user, reason=reason)


def end(order_id: int, state: ReviewState, *, user: AbstractUser | None, reason: str = "") -> int:
    """End the order's open review under the order's lock; returns how many there were. No user: it ended by itself."""
    return (
        HoldReview.objects.open()
        .filter(order_id=order_id)
        .update(
            state=state,
            decided_by_id=user.pk if user else None,
            decided_at=timezone.now(),
            reason=reason[:200],
        )
    )


def end_of_ended_orders() -> int:
    """End open reviews of orders that were closed or refunded meanwhile; returns how many."""
    ended = Q(order__status__in=_ENDED)
    ids = HoldReview.objects.open().filter(ended).order_by("opened_at").values_list("order_id", flat=True)
    return sum(end(pk, ReviewState.CLOSED, user=None) for pk in list(ids[:_BATCH]))


def reopen_forgotten() -> int:
    """Open a review again where a rule still holds a paid order and none is open; returns how many.

    So it is after a closed order was revived, a payment won over its closing, or its refund was refused.
    """
    is_open = Exists(HoldReview.objects.open().filter(order_id=OuterRef("pk")))
    left = Order.objects.held().filter(~is_open, status=OrderStatus.PAID, refunds_pending=0)
    ids = list(left.filter(hold_reason__in=HOLD_REASONS).values_list("pk", flat=True)[:_BATCH])
    last = {row.order_id: row for row in HoldReview.objects.filter(order_id__in=ids).order_by("pk")}
    now = timezone.now()
    rows = [
        HoldReview(
            order_id=pk, merchant_id=row.merchant_id, rule=row.rule, seen=row.seen, opened_at=now
        )
        for pk, row in sorted(last.items())
    ]  # fmt: skip
    return len(bulk.insert_rows(HoldReview, rows, ignore_conflicts=True, returning=["id"]))
