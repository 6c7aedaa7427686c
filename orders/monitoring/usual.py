"""What is usual for a shop at an hour of its week, from its own last weeks.

The method: take the orders of the same hour of the week (China's time) in each of the last eight weeks. Their median is
what is usual; the median of the distances from it, times 1.4826, is the usual deviation (a normal distribution's standard
deviation, but one wild week does not move it). Of an hour and its nearer neighbour the busier one counts, so that a shop
which opens a little sooner is no alarm. A shop whose first order is not two weeks old has nothing usual yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

from django.db.models import OuterRef, Subquery

from orders.models import HourCount, Merchant
from orders.models.monitoring import CREATED
from orders.monitoring.limits import Limits

WEEKS, LEAST_WEEKS = 8, 2
DAY, WEEK = 24, 7 * 24
_NORMAL = 1.4826
# A shop sleeps at an hour of the day in which it had orders on one day of ten at most.
_ONE_DAY_OF = 10


@dataclass(frozen=True, slots=True)
class Usual:
    """Orders an hour: what is usual, the usual deviation from it, and from how many weeks that is known."""

    orders: float
    deviation: float
    weeks: int

    def share(self, hours: float) -> Usual:
        """What is usual in a part of the hour."""
        return Usual(self.orders * hours, self.deviation * hours, self.weeks)

    @property
    def spread(self) -> float:
        """The deviation that counts: that of chance at least, which of N orders is the root of N."""
        return max(self.deviation, sqrt(self.orders))

    @property
    def low(self) -> float:
        return max(0.0, self.orders - 2 * self.spread)

    @property
    def high(self) -> float:
        return self.orders + 2 * self.spread

    def most(self, limits: Limits) -> float:
        """Up to how many orders are no reason for an alert: beyond, all three limits are passed."""
        return max(
            self.orders * limits.times_usual,
            self.orders + self.spread * limits.deviations,
            self.orders + limits.more_orders,
        )


def usual_of(orders: Sequence[int]) -> Usual:
    """Return what is usual where these were the orders of one hour in several weeks."""
    middle = median(orders)
    return Usual(middle, _NORMAL * median(abs(value - middle) for value in orders), len(orders))


@dataclass(frozen=True, slots=True)
class Past:
    """The orders of a shop by hours since 1970, and the hour of the first one; None where it never had one."""

    first: int | None
    orders: Mapping[int, int]

    def usual_in(self, hour: int) -> Usual | None:
        """What is usual in this hour; None for a shop that is not two weeks old by then."""
        before = [hour - WEEK * back for back in range(1, WEEKS + 1) if self._had_begun(hour - WEEK * back)]
        return usual_of([self.orders.get(one, 0) for one in before]) if len(before) >= LEAST_WEEKS else None

    def usual_at(self, minute: int) -> Usual | None:
        """What is usual an hour at this minute (since 1970): the busier of its hour and the nearer neighbour."""
        found = [usual for hour in hours_about(minute) if (usual := self.usual_in(hour))]
        return max(found, key=lambda usual: usual.orders, default=None)

    def sleeps_at(self, minute: int) -> bool:
        """Whether the shop usually takes no orders at this time of the day, nor around it."""
        return all(self._sleeps_in(hour) for hour in hours_about(minute))

    def days_awake(self, hour: int) -> tuple[int, int]:
        """On how many of the days that are looked back to the shop had orders in this hour, and how many these are."""
        before = [day for day in days_before(hour) if self._had_begun(day)]
        return sum(self.orders.get(one, 0) > 0 for one in before), len(before)

    def _sleeps_in(self, hour: int) -> bool:
        awake, days = self.days_awake(hour)
        return days >= LEAST_WEEKS * 7 and awake * _ONE_DAY_OF <= days

    def _had_begun(self, hour: int) -> bool:
        return self.first is not None and hour >= self.first


def hours_about(minute: int) -> tuple[int, int]:
    """Return the hour of a minute, and the neighbour that is nearer."""
    hour = minute // 60
    return hour, hour + (1 if minute % 60 >= 30 else -1)


def days_before(hour: int) -> Iterator[int]:
    """Yield the same hour of each day that is looked back to."""
    return (hour - DAY * back for back in range(1, WEEKS * 7 + 1))


def pasts(merchants: Collection[int], hours: Iterable[int]) -> dict[int, Past]:
    """Return the past of each merchant, with what is needed to judge these hours. Two queries."""
    wanted = {before for hour in hours for before in days_before(hour)}
    orders: dict[int, dict[int, int]] = {merchant: {} for merchant in merchants}
    counts = HourCount.objects.filter(outcome=CREATED)
    rows = counts.filter(merchant_id__in=merchants, hour__in=wanted)
    for merchant, hour, count in rows.values_list("merchant_id", "hour", "count"):
        orders[merchant][hour] = count
    first = counts.filter(merchant=OuterRef("pk")).order_by("hour").values("hour")[:1]
    firsts = Merchant.objects.filter(pk__in=merchants).values_list("pk").annotate(first=Subquery(first))
    return {merchant: Past(hour, orders[merchant]) for merchant, hour in firsts}


def past_of(merchant: int, hours: range) -> Past:
    """Return the past of one merchant, with what is needed to judge these hours."""
    counts = HourCount.objects.filter(merchant_id=merchant, outcome=CREATED).order_by("hour")
    first = counts.values_list("hour", flat=True).first()
    looked_at = counts.filter(hour__gte=hours.start - WEEKS * WEEK, hour__lt=hours.stop)
    return Past(first, dict(looked_at.values_list("hour", "count")))
