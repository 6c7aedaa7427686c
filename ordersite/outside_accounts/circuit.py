"""The thresholds, backoff and states of a circuit breaker.

A circuit opens in `Throttle.release`, `record_calls` and `open_circuit`, which write the account's row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class CircuitState(models.TextChoices):
    """Closed: calls go out. Open: none does. Half-open: one trial call decides between the two."""

    CLOSED = "closed", pgettext_lazy("circuit breaker", "closed")
    OPEN = "open", _("circuit open")
    HALF_OPEN = "half_open", _("half-open")


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """Opens after `opens_after` failures in a row; each further failure doubles the time that it stays open."""

    opens_after: int = 5
    first_backoff: timedelta = timedelta(seconds=30)
    longest_backoff: timedelta = timedelta(minutes=10)

    def state(self, failures: int, next_call_at: datetime | None, *, now: datetime) -> CircuitState:
        """The state after `failures` in a row, when no call may go out before `next_call_at` (UTC)."""
        if failures < self.opens_after:
            return CircuitState.CLOSED
        is_over = next_call_at is None or next_call_at <= now
        return CircuitState.HALF_OPEN if is_over else CircuitState.OPEN

    def backoff(self, failures: int) -> timedelta:
        """How long the circuit stays open after so many failures in a row."""
        doublings = min(max(failures - self.opens_after, 0), 10)
        return min(self.first_backoff * 2**doublings, self.longest_backoff)
