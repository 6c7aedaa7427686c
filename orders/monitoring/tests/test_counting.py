"""Counts are those of the rows, however late they commit and however long nothing counted."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
import time_machine
from django.test import Client

from orders.models import HourCount, Intercept, Merchant, MinuteCount, Order
from orders.models.monitoring.minutes import minute_of
from orders.monitoring import counting
from orders.monitoring.bursts import Burst, busiest
from orders.monitoring.tests.history import build_orders, evenly
from orders.tests.builders import build_buyer, build_merchant

pytestmark = pytest.mark.django_db
NOW = datetime.fromisoformat("2026-11-25T12:00:20+08:00")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def counted_minutes() -> dict[tuple[int, int], int]:
    rows = MinuteCount.objects.filter(outcome="created").values_list("merchant_id", "minute", "count")
    return {(shop, minute): count for shop, minute, count in rows}


def counted_hours() -> dict[tuple[int, int], int]:
    rows = HourCount.objects.filter(outcome="created").values_list("merchant_id", "hour", "count")
    return {(shop, hour): count for shop, hour, count in rows}


def true_counts(minutes: int) -> dict[tuple[int, int], int]:
    """The orders themselves, in units of so many minutes."""
    rows = Order.objects.values_list("merchant_id", "created_at")
    return dict(Counter((shop, minute_of(at) // minutes) for shop, at in rows))


@pytest.fixture
def shops() -> list[Merchant]:
    return [build_merchant("a"), build_merchant("b")]


def at_random(seed: int, start: datetime, end: datetime, count: int) -> list[datetime]:
    chance = Random(seed)
    return sorted(start + (end - start) * chance.random() for _number in range(count))


def test_minutes_and_hours_are_those_of_the_orders(shops: list[Merchant]) -> None:
    for seed, shop in enumerate(shops):
        build_orders(shop, at_random(seed, NOW - 20 * HOUR, NOW, 200))

    assert counting.count(NOW)

    assert counted_minutes() == true_counts(1)
    assert counted_hours() == true_counts(60)


def test_counting_again_changes_nothing(shops: list[Merchant]) -> None:
    build_orders(shops[0], at_random(1, NOW - HOUR, NOW, 100))
    counting.count(NOW)
    before = list(MinuteCount.objects.order_by("pk").values())

    counting.count(NOW)
    counting.count(NOW + MINUTE)

    assert list(MinuteCount.objects.order_by("pk").values()) == before
    assert counted_hours() == true_counts(60)


def test_late_commits_are_counted(shops: list[Merchant]) -> None:
    build_orders(shops[0], evenly(NOW - HOUR, NOW, 10))
    counting.count(NOW)

    build_orders(shops[0], [NOW - 4 * MINUTE, NOW - 4 * MINUTE])
    counting.count(NOW + MINUTE / 4)

    assert counted_minutes() == true_counts(1)
    assert counted_hours() == true_counts(60)


def test_a_standstill_is_made_up_for(shops: list[Merchant]) -> None:
    build_orders(shops[0], [NOW - 9 * DAY])
    counting.count(NOW - 9 * DAY + MINUTE * 17)

    build_orders(shops[1], at_random(2, NOW - 9 * DAY, NOW, 300))
    assert counting.count(NOW)

    assert counted_hours() == true_counts(60)
    kept = minute_of(NOW) + 1 - counting.MINUTES_KEPT
    assert counted_minutes() == {slot: rows for slot, rows in true_counts(1).items() if slot[1] >= kept}


def test_a_new_installation_counts_eight_weeks_back(shops: list[Merchant]) -> None:
    """In some runs, each of which is bounded."""
    build_orders(shops[0], [NOW - 70 * DAY, NOW - 55 * DAY, NOW - 30 * DAY, NOW])

    runs = [counting.count(NOW) for _run in range(3)]

    assert runs == [False, True, True]
    assert sorted(hour for _shop, hour in counted_hours()) == [
        minute_of(at) // 60 for at in (NOW - 55 * DAY, NOW - 30 * DAY, NOW)
    ]


def test_old_hours_are_forgotten(shops: list[Merchant]) -> None:
    hour = minute_of(NOW) // 60
    for back in (counting.HOURS_KEPT + 1, counting.HOURS_KEPT - 1):
        HourCount.objects.create(merchant=shops[0], hour=hour - back, outcome="created", count=1)

    counting.count(NOW)

    assert [at for _shop, at in counted_hours()] == [hour - counting.HOURS_KEPT + 1]


def intercept(shop: Merchant, at: datetime, key: str, layer: str = "fingerprint") -> Intercept:
    return Intercept(
        merchant=shop, at=at, key_digest=key, layer=layer, outcome="refused", amount=Decimal("10.00"),
        buyer_outside_id="b7", client_ip="198.51.100.7",
    )  # fmt: skip


def test_stopped_attempts_are_counted_by_layer(shops: list[Merchant]) -> None:
    """What two rules say of one attempt is one attempt."""
    minute = NOW - MINUTE
    rows = [("k1", "strategy"), ("k1", "strategy"), ("k2", "strategy"), ("k3", "twin")]
    Intercept.objects.bulk_create(intercept(shops[0], minute, key, layer) for key, layer in rows)

    counting.count(NOW)

    for model in (MinuteCount, HourCount):
        counts = model._base_manager.values_list("merchant_id", "outcome", "layer", "count")
        assert sorted(counts) == [
            (shops[0].pk, "refused", "strategy", 2),
            (shops[0].pk, "refused", "twin", 1),
        ]


def test_refused_attempts_count_as_attempts(shops: list[Merchant]) -> None:
    buyer = build_buyer(shops[0])
    build_orders(shops[0], evenly(NOW - MINUTE, NOW, 3), buyer=buyer, client_ip="198.51.100.7")
    refused = [intercept(shops[0], NOW, key) for key in ("k1", "k2", "k2")]
    for row in refused:
        row.buyer_outside_id = buyer.outside_id
    Intercept.objects.bulk_create(refused)
    pk, since = shops[0].pk, NOW - 5 * MINUTE

    assert busiest("buyer__outside_id", [pk], since, 5) == [Burst(pk, buyer.outside_id, 5, 2)]
    assert busiest("client_ip", [pk], since, 5) == [Burst(pk, "198.51.100.7", 5, 2)]
    assert busiest("client_ip", [pk], since, 6) == []


def test_metrics_show_the_last_whole_minutes(shops: list[Merchant]) -> None:
    with time_machine.travel(NOW, tick=False):
        build_orders(shops[0], [NOW, NOW - MINUTE, NOW - 5 * MINUTE, NOW - 6 * MINUTE])
        Intercept.objects.bulk_create([intercept(shops[1], NOW - MINUTE, "k1")])
        counting.count(NOW)

        shown = Client().get("/metrics").content.decode()

    assert 'ordersite_attempts_last_5_minutes{layer="",outcome="created"} 2.0' in shown
    assert 'ordersite_attempts_last_5_minutes{layer="fingerprint",outcome="refused"} 1.0' in shown
