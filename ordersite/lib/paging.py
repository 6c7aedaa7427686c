"""Cursor paging over (created_at, id), newest first: every page costs what the first one costs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

M = TypeVar("M", bound=Model)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


# Every text of this form is a valid cursor (until the year 5138), so that the schema can describe it.
CURSOR_PATTERN = r"^[0-9]{1,17}\.[0-9]{1,18}$"


def cursor_after(row: Any) -> str:
    """Return the cursor after this row; clients send it back unchanged."""
    return f"{(row.created_at - _EPOCH) // _MICROSECOND}.{row.pk}"


def read_cursor(text: str) -> tuple[datetime, int]:
    """Parse a cursor to time (UTC) and primary key. Raises ValueError."""
    if not re.fullmatch(CURSOR_PATTERN[1:-1], text):
        raise ValueError("not a cursor")
    microseconds, _dot, pk = text.partition(".")
    return _EPOCH + int(microseconds) * _MICROSECOND, int(pk)


def page_of(rows: QuerySet[M], *, cursor: str, size: int) -> tuple[list[M], str]:
    """Return one page of `rows` and the next cursor ("" at the end). Raises ValueError for a bad cursor."""
    if cursor:
        at, pk = read_cursor(cursor)
        rows = rows.filter(created_at__lte=at).exclude(Q(created_at=at, pk__gte=pk))
    found = list(rows.order_by("-created_at", "-pk")[: size + 1])
    more = len(found) > size
    return found[:size], cursor_after(found[size - 1]) if more else ""
