"""Marks of buyers whose next order of a product is held, for there was none when the rule had enough."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from orders.models import HoldMark
from orders.risk.grounds import Grounds
from ordersite.database import bulk
from ordersite.database.retention import delete_in_batches

# A buyer who comes back the day after is a new story.
LASTS = timedelta(days=1)
# For so long no mark is looked for after there was none at all. Shorter than any window of the rule: until then the
# attempts themselves are still counted.
_QUIET_SECONDS = 2.0


class _Quiet:
    """Until when (monotonic) this process takes it that there are no marks."""

    until = 0.0


def set_marks(merchant_id: int, buyer_id: str, products: Sequence[str], grounds: Grounds) -> None:
    """Mark the buyer for these products; marked twice is marked once. Call inside a transaction."""
    now = timezone.now()
    rows = [
        HoldMark(
            merchant_id=merchant_id, buyer_outside_id=buyer_id, product_id=product,
            rule=grounds.code, seen=dict(grounds.seen), created_at=now,
        )
        for product in sorted(products)
    ]  # fmt: skip
    bulk.insert_rows(HoldMark, rows, ignore_conflicts=True)
    transaction.on_commit(forget_quiet)


def find(merchant_id: int, buyer_id: str, products: Sequence[str]) -> Grounds | None:
    """The grounds on which an order of these products by this buyer is born held; None for nearly everybody.

    No query where a moment ago there was no mark of anybody, else one.
    """
    if time.monotonic() < _Quiet.until:
        return None
    if not HoldMark.objects.exists():
        _Quiet.until = time.monotonic() + _QUIET_SECONDS
        return None
    rows = HoldMark.objects.filter(
        merchant_id=merchant_id, buyer_outside_id=buyer_id, product_id__in=products,
        created_at__gt=timezone.now() - LASTS,
    ).order_by("product_id")  # fmt: skip
    found = list(rows)
    if not found:
        return None
    first = found[0]
    return Grounds(first.rule, first.created_at, [mark.product_id for mark in found], first.seen)


def forget(merchant_id: int, buyer_id: str, products: Sequence[str]) -> None:
    """Use up the marks of these products."""
    HoldMark.objects.filter(
        merchant_id=merchant_id, buyer_outside_id=buyer_id, product_id__in=products
    ).delete()


def forget_old() -> int:
    """Delete the marks that no longer count, in batches; returns how many."""
    old = HoldMark.objects.filter(created_at__lte=timezone.now() - LASTS)
    return delete_in_batches(old.order_by("created_at"))


def forget_quiet() -> None:
    """Look for marks at the next call in this process."""
    _Quiet.until = 0.0
