"""Reviews of held orders in every state, beside what their buyers tried."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from orders.models import (
    AttemptMark,
    FingerprintClaim,
    HoldMark,
    HoldReview,
    Intercept,
    InterceptLayer,
    Order,
)
from orders.tests.builders import build_order_for, build_order_in, move

DEVICES = ("a1b2c3d4-0000-4000-8000-9f8e7d6c5b4a", "x" * 100, "")


def build_reviews(busy: Order, chief: User, *, sentence: str) -> list[HoldReview]:
    """Build an open review of a busy order that is late, one of what had left, and decided ones."""
    for number, device in enumerate(DEVICES):
        tried = build_order_for(
            busy.buyer, total=Decimal("88.80"), quantity=number + 1, due_in=timedelta(minutes=30)
        )
        Order.objects.filter(pk=tried.pk).update(device_id=device, client_ip="2001:db8:85a3::8a2e:370:7334")
        if number:
            move(tried, "close", "timeout")
    for layer in InterceptLayer.values:
        Intercept.objects.create(
            merchant=busy.merchant, layer=layer, outcome="refused", buyer_outside_id=busy.buyer.outside_id,
            buyer_phone="+86-139-0013-9000", products=["cup-1"], amount=busy.total_amount, device_id=DEVICES[0],
            client_ip="2001:db8:85a3::8a2e:370:7334", address=sentence * 5, key_digest=layer, code="order_refused",
        )  # fmt: skip
    Order.objects.filter(pk=busy.pk).update(device_id=DEVICES[0], client_ip="203.0.113.7")
    seen = {
        "counts": {"cup-1": 7, "thermos-stainless-500ml-limited-2": 1234},
        "threshold": 3, "window": 300, "products": ["cup-1"],
    }  # fmt: skip
    common = {"merchant": busy.merchant, "rule": "suspected_brushing", "seen": seen}
    hours_ago = timezone.now() - timedelta(hours=5)
    late = HoldReview(order=busy, opened_at=hours_ago, escalated_at=timezone.now(), **common)
    left = HoldReview(order=build_order_in("shipped", merchant=busy.merchant), is_shipped=True, **common)
    released, ended = (
        HoldReview(order=build_order_in(status), state=state, decided_at=timezone.now(), **common)
        for status, state in (("paid", "released"), ("closed", "closed"))
    )
    released.decided_by, released.reason = chief, (sentence * 5)[:200]
    rows = [late, left, released, ended]
    for row in rows:
        row.save(force_insert=True)
    _build_marks(busy, seen)
    return rows


def _build_marks(busy: Order, seen: dict[str, Any]) -> None:
    """Rows that no page shows, but that jobs of the clock and each creation read."""
    soon = timezone.now() + timedelta(minutes=5)
    HoldMark.objects.create(
        merchant=busy.merchant,
        buyer_outside_id="buyer-9",
        product_id="cup-1",
        rule="suspected_brushing",
        seen=seen,
    )
    FingerprintClaim.objects.create(fingerprint="ab" * 32, member="cd" * 16, expires_at=soon)
    AttemptMark.objects.create(window="ab" * 32, member="cd" * 16, expires_at=soon)
