"""The circuit breaker's states and backoff, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ordersite.outside_accounts.circuit import CircuitBreaker, CircuitState

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(5, 30), (6, 60), (7, 120), (9, 480), (10, 600), (1000, 600)]
)
def test_backoff_doubles_up_to_ten_minutes(failures: int, seconds: int) -> None:
    assert CircuitBreaker().backoff(failures) == timedelta(seconds=seconds)


def test_longest_backoff_may_differ() -> None:
    assert CircuitBreaker(longest_backoff=timedelta(minutes=30)).backoff(1000) == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("failures", "next_call_at", "state"),
    [
        (0, None, CircuitState.CLOSED),
        (4, LATER, CircuitState.CLOSED),
        (5, LATER, CircuitState.OPEN),
        (5, NOW, CircuitState.HALF_OPEN),
        (5, EARLIER, CircuitState.HALF_OPEN),
        (5, None, CircuitState.HALF_OPEN),
    ],
)
def test_state(failures: int, next_call_at: datetime | None, state: CircuitState) -> None:
    assert CircuitBreaker().state(failures, next_call_at, now=NOW) is state
