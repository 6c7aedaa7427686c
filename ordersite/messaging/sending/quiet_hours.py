"""Quiet hours of the buyers, by their clock, also across midnight; and where their day begins."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ordersite.messaging.models import MessageSettings


def quiet_until(settings: MessageSettings, at: datetime) -> datetime | None:
    """When the quiet hours end (UTC) in which `at` (UTC) lies; None outside of them. Their first minute is quiet."""
    begin, end = settings.quiet_from, settings.quiet_to
    if begin is None or end is None or begin == end:
        return None
    zone = ZoneInfo(settings.time_zone)
    there = at.astimezone(zone)
    now = there.time()
    is_quiet = begin <= now < end if begin < end else now >= begin or now < end
    if not is_quiet:
        return None
    day = there.date() if now < end else there.date() + timedelta(days=1)
    return datetime.combine(day, end, tzinfo=zone).astimezone(UTC)


def start_of_day(settings: MessageSettings, at: datetime) -> datetime:
    """The midnight (UTC) with which the buyers' day of `at` (UTC) began."""
    zone = ZoneInfo(settings.time_zone)
    return datetime.combine(at.astimezone(zone).date(), time(), tzinfo=zone).astimezone(UTC)


def next_day(settings: MessageSettings, at: datetime) -> datetime:
    """The midnight (UTC) with which the buyers' next day begins."""
    zone = ZoneInfo(settings.time_zone)
    there = at.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(there, time(), tzinfo=zone).astimezone(UTC)
