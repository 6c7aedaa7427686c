"""Counts what came in, from the rows themselves: minutes first, and hours from these. Nothing is counted by who creates.

A minute is counted again until LATE has passed, since a transaction may commit some time after the moment that its row
bears. Counting again changes nothing, so it goes on after a standstill from where it stood.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Sum
from django.db.models.functions import TruncMinute
from django.utils import timezone

from orders.models import CountMark, HourCount, Intercept, Merchant, MinuteCount, Order
from orders.models.monitoring import CREATED
from orders.models.monitoring.minutes import minute_of, moment_of
from ordersite.database.one_writer import SQLITE_PAUSE_SECONDS
from ordersite.database.retention import delete_in_batches

# Minutes. No transaction of a creation lives so long.
LATE = 5
MINUTES_KEPT, HOURS_KEPT = 3 * 24 * 60, 10 * 7 * 24
# How far a new installation counts back: as far as «usual» looks, and the hour of the week that has just begun.
LOOKS_BACK = 8 * 7 * 24 * 60 + 60
_CHUNK = 6 * 60
_MOST_CHUNKS = 120
# merchant, minute or hour, outcome, layer
Slot = tuple[int, int, str, str]
Counts = dict[Slot, int]


def count(now: datetime | None = None) -> bool:
    """Count all sources up to now (UTC); False while an earlier time is still left. Runs by the clock."""
    until = minute_of(now or timezone.now()) + 1
    done = [_catch_up(source, until) for source in SOURCES]
    delete_in_batches(MinuteCount.objects.filter(minute__lt=until - MINUTES_KEPT).order_by("minute"))
    delete_in_batches(HourCount.objects.filter(hour__lt=until // 60 - HOURS_KEPT).order_by("hour"))
    return all(done)


def last_minutes(minutes: int) -> list[tuple[str, str, int]]:
    """Return outcome, layer and count of all merchants together, in the last whole minutes."""
    end = minute_of(timezone.now())
    rows = MinuteCount.objects.filter(minute__gte=end - minutes, minute__lt=end).order_by("outcome", "layer")
    return list(rows.values_list("outcome", "layer").annotate(rows=Sum("count")))


def _catch_up(source: str, until: int) -> bool:
    for _chunk in range(_MOST_CHUNKS):
        if _count_chunk(source, until):
            return True
        if connection.vendor == "sqlite":
            time.sleep(SQLITE_PAUSE_SECONDS)
    return False


def _count_chunk(source: str, until: int) -> bool:
    """Count the next hours of a source; return whether nothing is left. One at a time: the mark is locked."""
    with transaction.atomic():
        mark = _locked_mark(source, until)
        start = min(mark.minute, until) - LATE
        # A whole hour, so that none is added up from minutes of which the first are already forgotten.
        end = min((start + LATE + _CHUNK) // 60 * 60, until)
        merchants = list(Merchant.objects.values_list("pk", flat=True))
        _write(SOURCES[source](merchants, start, end), start, end)
        CountMark.objects.filter(pk=source).update(minute=end)
    return end == until


def _locked_mark(source: str, until: int) -> CountMark:
    CountMark.objects.bulk_create(
        [CountMark(source=source, minute=_first_minute(until))], ignore_conflicts=True
    )
    return CountMark.objects.select_for_update(no_key=True).get(pk=source)


def _first_minute(until: int) -> int:
    first = Order.objects.order_by("id").values_list("created_at", flat=True).first()
    return max(minute_of(first) if first else until, until - LOOKS_BACK) // 60 * 60


def _orders(merchants: list[int], start: int, end: int) -> Counts:
    rows = (
        Order.objects.filter(merchant_id__in=merchants, created_at__gte=moment_of(start))
        .filter(created_at__lt=moment_of(end))
        .order_by()
        .values_list("merchant_id", "minute")
        .annotate(rows=Count("id"))
    )
    return {(merchant, minute, CREATED, ""): rows for merchant, minute, rows in rows}


def _intercepts(merchants: list[int], start: int, end: int) -> Counts:
    """Attempts, not notes: several rules may have said something about one, which is one key."""
    rows = (
        Intercept.objects.filter(merchant_id__in=merchants, at__gte=moment_of(start), at__lt=moment_of(end))
        .order_by()
        .annotate(minute=TruncMinute("at", tzinfo=UTC))
        .values_list("merchant_id", "minute", "outcome", "layer")
        .annotate(attempts=Count("key_digest", distinct=True))
    )
    return {
        (merchant, minute_of(at), outcome, layer): attempts for merchant, at, outcome, layer, attempts in rows
    }


SOURCES: Mapping[str, Callable[[list[int], int, int], Counts]] = {
    "orders": _orders,
    "intercepts": _intercepts,
}


def _write(counted: Counts, start: int, end: int) -> None:
    """Write the minutes that are not yet so, and the hours to which they belong."""
    known = MinuteCount.objects.filter(minute__gte=start, minute__lt=end)
    stored = {(row.merchant_id, row.minute, row.outcome, row.layer): row.count for row in known}
    changed = {slot: rows for slot, rows in counted.items() if stored.get(slot) != rows}
    _upsert(MinuteCount, "minute", changed)
    if hours := {minute // 60 for _merchant, minute, _outcome, _layer in changed}:
        _upsert(HourCount, "hour", _sums(hours, {slot[0] for slot in changed}))


def _sums(hours: set[int], merchants: set[int]) -> Counts:
    """Add up the minutes of these hours."""
    first, last = min(hours), max(hours)
    rows = (
        MinuteCount.objects.filter(
            merchant_id__in=merchants, minute__gte=first * 60, minute__lt=last * 60 + 60
        )
        .order_by()
        .values_list("merchant_id", "minute", "outcome", "layer", "count")
    )
    sums: Counts = {}
    for merchant, minute, outcome, layer, rows_then in rows:
        slot = (merchant, minute // 60, outcome, layer)
        sums[slot] = sums.get(slot, 0) + rows_then
    return sums


def _upsert(model: type[MinuteCount] | type[HourCount], column: str, counts: Counts) -> None:
    """Write counts over those that are there, in the order of their key: two writers cannot wait for each other."""
    written: list[Any] = [
        model(**{column: at}, merchant_id=merchant, outcome=outcome, layer=layer, count=rows)
        for (merchant, at, outcome, layer), rows in sorted(counts.items())
    ]
    model._base_manager.bulk_create(
        written,
        batch_size=1_000,
        update_conflicts=True,
        unique_fields=["merchant", column, "outcome", "layer"],
        update_fields=["count"],
    )
