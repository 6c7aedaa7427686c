"""Reads and writes times as Chinese companies do: `yyyy-MM-dd HH:mm:ss` in Beijing time, without a zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

# China has had one zone and no summer time since 1991: a fixed offset needs no zone database.
BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")


def read_beijing(text: str) -> datetime | None:
    """Parse a Beijing time to UTC; None for any other text.

    A fraction of a second is allowed (Alipay's gmt_refund has one).
    """
    try:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=BEIJING)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write_beijing(at: datetime) -> str:
    """Format an aware time in Beijing time, to the second."""
    return at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
