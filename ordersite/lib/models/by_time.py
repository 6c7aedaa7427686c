"""Finds where a span of time begins in a table whose keys follow the time, by halving: no index by time is needed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet


def first_since(rows: QuerySet[Any], column: str, moment: datetime) -> int:
    """Return the lowest key at or after a moment (UTC): 0 where that is all rows, one behind the last for none."""
    ids = rows.order_by("pk").values_list("pk", column)
    low, last = 0, ids.last()
    high = last[0] + 1 if last else 0
    while low < high:
        middle = (low + high) // 2
        found = ids.filter(pk__gte=middle).first()
        if found is None or found[1] >= moment:
            high = middle
        else:
            low = found[0] + 1
    return low
