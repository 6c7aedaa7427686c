"""The types and measurements that all benchmarks share: results, context, wall clock, processor cost.

A benchmark is a module with `def run(context: Context) -> list[Result]`. It runs in a process of its own, on a freshly
migrated database of its own (`context.database_url`, which is also Django's default one), with Django set up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from django.db import connection

from benchmarks.harness import machine

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the report. `ratio` is value to floor; `foreign_cpu` is how many cores other programs used meanwhile."""

    id: str
    name: str
    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None
    foreign_cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Context:
    """The argument of every benchmark. `folder` is for scratch files and is removed afterwards."""

    database_url: str
    folder: Path
    runs: int = 3


@dataclass(slots=True)
class Watch:
    """The result of `measured`, filled when the block ends: wall clock seconds, cores used by other programs."""

    seconds: float = 0.0
    foreign_cpu: float = 0.0
    marks: dict[str, float] = field(default_factory=dict)


@contextmanager
def measured() -> Iterator[Watch]:
    """Time a block, and measure the cores that other programs used meanwhile."""
    watch = Watch()
    before, started = machine.usage(), time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - started
    watch.foreign_cpu = machine.foreign_cores(before, machine.usage(), watch.seconds)


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor milliseconds of one request: of the web processes, and of PostgreSQL's backends."""

    python: float
    postgresql: float

    @property
    def total(self) -> float:
        return self.python + self.postgresql


class CostMeter:
    """Measures processor time between its creation and `cost`. Other databases of the same server are not counted."""

    def __init__(self) -> None:
        self._before = machine.server_seconds(_backends())

    def cost(self, requests: int) -> Cost:
        after = machine.server_seconds(_backends())
        web, database = (
            (now - then) * 1000 / requests for now, then in zip(after, self._before, strict=True)
        )
        return Cost(web, database)


def _backends() -> list[int]:
    """Return the process ids of this database's backends, without that of this connection."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return [pid for (pid,) in cursor.fetchall()]


def best_of(runs: int, measure: Callable[[], T], score: Callable[[T], float]) -> T:
    """Measure several times and return the outcome with the highest score: noise only lowers it."""
    return max((measure() for _ in range(runs)), key=score)
