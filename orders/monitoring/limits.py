"""The limits from which operations are alerted, for each merchant: its own, those of all merchants, the built-in ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from orders.models import WatchLimit


@dataclass(frozen=True, slots=True)
class Limits:
    """What is called too much, and where nothing else is set; see `WatchLimit` for the words of each."""

    times_usual: int = 3
    deviations: int = 8
    more_orders: int = 10
    quiet_orders: int = 5
    burst_minutes: int = 5
    buyer_attempts: int = 8
    address_attempts: int = 30
    refused_attempts: int = 60
    held_orders: int = 20


NAMES = tuple(field.name for field in fields(Limits))


def limits_of(merchants: Iterable[int]) -> dict[int, Limits]:
    """Return the limits of each merchant. One query."""
    rows = {row.merchant_id: row for row in WatchLimit.objects.all()}
    wider = _narrowed(Limits(), rows.get(None))
    return {merchant: _narrowed(wider, rows.get(merchant)) for merchant in merchants}


def limits_of_all() -> Limits:
    """Return the limits of merchants that have none of their own."""
    return _narrowed(Limits(), WatchLimit.objects.filter(merchant__isnull=True).first())


def _narrowed(wider: Limits, row: WatchLimit | None) -> Limits:
    own = {name: getattr(row, name) for name in NAMES if row and getattr(row, name) is not None}
    return replace(wider, **own)
