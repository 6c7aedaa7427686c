"""Times as Chinese providers and carriers write them: `yyyy-MM-dd HH:mm:ss`, Beijing, no zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

# China has had one zone and no summer time since 1991: a fixed offset needs no zone database.
BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")


def read_beijing(text: str) -> datetime | None:
    """UTC, or None where the text is no such time.

    A fraction of a second is allowed (Alipay's gmt_refund has one).
    """
    try:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=BEIJING)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write_beijing(at: datetime) -> str:
    """An aware time as Beijing wall clock, to the second."""
    return at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
