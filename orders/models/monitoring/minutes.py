"""Minutes as whole numbers, as counts and constraints keep them."""

from __future__ import annotations

from datetime import UTC, datetime


def minute_of(at: datetime) -> int:
    """Return how many whole minutes lie between 1970 (UTC) and this moment."""
    return int(at.timestamp()) // 60


def moment_of(minute: int) -> datetime:
    """Return the moment (UTC) at which this minute begins."""
    return datetime.fromtimestamp(minute * 60, UTC)
