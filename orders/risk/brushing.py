"""The rule of attempts: a buyer who tries too often to order one product in a short time is suspected of brushing.

The attempt that is one too many holds the buyer's newest order of the product that can still be held. Where there is
none, the next one is born held; an order that has left meanwhile gets a review all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.db import transaction

from orders import lifecycle
from orders.labels import SUSPECTED_BRUSHING
from orders.models import Buyer, Order, OrderQuerySet, OrderStatus
from orders.risk import marks, reviews
from orders.risk.grounds import Grounds

_HOLDABLE = (OrderStatus.PENDING, OrderStatus.PAID)
_LEFT = (OrderStatus.SHIPPED, OrderStatus.COMPLETED)


class Attempted(Protocol):
    """What the rule reads of an attempt. `at` is UTC; `buyer` is the merchant's own id, `products` are ids."""

    @property
    def merchant_id(self) -> int: ...

    @property
    def buyer(self) -> str: ...

    @property
    def at(self) -> datetime: ...

    @property
    def products(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """More than `threshold` attempts within `window_seconds` are too many."""

    threshold: int = 3
    window_seconds: int = 300


@dataclass(frozen=True, slots=True)
class Brushing:
    """The products that a buyer tried to order too often, with the attempts counted, and the limits at `at` (UTC)."""

    counts: Mapping[str, int]
    limits: AttemptLimits
    at: datetime

    def grounds(self) -> Grounds:
        return Grounds(
            code=SUSPECTED_BRUSHING,
            since=self.at - timedelta(seconds=self.limits.window_seconds),
            products=sorted(self.counts),
            seen={
                "counts": dict(sorted(self.counts.items())),
                "threshold": self.limits.threshold,
                "window": self.limits.window_seconds,
            },
        )


def judge(attempt: Attempted, counts: Mapping[str, int], limits: AttemptLimits) -> Brushing | None:
    """Whether this attempt is one too many. `counts` are the buyer's attempts by product id, this one included."""
    over = {
        product: counts[product] for product in attempt.products if counts.get(product, 0) > limits.threshold
    }
    return Brushing(over, limits, attempt.at) if over else None


def marked(attempt: Attempted) -> Grounds | None:
    """Why the order that this attempt creates is born held: a mark that an earlier attempt has left."""
    return marks.find(attempt.merchant_id, attempt.buyer, attempt.products)


def hold_created(order: Order, grounds: Grounds) -> None:
    """Hold an order that the caller's transaction has just inserted: it is born held, and its marks are used up."""
    marks.forget(order.merchant_id, order.buyer.outside_id, grounds.products)
    reviews.hold({order.pk: order}, {order.pk: grounds})


def hold_newest(merchant_id: int, buyer_id: str, products: Sequence[str], evidence: Grounds) -> list[str]:
    """Hold the buyer's newest pending or paid order of each product; returns the numbers of the orders held now.

    `buyer_id` is the merchant's own id of the buyer. An order that is held already, or about which a person has decided
    within the window, stays as it is. Opens its own transaction.
    """
    with transaction.atomic():
        newest = {product: _newest(merchant_id, buyer_id, product) for product in products}
        orders = lifecycle.lock(pk for pk in newest.values() if pk)
        held = {pk: order for pk, order in orders.items() if order.status in _HOLDABLE}
        without = [product for product, pk in newest.items() if pk not in held]
        marks.set_marks(merchant_id, buyer_id, without, evidence)
        reviews.open_for_shipped(_left(merchant_id, buyer_id, without, evidence.since), evidence)
        return reviews.hold(held, dict.fromkeys(held, evidence))


def _newest(merchant_id: int, buyer_id: str, product: str) -> int | None:
    rows = _of_buyer(merchant_id, buyer_id).filter(status__in=_HOLDABLE, lines__product_id=product)
    return rows.values_list("pk", flat=True).first()


def _left(merchant_id: int, buyer_id: str, products: Sequence[str], since: datetime) -> list[Order]:
    """The buyer's orders of these products that were shipped within the window, the newest of each product."""
    rows = _of_buyer(merchant_id, buyer_id).filter(status__in=_LEFT, shipped_at__gte=since)
    newest = (rows.filter(lines__product_id=product).first() for product in products)
    return [order for order in newest if order is not None]


def _of_buyer(merchant_id: int, buyer_id: str) -> OrderQuerySet:
    """The buyer's orders, the newest first by time: by key the database might walk all orders backwards."""
    buyers = Buyer.objects.filter(merchant_id=merchant_id, outside_id=buyer_id)
    return Order.objects.filter(buyer__in=buyers).order_by("-created_at", "-pk")
