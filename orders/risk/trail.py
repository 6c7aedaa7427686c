"""The trail of a buyer: the attempts and orders of the same products, for the evidence of a review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orders.models import Intercept, InterceptOutcome, Order

# A person compares a handful; a bot's thousands would only be scrolled past.
MOST = 30
# An attempt that made no order. Repetitions under one key are no attempts of their own.
_FAILED = (InterceptOutcome.REFUSED, InterceptOutcome.IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class TrailEntry:
    """An attempt: the order that it made, or the layer that refused it. `at` is UTC."""

    at: datetime
    outcome: str
    order_number: str
    device_id: str
    client_ip: str
    key_digest: str = ""

    def as_json(self) -> dict[str, str]:
        """For the review: no name, phone or street, which the order keeps and which may be erased there."""
        return {
            "at": self.at.isoformat(timespec="milliseconds"),
            "outcome": self.outcome,
            "order": self.order_number,
            "device": self.device_id,
            "ip": self.client_ip,
            "key": self.key_digest,
        }


def orders_beside(order: Order, products: Sequence[str], since: datetime) -> list[Order]:
    """The buyer's orders of these products since then (UTC), this one among them, the newest first; at most MOST."""
    rows = Order.objects.filter(
        buyer_id=order.buyer_id, created_at__gte=since, lines__product_id__in=products
    )
    return list(rows.distinct().order_by("-created_at", "-pk")[:MOST])


def failed_beside(order: Order, products: Sequence[str], since: datetime) -> list[Intercept]:
    """The buyer's attempts at these products since then (UTC) that made no order, the newest first; at most MOST.

    Several layers may have said something about one attempt: the first row of the log is taken.
    """
    rows = Intercept.objects.filter(
        merchant_id=order.merchant_id,
        buyer_outside_id=order.buyer.outside_id,
        at__gte=since,
        outcome__in=_FAILED,
    )
    wanted = set(products)
    found = {
        (row.key_digest, row.at): row
        for row in rows.order_by("-pk")[: 3 * MOST]
        if wanted.intersection(row.products)
    }
    return list(found.values())[:MOST]


def attempts_of(order: Order, products: Sequence[str], since: datetime) -> list[TrailEntry]:
    """The attempts of the order's buyer since then (UTC), the newest first; at most MOST."""
    made = [_made(one) for one in orders_beside(order, products, since)]
    failed = [_failed(row) for row in failed_beside(order, products, since)]
    return sorted([*made, *failed], key=lambda entry: entry.at, reverse=True)[:MOST]


def _made(order: Order) -> TrailEntry:
    return TrailEntry(order.created_at, str(order.status), order.number, order.device_id, order.client_ip)


def _failed(row: Intercept) -> TrailEntry:
    return TrailEntry(row.at, row.layer or row.outcome, "", row.device_id, row.client_ip, row.key_digest)
