"""The limit of an account holds in every second, from however many threads; the window follows limit and latency."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from logistics.tracking.pace import EXPECTED_SECONDS, MOST_AT_ONCE, SECOND, Pace, Window

LIMIT = 20


def test_no_second_has_more_calls_than_the_limit() -> None:
    pace = Pace(LIMIT)

    def call(_number: int) -> float:
        pace.wait()
        return time.monotonic()

    with ThreadPoolExecutor(8) as pool:
        calls = sorted(pool.map(call, range(LIMIT * 2 + 5)))

    # The time is read a moment after the call was let through: that moment may be longer for the first than for the last.
    spans = [later - first for first, later in zip(calls, calls[LIMIT:], strict=False)]
    assert min(spans) >= SECOND - 0.05
    assert pace.free_at >= calls[-1]


def test_without_a_limit_nobody_waits() -> None:
    pace, start = Pace(None), time.monotonic()
    for _call in range(10_000):
        pace.wait()
    assert time.monotonic() - start < SECOND
    assert pace.free_at == 0.0


@pytest.mark.parametrize(
    ("per_second", "seconds", "at_once"),
    [(None, 0.2, 1), (1, 0.2, 2), (42, 0.2, 18), (42, 0.05, 6), (10, 0.5, 11), (200, 1.0, MOST_AT_ONCE)],
)
def test_window_is_what_the_limit_needs(per_second: int | None, seconds: float, at_once: int) -> None:
    window = Window(per_second, is_on_trial=False)
    for _answer in range(50):
        window.answered(seconds)
    assert window.size == at_once


def test_a_failure_leaves_one_call_until_answers_come() -> None:
    window = Window(42, is_on_trial=False)
    window.failed()
    sizes = [window.size]
    for _answer in range(5):
        window.answered(EXPECTED_SECONDS)
        sizes.append(window.size)
    assert sizes == [1, 2, 4, 8, 16, 18]
    assert Window(42, is_on_trial=True).size == 1
