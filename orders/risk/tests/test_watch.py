"""Redis away: orders come in, the database refuses twins, and an alert says so until it answers again."""

from __future__ import annotations

from typing import Any

import pytest

from orders.models import Intercept, Order
from orders.risk import intercepts, watch
from orders.tests.calls import build_caller, order_body, post_order
from ordersite.health.models import Alert
from ordersite.server.quick_cache import QuickRedis
from sandbox.tests.nobody import nobody

pytestmark = pytest.mark.django_db
NOBODY = nobody().replace("http://", "redis://")
AWAY = {"BACKEND": "ordersite.server.quick_cache.QuickRedisCache", "LOCATION": NOBODY}


def open_alerts() -> list[str]:
    return list(Alert.objects.filter(closed_at__isnull=True).values_list("kind", flat=True))


def test_orders_come_in_and_twins_do_not(settings: Any) -> None:
    caller, body = build_caller(), order_body()
    settings.CACHES = {"default": AWAY}

    statuses = [post_order(caller, body).status_code for _time in range(3)]

    assert (statuses, Order.objects.count()) == ([201, 409, 409], 1)
    assert list(Intercept.objects.values_list("layer", flat=True)) == ["twin", "twin"]


def test_an_alert_until_it_answers(settings: Any) -> None:
    usual = settings.CACHES
    settings.CACHES = {"default": AWAY}
    watch.watch_store()
    assert open_alerts() == ["duplicates_unwatched"]

    settings.CACHES = usual
    QuickRedis.forget_pause()
    watch.watch_store()
    assert open_alerts() == []


def test_old_rows_of_the_log_are_deleted(settings: Any) -> None:
    caller, body = build_caller(), order_body()
    for _time in range(3):
        post_order(caller, body)
    settings.INTERCEPT_LOG_DAYS = 0
    assert (intercepts.forget_old(), Intercept.objects.count()) == (2, 0)
