"""The enabled strategies, read from the database once in a while for each process: creating an order reads nothing."""

from __future__ import annotations

import threading
import time

from orders.models import RiskStrategy
from orders.risk.strategies import StrategyRule

# A change holds in every process after so long.
KEPT_SECONDS = 2.0
_COLUMNS = (
    "slug", "kind", "window_seconds", "threshold", "action", "merchant_id", "is_dry_run", "active_from", "active_until",
)  # fmt: skip


class _Snapshot:
    """The rules and until when they hold, by the monotonic clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: tuple[StrategyRule, ...] | None = None
        self._until = 0.0

    def rules(self) -> tuple[StrategyRule, ...]:
        """One thread reads them anew, the others go on with those of before."""
        known = self._rules
        if known is not None and time.monotonic() < self._until:
            return known
        if not self._lock.acquire(blocking=known is None):
            return known or ()
        try:
            return self._read()
        finally:
            self._lock.release()

    def _read(self) -> tuple[StrategyRule, ...]:
        if self._rules is None or time.monotonic() >= self._until:
            rows = RiskStrategy.objects.enabled().order_by("id").values_list(*_COLUMNS)
            self._rules = tuple(StrategyRule(*row) for row in rows)
            self._until = time.monotonic() + KEPT_SECONDS
        return self._rules

    def forget(self) -> None:
        self._rules = None


_snapshot = _Snapshot()


def snapshot() -> tuple[StrategyRule, ...]:
    """Return the enabled strategies of all shops, at most KEPT_SECONDS old."""
    return _snapshot.rules()


def forget() -> None:
    """Read them anew at the next call in this process."""
    _snapshot.forget()
