"""Finds where a span of time begins in a table whose keys follow the time, by halving: no index by time is needed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet


def first_since(rows: QuerySet[Any], column: str, moment: datetime) -> int:
    """The key of the first row at or after a moment (UTC); one behind the last where there is none."""
    ids = rows.order_by("pk").values_list("pk", column)
    low = (ids.first() or (1, moment))[0]
    high = (ids.last() or (0, moment))[0] + 1
    while low < high:
        middle = (low + high) // 2
        found = ids.filter(pk__gte=middle).first()
        if found is None or found[1] >= moment:
            high = middle
        else:
            low = found[0] + 1
    return low
