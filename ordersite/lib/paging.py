"""Cursor paging over (created_at, id), newest first: every page costs what the first one costs."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

M = TypeVar("M", bound=Model)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def cursor_after(row: Any) -> str:
    """The place after this row, as the opaque word that a client gives back."""
    place = f"{(row.created_at - _EPOCH) // _MICROSECOND}.{row.pk}"
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def read_cursor(text: str) -> tuple[datetime, int]:
    """The time (UTC) and primary key in a cursor; ValueError for what is none."""
    try:
        place = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
        microseconds, _dot, pk = place.partition(".")
        if not (microseconds.isascii() and microseconds.isdecimal() and pk.isdecimal() and len(pk) < 19):
            raise ValueError("not a cursor")
        return _EPOCH + int(microseconds) * _MICROSECOND, int(pk)
    except OverflowError as error:
        raise ValueError("not a cursor") from error


def page_of(rows: QuerySet[M], *, cursor: str, size: int) -> tuple[list[M], str]:
    """One page of `rows` and the cursor of the next one (empty at the end); ValueError for a bad cursor."""
    if cursor:
        at, pk = read_cursor(cursor)
        rows = rows.filter(created_at__lte=at).exclude(Q(created_at=at, pk__gte=pk))
    found = list(rows.order_by("-created_at", "-pk")[: size + 1])
    more = len(found) > size
    return found[:size], cursor_after(found[size - 1]) if more else ""
