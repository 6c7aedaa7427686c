"""`/healthz`: the process is alive. `/readyz`: database, broker and cache answer, each by name."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from celery import current_app
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

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


CHECKS: dict[str, Callable[[], None]] = {
    "database": check_database,
    "broker": check_broker,
    "cache": check_cache,
}


class Readiness:
    """The last result of the checks, and the one check that may run at a time in this process.

    A silent server makes a check take seconds. Whoever else calls meanwhile waits PATIENCE at most, counted from the
    check's beginning, and is answered "checking": the web threads stay free for providers' calls.
    """

    def __init__(
        self, check: Callable[[], dict[str, str]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._check, self._clock, self._mutex = check, clock, threading.Lock()
        self._running: threading.Event | None = None
        self._began, self._ended = 0.0, -math.inf
        self._state: dict[str, str] = {}

    def state(self) -> dict[str, str]:
        """Return `ok`, `down` or `checking` for each server."""
        with self._mutex:
            if self._is_fresh():
                return self._state
            mine = self._running is None
            if mine:
                self._running, self._began = threading.Event(), self._clock()
            running, wait = self._running, self._began + PATIENCE - self._clock()
        if mine:
            return self._run()
        assert running is not None
        running.wait(max(wait, 0))
        with self._mutex:
            return self._state if self._is_fresh() else dict.fromkeys(CHECKS, "checking")

    def _run(self) -> dict[str, str]:
        state = self._check()
        with self._mutex:
            self._state, self._ended = state, self._clock()
            if self._running:
                self._running.set()
            self._running = None
        return state

    def _is_fresh(self) -> bool:
        return self._clock() - self._ended < KEPT_SECONDS


def check_all() -> dict[str, str]:
    return {name: _state(name, check) for name, check in CHECKS.items()}


readiness = Readiness(check_all)


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """503 when one of them fails; the reason is in the log, not in the answer. At most KEPT_SECONDS old."""
    state = readiness.state()
    ready = all(word == "ok" for word in state.values())
    return JsonResponse({"ready": ready, **state}, status=200 if ready else 503)


def _state(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except Exception as error:  # the edge: whatever is wrong with it, it is not ready
        logger.warning("%s is not ready: %s", name, error.__class__.__name__)
        return "down"
    return "ok"
