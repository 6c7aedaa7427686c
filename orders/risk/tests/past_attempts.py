"""Attempts for tests of the rules, as plain data, and a count of them in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from orders.risk import strategies
from orders.risk.strategies import Judgement, StrategyRule
from orders.risk.windows.window import Window

NOON = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """One attempt, with the traits that rules look at."""

    buyer: str = "b1"
    products: tuple[str, ...] = ("cup-1",)
    amount: Decimal = Decimal("88.80")
    phone: str = "13800138000"
    address: str = "广东省深圳市南山区科技园1号"
    device_id: str = "device-1"
    client_ip: str = "8.8.8.8"
    merchant_id: int = 1


class Memory:
    """Counts every attempt for as long as its windows last."""

    def __init__(self) -> None:
        self._times: dict[tuple[int, Window], list[datetime]] = defaultdict(list)

    def judge(self, tried: PastAttempt, rules: Sequence[StrategyRule], *, after: int = 0) -> Judgement:
        """Count an attempt made so many seconds after noon, and judge it."""
        at = NOON + timedelta(seconds=after)
        windows = strategies.windows_of(tried, rules)
        counts = {window: self._count((tried.merchant_id, window), at) for window in windows}
        return strategies.judge(tried, rules, counts)

    def _count(self, key: tuple[int, Window], at: datetime) -> int:
        since = at - timedelta(seconds=key[1].seconds)
        self._times[key] = [*(one for one in self._times[key] if one > since), at]
        return len(self._times[key])
