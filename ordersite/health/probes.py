"""`/healthz`: the process is alive. `/readyz`: what answers and what does not, each by name."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from celery import current_app
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ordersite.database import server_defaults
from ordersite.health.heartbeat import PROCESSES, missing_processes, standing_still

# Anybody may call: a check costs a connection to the broker, and seconds where one of the servers is silent.
KEPT_SECONDS, PATIENCE = 2.0, 0.25

logger = logging.getLogger(__name__)


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


def check_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def check_broker() -> None:
    with current_app.connection_for_write(connect_timeout=2) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=2)


def check_cache() -> None:
    cache.set("readyz", "1", 5)
    if cache.get("readyz") != "1":
        raise RuntimeError("what was stored is not there")


def check_tasks() -> None:
    if late := standing_still(timezone.now()):
        raise RuntimeError(f"{late[0].task} stands still")


def check_process(kind: str) -> None:
    for missing in missing_processes(timezone.now()):
        if missing.task == kind:
            raise RuntimeError(f"last seen {missing.since}")


def check_time_limits() -> None:
    if names := server_defaults.missing():
        raise RuntimeError(f"{names[0]} is 0")


# The database first: without it nothing can be taken in. Without the others orders and notifications are taken all the
# same, so they are named and cost no process its place behind the proxy.
CHECKS: dict[str, Callable[[], None]] = {
    "database": check_database,
    "time_limits": check_time_limits,
    "broker": check_broker,
    "cache": check_cache,
    "tasks": check_tasks,
    **{kind: partial(check_process, kind) for kind in PROCESSES},
}
NEEDED = "database"


class Readiness:
    """The last result of the checks, and the one check that may run at a time in this process.

    A silent server makes a check take seconds. Whoever else calls meanwhile waits PATIENCE at most, counted from the
    check's beginning, and is answered "checking" for what is not known yet: the web threads stay free for providers' calls.
    """

    def __init__(
        self, check: Callable[[], Iterable[tuple[str, str]]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._check, self._clock, self._mutex = check, clock, threading.Lock()
        self._running: threading.Event | None = None
        self._began, self._ended = 0.0, -math.inf
        self._state: dict[str, str] = {}
        self._known: dict[str, str] = {}  # of the check that runs

    def state(self) -> dict[str, str]:
        """Return `ok`, `down` or `checking` for each server."""
        with self._mutex:
            if self._is_fresh():
                return self._state
            mine = self._running is None
            if mine:
                self._running, self._began, self._known = threading.Event(), self._clock(), {}
            running, wait = self._running, self._began + PATIENCE - self._clock()
        if mine:
            return self._run()
        assert running is not None
        running.wait(max(wait, 0))
        with self._mutex:
            return self._state if self._is_fresh() else dict.fromkeys(CHECKS, "checking") | self._known

    def _run(self) -> dict[str, str]:
        for name, word in self._check():
            with self._mutex:
                self._known[name] = word
        with self._mutex:
            state = dict(self._known)
            self._state, self._ended = state, self._clock()
            if self._running:
                self._running.set()
            self._running = None
        return state

    def _is_fresh(self) -> bool:
        return self._clock() - self._ended < KEPT_SECONDS


def check_all() -> Iterator[tuple[str, str]]:
    return ((name, _state(name, check)) for name, check in CHECKS.items())


readiness = Readiness(check_all)


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """503 where nothing can be taken in; else 200, and `degraded` where something else does not answer.

    The reason is in the log, not in the answer. At most KEPT_SECONDS old.
    """
    state = readiness.state()
    ready = state[NEEDED] == "ok"
    degraded = sorted(name for name, word in state.items() if word != "ok")
    return JsonResponse({"ready": ready, "degraded": degraded, **state}, status=200 if ready else 503)


def _state(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except Exception as error:  # the edge: whatever is wrong with it, it is not ready
        logger.warning("%s is not ready: %s", name, error.__class__.__name__)
        return "down"
    return "ok"
