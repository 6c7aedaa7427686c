"""What a strategy would have done in the last days: the same rules, over the attempts of the past."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.utils import timezone

from orders.models import OrderStatus, StrategyKind
from orders.risk.strategies import StrategyRule, hits_of, windows_of
from orders.risk.tuning.past import MOST, FormerAttempt, past_since
from orders.risk.windows.window import Window

DAYS = 7
EXAMPLES = 20
# The buyer paid and kept the goods: to hold or refuse such an order would have harmed a buyer who seems honest.
HONEST = (OrderStatus.PAID, OrderStatus.SHIPPED, OrderStatus.COMPLETED)


@dataclass(frozen=True, slots=True)
class Example:
    """One order or refused attempt that the strategy would have hit. `value` is masked."""

    attempt: FormerAttempt
    count: int
    value: str


@dataclass(slots=True)
class Simulation:
    """What would have been hit from `since` to `until` (UTC). `is_cut`: the time before had too many rows to read."""

    since: datetime
    until: datetime
    is_cut: bool
    orders: int = 0
    refused: int = 0
    refused_hits: int = 0
    hits_by_day: Counter[date] = field(default_factory=Counter)
    hit_orders_by_status: Counter[str] = field(default_factory=Counter)
    examples: deque[Example] = field(default_factory=lambda: deque(maxlen=EXAMPLES))

    @property
    def hit_orders(self) -> int:
        return self.hit_orders_by_status.total()

    @property
    def honest(self) -> int:
        """Hit orders that were paid and not refunded."""
        return sum(self.hit_orders_by_status[status] for status in HONEST)

    @property
    def percent(self) -> float:
        """The share of all orders that would have been hit."""
        return 100 * self.hit_orders / self.orders if self.orders else 0.0

    def days(self) -> list[tuple[date, int]]:
        """Hits for each day of the shop's calendar, those without any too."""
        first, last = (timezone.localtime(at).date() for at in (self.since, self.until))
        days = (first + timedelta(days=number) for number in range((last - first).days + 1))
        return [(day, self.hits_by_day[day]) for day in days]


def simulate(rule: StrategyRule, *, now: datetime, most: int = MOST) -> Simulation:
    """Judge the attempts of the last DAYS by this rule, of its merchant or of all. `now` is UTC.

    Reads the newest `most` orders and as many refused attempts.
    """
    past = past_since(now - timedelta(days=DAYS), rule.merchant_id, most)
    attempts = past.attempts(with_products=rule.kind == StrategyKind.ATTEMPTS)
    return replay(rule, attempts, Simulation(past.since, now, past.is_cut))


def replay(rule: StrategyRule, attempts: Iterable[FormerAttempt], result: Simulation) -> Simulation:
    """Judge attempts in the order of their time and note the hits in `result`."""
    counts = _Counts(rule.window_seconds)
    for attempt in attempts:
        seen = {window: counts.add(attempt, window) for window in windows_of(attempt, [rule])}
        result.orders += bool(attempt.order_id)
        result.refused += not attempt.order_id
        for hit in hits_of(attempt, [rule], seen) if seen else ():
            _note(result, Example(attempt, hit.count, hit.value))
    return result


def _note(result: Simulation, example: Example) -> None:
    attempt = example.attempt
    result.hits_by_day[timezone.localtime(attempt.at).date()] += 1
    result.examples.append(example)
    if attempt.order_id:
        result.hit_orders_by_status[attempt.status] += 1
    else:
        result.refused_hits += 1


class _Counts:
    """The times of the attempts in each window; those that left it are dropped."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._times: defaultdict[tuple[int, str, str], deque[float]] = defaultdict(deque)

    def add(self, attempt: FormerAttempt, window: Window) -> int:
        now = attempt.at.timestamp()
        times = self._times[attempt.merchant_id, window.name, window.value]
        while times and times[0] <= now - self._seconds:
            times.popleft()
        times.append(now)
        return len(times)
