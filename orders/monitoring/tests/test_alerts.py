"""Operations are alerted within a minute to what is unusual for a shop, with figures, and never to what is usual."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import time_machine
from django.utils import translation

from orders.models import Intercept, Merchant
from orders.models.monitoring.minutes import minute_of
from orders.monitoring.figures import figures_of, sentence_of
from orders.monitoring.limits import Limits
from orders.monitoring.rates import Rush
from orders.monitoring.run import watch_orders
from orders.monitoring.seen import Seen
from orders.monitoring.tests.history import (
    Shape,
    build_orders,
    day_shop,
    evenly,
    orders_in,
    past_hours,
    write_hours,
)
from orders.monitoring.usual import WEEK, Past
from orders.tests.builders import build_buyer, build_merchant
from ordersite.health.models import Alert
from ordersite.schedule import RHYTHMS

pytestmark = pytest.mark.django_db
# A Wednesday. The clock looks every so many seconds.
NOON, NIGHT = (datetime.fromisoformat(f"2026-11-25T{at}:00:20+08:00") for at in ("12", "04"))
EVERY = next(one.seconds for one in RHYTHMS if one.task == "orders.watch_orders")
MINUTE = timedelta(minutes=1)


def open_alerts() -> list[tuple[str, str]]:
    return sorted(Alert.objects.filter(closed_at=None).values_list("kind", "subject"))


def build_shop(now: datetime, *, slug: str = "demo", weeks: int = 8, busiest: float = 240) -> Any:
    """A shop with its past, and the last hour as it should be."""
    shop, hour = build_merchant(slug), minute_of(now) // 60
    write_hours(shop, past_hours(hour, day_shop(busiest), Random(slug), weeks=weeks))
    usual = round(day_shop(busiest)(hour))
    if usual:
        build_orders(shop, evenly(now - 60 * MINUTE, now, usual))
    return shop


def look_at(now: datetime, *, seconds: float = 0) -> None:
    """Look as the clock does, until so many seconds after a moment."""
    moments = int(seconds // EVERY) + 1
    for step in range(moments):
        with time_machine.travel(now + timedelta(seconds=step * EVERY), tick=False):
            watch_orders()


def test_usual_orders_are_no_alert() -> None:
    build_shop(NOON)

    look_at(NOON, seconds=60)

    assert open_alerts() == []


def test_ten_times_as_many_orders() -> None:
    shop = build_shop(NOON)
    usual = day_shop(240)(minute_of(NOON) // 60) / 60
    build_orders(shop, evenly(NOON, NOON + MINUTE, round(10 * usual)))

    look_at(NOON, seconds=60)

    alert = Alert.objects.get()
    figures = figures_of(alert)
    assert (alert.kind, alert.subject) == ("order_rate", "demo")
    assert figures["seen"] >= figures["limit"] > figures["high"] > figures["usual"] > figures["low"]
    assert (figures["weeks"], figures["since"][:13]) == (8, "2026-11-25T03")


def test_burst_of_one_buyer() -> None:
    shop = build_shop(NOON)
    buyer = build_buyer(shop)
    build_orders(shop, evenly(NOON, NOON + MINUTE / 2, 8), buyer=buyer)

    look_at(NOON, seconds=60)

    alert = Alert.objects.get()
    assert (alert.kind, alert.subject) == ("buyer_burst", f"demo {buyer.outside_id}")
    assert {name: figures_of(alert)[name] for name in ("seen", "minutes", "refused", "limit")} == {
        "seen": 8, "minutes": 5, "refused": 0, "limit": 8,
    }  # fmt: skip


def test_burst_from_one_address() -> None:
    shop = build_shop(NOON, busiest=600)
    build_orders(shop, evenly(NOON - 2 * MINUTE, NOON, 30), client_ip="198.51.100.7")

    look_at(NOON)

    assert ("address_burst", "demo 198.51.100.7") in open_alerts()


def test_orders_while_the_shop_sleeps() -> None:
    shop = build_shop(NIGHT)
    build_orders(shop, evenly(NIGHT, NIGHT + MINUTE, 5))

    look_at(NIGHT, seconds=60)

    alert = Alert.objects.get()
    assert (alert.kind, alert.subject) == ("quiet_hours", "demo")
    assert {name: figures_of(alert)[name] for name in ("seen", "minutes", "awake", "days", "limit")} == {
        "seen": 5, "minutes": 60, "awake": 0, "days": 55, "limit": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "count", "kind"), [("refused", 60, "many_refused"), ("held", 20, "many_held")]
)
def test_many_stopped_attempts(outcome: str, count: int, kind: str) -> None:
    shop = build_merchant()
    Intercept.objects.bulk_create(
        Intercept(
            merchant=shop,
            at=NOON,
            layer="attempts",
            outcome=outcome,
            amount=Decimal(10),
            key_digest=f"k{number}",
        )
        for number in range(count - 1)
    )
    look_at(NOON)
    assert open_alerts() == []

    Intercept.objects.create(
        merchant=shop, at=NOON, layer="twin", outcome=outcome, amount=Decimal(10), key_digest="x"
    )
    look_at(NOON, seconds=15)

    assert open_alerts() == [(kind, "demo")]
    assert figures_of(Alert.objects.get())["seen"] == count


@pytest.mark.parametrize(("now", "orders"), [(NOON, 60), (NIGHT, 20)])
def test_a_shop_under_two_weeks_has_nothing_usual(now: datetime, orders: int) -> None:
    shop, minute = build_merchant("new"), minute_of(now)
    write_hours(shop, dict.fromkeys(range(minute // 60 - 2 * WEEK + 2, minute // 60 - 2 * WEEK + 40), 3))
    build_orders(shop, evenly(now, now + MINUTE, orders))

    look_at(now, seconds=60)

    assert open_alerts() == []


SHAPES: dict[str, Shape] = {
    "small": day_shop(6),
    "middle": day_shop(60),
    "large": day_shop(900),
    "always open": lambda hour: 40.0,
}


def alarms_in_a_week(shape: Shape, *, seed: int) -> list[Seen]:
    """Play a usual week after eight like it, and judge it twice a minute, as far as the minute has come."""
    chance, start = Random(seed), minute_of(NOON) // 60
    counts = past_hours(start, shape, chance)
    past, minutes, found = Past(min(counts), counts), Counter[int](), []
    for half in range(start * 120, (start + WEEK) * 120):
        minute = half // 2
        minutes[minute] += orders_in(shape(minute // 60) / 120, chance)
        minutes.pop(minute - 60, None)
        now = datetime.fromtimestamp(half * 30 + 29, tz=NOON.tzinfo)
        found.append(Rush(Merchant(slug="demo"), minutes, past, Limits(), now).judge())
    return [one for one in found if one]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_a_usual_week_raises_nothing(shape: Shape) -> None:
    assert alarms_in_a_week(shape, seed=1) == []


def test_an_alert_closes_when_it_is_calm() -> None:
    shop = build_shop(NIGHT)
    build_orders(shop, evenly(NIGHT, NIGHT + MINUTE, 5))
    look_at(NIGHT + MINUTE)
    first = figures_of(Alert.objects.get())["since"]

    look_at(NIGHT + 3 * MINUTE)
    again = Alert.objects.get()
    assert (again.count, figures_of(again)["since"]) == (2, first)

    look_at(NIGHT + 55 * MINUTE)
    look_at(NIGHT + 62 * MINUTE)
    assert open_alerts() == [("quiet_hours", "demo")]
    look_at(NIGHT + 75 * MINUTE)
    assert open_alerts() == []


@pytest.mark.parametrize(
    ("language", "words"), [("en", "5 orders in 60 minutes"), ("zh-hans", "60 分钟内 5 单")]
)
def test_figures_are_read_out(language: str, words: str) -> None:
    shop = build_shop(NIGHT)
    build_orders(shop, evenly(NIGHT, NIGHT + MINUTE, 5))
    look_at(NIGHT + MINUTE)

    with translation.override(language):
        said = sentence_of(Alert.objects.get())

    assert words in said
    assert "2026-11-25 04:00" in said
