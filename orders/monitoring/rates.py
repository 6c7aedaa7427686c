"""Judges how fast a shop's orders come in: beside what is usual for it, and at hours in which it sleeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from orders.models import Merchant, MinuteCount
from orders.models.monitoring import CREATED
from orders.models.monitoring.minutes import minute_of
from orders.monitoring.limits import Limits
from orders.monitoring.seen import Seen
from orders.monitoring.usual import Past, Usual, pasts
from ordersite.health.models import Alert

# Minutes, the running one included: a short window that sees a flood at once, and a long one for small shops.
WINDOWS = (2, 15)
_HOUR = 60


@dataclass(frozen=True, slots=True)
class Rush:
    """What a shop took in the last hour: orders by minute since 1970, and the moment (UTC) at which that is judged."""

    merchant: Merchant
    minutes: Mapping[int, int]
    past: Past
    limits: Limits
    now: datetime

    @property
    def minute(self) -> int:
        return minute_of(self.now)

    def seen_in(self, minutes: int) -> int:
        """Orders of the last minutes, the running one included."""
        first = self.minute - minutes + 1
        return sum(count for minute, count in self.minutes.items() if minute >= first)

    def judge(self) -> Seen | None:
        """Return what is to be told about it, if anything. Nothing about a shop that has no usual hours yet."""
        usual = self.past.usual_at(self.minute)
        if usual is None:
            return None
        if self.past.sleeps_at(self.minute):
            return self._quiet()
        return next((seen for window in WINDOWS if (seen := self._rate(window, usual))), None)

    def _quiet(self) -> Seen | None:
        seen, limit = sum(self._asleep().values()), self.limits.quiet_orders
        if seen < limit:
            return None
        awake, days = self.past.days_awake(self.minute // 60)
        figures = {"seen": seen, "minutes": _HOUR, "awake": awake, "days": days, "limit": limit}
        return Seen(Alert.Kind.QUIET_HOURS, self.merchant, figures, min(self._asleep()))

    def _asleep(self) -> dict[int, int]:
        """The orders of the last hour, without those of minutes in which the shop was still awake."""
        halves = {minute // 30 for minute in self.minutes}
        asleep = {half for half in halves if self.past.sleeps_at(half * 30)}
        return {minute: count for minute, count in self.minutes.items() if minute // 30 in asleep and count}

    def _rate(self, window: int, hourly: Usual) -> Seen | None:
        part = (window - 1 + self.now.timestamp() % 60 / 60) / 60
        usual, seen = hourly.share(part), self.seen_in(window)
        limit = int(usual.most(self.limits)) + 1
        if seen < limit:
            return None
        figures = {
            "seen": seen,
            "minutes": window,
            "usual": round(usual.orders, 1),
            "low": int(usual.low),
            "high": round(usual.high),
            "weeks": usual.weeks,
            "limit": limit,
        }
        first = min(minute for minute in self.minutes if minute > self.minute - window)
        return Seen(Alert.Kind.ORDER_RATE, self.merchant, figures, first)


def rushes(merchants: Mapping[int, Merchant], limits: Mapping[int, Limits], now: datetime) -> Iterator[Rush]:
    """Yield the shops that took enough orders lately to be worth a look. Three queries, whatever their number."""
    minutes = _minutes(now)
    busy = [pk for pk in minutes if pk in merchants and _is_busy(minutes[pk], limits[pk])]
    hour = minute_of(now) // 60
    # The last hour began in the one before, whose nearer neighbour may be yet another.
    found = pasts(busy, range(hour - 2, hour + 2)) if busy else {}
    for pk in busy:
        yield Rush(merchants[pk], minutes[pk], found[pk], limits[pk], now)


def _minutes(now: datetime) -> dict[int, dict[int, int]]:
    minute = minute_of(now)
    rows = MinuteCount.objects.filter(minute__gt=minute - _HOUR, minute__lte=minute, outcome=CREATED)
    found: dict[int, dict[int, int]] = {}
    for merchant, at, count in rows.values_list("merchant_id", "minute", "count"):
        found.setdefault(merchant, {})[at] = count
    return found


def _is_busy(minutes: Mapping[int, int], limits: Limits) -> bool:
    return sum(minutes.values()) >= min(limits.quiet_orders, limits.more_orders)
