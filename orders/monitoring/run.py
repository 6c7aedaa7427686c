"""Counts what came in and tells operations what is unusual. Runs by the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.utils import timezone

from orders.models import Merchant
from orders.monitoring import counting
from orders.monitoring.bursts import bursts
from orders.monitoring.layers import many_stopped
from orders.monitoring.limits import limits_of
from orders.monitoring.rates import rushes
from orders.monitoring.seen import Seen, settle


def watch_orders() -> None:
    """Count, and judge what was counted, unless earlier hours are still to be counted."""
    now = timezone.now()
    if counting.count(now):
        settle(_seen(now), now)


def _seen(now: datetime) -> Iterator[Seen]:
    merchants = Merchant.objects.in_bulk()
    limits = limits_of(merchants)
    yield from (seen for rush in rushes(merchants, limits, now) if (seen := rush.judge()))
    yield from bursts(merchants, limits, now)
    yield from many_stopped(merchants, limits, now)
