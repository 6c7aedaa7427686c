"""Records that the tasks of the clock ended well and that each kind of process works, and says what stands still."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from ordersite.health.models import Heartbeat
from ordersite.schedule import DAILY, RHYTHMS, Daily, Rhythm

# A task of a short rhythm is recorded once in so many seconds by each process.
EVERY_SECONDS = 10.0
# A task stands still once it has missed five starts, and never sooner than after a minute.
_MISSED, _LEAST = 5, timedelta(minutes=1)
_DAY = timedelta(hours=26)
# What a deployment consists of beside its web processes (Procfile); each is seen by what it does.
PROCESSES = ("worker", "outside", "beat", "clock")
# A kind of process that was taken out of a deployment for good is missed for so long.
_MISSED_FOR = timedelta(days=7)


class _Recorder:
    """What this process recorded last, by monotonic seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}

    def is_due(self, task: str) -> bool:
        now = time.monotonic()
        with self._lock:
            if now - self._last.get(task, -EVERY_SECONDS) < EVERY_SECONDS:
                return False
            self._last[task] = now
        return True


_recorder = _Recorder()


@dataclass(frozen=True, slots=True)
class Standstill:
    """A task that did not end well in time; `since` is its last good end, None when there was none."""

    task: str
    since: datetime | None


def record(task: str) -> None:
    """Keep that this task has just ended well. At most one statement in EVERY_SECONDS."""
    if _recorder.is_due(task):
        row = Heartbeat(task=task, at=timezone.now(), process=f"{socket.gethostname()} {os.getpid()}")
        Heartbeat.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["task"], update_fields=["at", "process"]
        )


def record_process(kind: str) -> None:
    """Keep that a process of this kind (one of PROCESSES) has just worked. At most one statement in EVERY_SECONDS."""
    record(_process_key(kind))


def recorded(task: str, run: Callable[[], object]) -> Callable[[], None]:
    """Wrap a task so that its good ends are recorded; what it raises passes."""

    def run_and_record() -> None:
        run()
        record(task)

    return run_and_record


def last_end(task: str) -> datetime | None:
    """When this task last ended well, anywhere."""
    return Heartbeat.objects.filter(task=task).values_list("at", flat=True).first()


def standing_still(now: datetime) -> list[Standstill]:
    """Return the tasks whose last good end is too long ago. One query.

    A task that never ran yet counts only when others have: a new installation stands still in nothing.
    """
    ends = dict(Heartbeat.objects.exclude(task__in=_KEYS).values_list("task", "at"))
    if not ends:
        return []
    oldest = min(ends.values())
    late = [one for one in (*RHYTHMS, *DAILY) if now - ends.get(one.task, oldest) > _patience(one)]
    return [Standstill(one.task, ends.get(one.task)) for one in late]


def missing_processes(now: datetime) -> list[Standstill]:
    """Return the kinds of process that worked here once and have done nothing for a minute. One query.

    A kind that was never seen is not missed: a shop without a broker has neither workers nor beat.
    """
    seen = _seen()
    return [
        Standstill(kind, at)
        for kind, key in zip(PROCESSES, _KEYS, strict=True)
        if (at := seen.get(key)) and _LEAST < now - at < _MISSED_FOR
    ]


def absent_processes(now: datetime) -> list[str]:
    """Return the kinds that did nothing within the last minute, also those that were never seen here. One query."""
    seen = _seen()
    return [
        kind
        for kind, key in zip(PROCESSES, _KEYS, strict=True)
        if key not in seen or now - seen[key] > _LEAST
    ]


def _seen() -> dict[str, datetime]:
    return dict(Heartbeat.objects.filter(task__in=_KEYS).values_list("task", "at"))


def _process_key(kind: str) -> str:
    return f"process.{kind}"


_KEYS = [_process_key(kind) for kind in PROCESSES]


def _patience(one: Rhythm | Daily) -> timedelta:
    if isinstance(one, Daily):
        return _DAY
    return max(_LEAST, timedelta(seconds=one.seconds * _MISSED))
