"""`/healthz`: the process is alive. `/readyz`: database, broker and cache answer, each by name."""

from __future__ import annotations

import logging
from collections.abc import Callable

from celery import current_app
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

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


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """503 when one of them fails; the reason is in the log, not in the answer."""
    state = {name: _state(name, check) for name, check in CHECKS.items()}
    ready = all(word == "ok" for word in state.values())
    return JsonResponse({"ready": ready, **state}, status=200 if ready else 503)


def _state(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except Exception as error:  # the edge: whatever is wrong with it, it is not ready
        logger.warning("%s is not ready: %s", name, error.__class__.__name__)
        return "down"
    return "ok"
