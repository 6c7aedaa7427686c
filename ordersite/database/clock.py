"""The time of this process: the database's clock, carried on by the monotonic one.

Due times and leases are written by one process and compared by another. So `django.utils.timezone.now` answers with one
clock everywhere (`install`), whatever the host's clock says or jumps to. A process that has not compared the two yet, and
SQLite, which is always on the same host, use the host's clock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.utils import timezone

from ordersite.database.silence import time_limit

ANSWER_SECONDS = 2.0
# A comparison that took longer says too little.
_LONGEST_ROUND_TRIP = 1.0


@dataclass(frozen=True, slots=True)
class Fix:
    """The database's time at a moment of the clock that counts on while the machine sleeps."""

    at: datetime
    counted: float


class Clock:
    """The clock of one process, shared by its threads."""

    def __init__(self) -> None:
        self._fix: Fix | None = None

    def now(self) -> datetime:
        """The time in UTC."""
        fix = self._fix
        if fix is None:
            return datetime.now(tz=UTC)
        return fix.at + timedelta(seconds=counted() - fix.counted)

    def set(self, fix: Fix | None) -> None:
        self._fix = fix


process_clock = Clock()


def counted() -> float:
    """Seconds of a clock that nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def now() -> datetime:
    """The time in UTC, by `process_clock`."""
    return process_clock.now()


# Migrations write down where a default comes from; there it stays Django's.
now.__module__ = timezone.__name__


def install() -> None:
    """Let Django, and whatever asks Django for the time, use `process_clock`. Call it before models are imported."""
    timezone.now = now


def compare() -> float | None:
    """Set the process's clock by the database's; return by how many seconds the host's is ahead.

    None where that could not be measured. Raises database errors.
    """
    if connection.vendor != "postgresql":
        return 0.0
    sent = counted()
    with time_limit(ANSWER_SECONDS), connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (theirs,) = cursor.fetchone()
    received, ours = counted(), datetime.now(tz=UTC)
    if received - sent > _LONGEST_ROUND_TRIP:
        return None
    theirs += timedelta(seconds=(received - sent) / 2)
    process_clock.set(Fix(theirs, received))
    return float((ours - theirs).total_seconds())
