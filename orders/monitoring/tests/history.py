"""Shops with a past, made by the hundred: counts of hours, and orders in bulk."""

from __future__ import annotations

import itertools
import math
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from orders.models import Buyer, HourCount, Merchant, Order
from orders.models.monitoring.minutes import minute_of
from orders.monitoring.usual import WEEK, WEEKS

_serial = itertools.count(1)
_TEN = Decimal("10.00")
# Mean orders in an hour, by the hour since 1970.
Shape = Callable[[int], float]


def local_hour(hour: int) -> int:
    """The hour of the day in China of an hour since 1970."""
    return (hour + 8) % 24


def is_weekend(hour: int) -> bool:
    """1970 began on a Thursday."""
    return (hour + 8) // 24 % 7 in (2, 3)


def day_shop(busiest: float) -> Shape:
    """A shop that sleeps from one to seven, is busiest in the evening, and half as busy again at the weekend."""

    def mean(hour: int) -> float:
        at = local_hour(hour)
        if 1 <= at < 7:
            return 0.0
        wave = 0.35 + 0.65 * math.sin(math.pi * ((at - 7) % 24) / 18) ** 2
        return busiest * wave * (1.5 if is_weekend(hour) else 1.0)

    return mean


def orders_in(mean: float, chance: Random) -> int:
    """A number of orders by chance around a mean (Poisson's law, by the normal one where it is large)."""
    if mean > 60:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        count, product = count + 1, product * chance.random()
    return count


def past_hours(until: int, shape: Shape, chance: Random, *, weeks: int = WEEKS) -> dict[int, int]:
    """The orders of each hour of the weeks before an hour, one day in ten a good or bad one."""
    factors = {
        day: chance.choice((0.7, 1.4)) if chance.random() < 0.1 else 1.0 for day in range(weeks * 7 + 1)
    }
    return {
        hour: orders_in(shape(hour) * factors[(until - hour) // 24], chance)
        for hour in range(until - weeks * WEEK, until)
    }


def write_hours(merchant: Merchant, hours: Mapping[int, int]) -> None:
    HourCount.objects.bulk_create(
        HourCount(merchant=merchant, hour=hour, outcome="created", count=count)
        for hour, count in hours.items()
        if count
    )


def build_orders(
    merchant: Merchant, moments: list[datetime], *, buyer: Buyer | None = None, client_ip: str = ""
) -> list[Order]:
    """Build pending orders that were created at these moments, each by a buyer and from an address of its own."""
    buyers = [buyer] * len(moments) if buyer else list(_buyers(merchant, len(moments)))
    return Order.objects.bulk_create(
        _order(one, at, client_ip) for one, at in zip(buyers, moments, strict=True) if one
    )


def evenly(start: datetime, end: datetime, count: int) -> list[datetime]:
    """So many moments between two, equally far apart."""
    return [start + (end - start) * (number + 0.5) / count for number in range(count)]


def _buyers(merchant: Merchant, count: int) -> Iterator[Buyer]:
    rows = (
        Buyer(merchant=merchant, outside_id=f"b{next(_serial)}", name="王小明", phone="13800138000")
        for _number in range(count)
    )
    yield from Buyer.objects.bulk_create(rows)


def _order(buyer: Buyer, at: datetime, client_ip: str) -> Order:
    number = next(_serial)
    return Order(
        number=f"{at:%Y%m%d}-M-{number:06d}",
        merchant=buyer.merchant,
        buyer=buyer,
        goods_amount=_TEN,
        total_amount=_TEN,
        buyer_name=buyer.name,
        buyer_phone=buyer.phone,
        province="浙江省",
        city="杭州市",
        district="西湖区",
        street="文三路 1 号",
        client_ip=client_ip or f"203.0.113.{number % 250}",
        created_at=at,
        close_due_at=at + timedelta(minutes=30),
        product_set=secrets.token_hex(32),
        minute=minute_of(at),
        tracking_token=secrets.token_urlsafe(18),
    )
