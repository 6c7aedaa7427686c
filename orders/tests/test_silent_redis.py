"""A frozen Redis: an order waits for it 50 ms at most, once. As the broker: `ordersite/queue/tests/test_wakeups.py`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from orders.tests.calls import build_caller, order_body, post_order
from ordersite.server.quick_cache import QuickRedis
from scripts.services import Server, new_folder, start_redis

pytestmark = [pytest.mark.kill, pytest.mark.redis, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of the test's own, which is this process's cache."""
    server = start_redis(new_folder("silent") / "redis")
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": server.url, "OPTIONS": {}}}
    yield server
    QuickRedis.forget_pause()
    server.thaw()
    server.stop()


def create(caller: Client) -> tuple[int, float]:
    started = time.perf_counter()
    status = post_order(caller, order_body()).status_code
    return status, time.perf_counter() - started


def test_an_order_waits_50_ms_once(redis: Server) -> None:
    caller = build_caller()
    usual = min(create(caller)[1] for _ in range(5))

    redis.freeze()
    answers = [create(caller) for _ in range(5)]
    assert [status for status, _seconds in answers] == [201] * 5
    waited = sorted(seconds - usual for _status, seconds in answers)
    assert waited[-1] < 0.05 + 0.1, "the time limit, and the unrest of a busy machine"
    assert waited[-2] < 0.045, "known to be down"
