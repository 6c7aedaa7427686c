"""Bounds and times of delivery reports."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from ordersite.messaging.senders.report_forms import rows_of, time_of, until_midnight

NOW = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"[{}", json.dumps([{}] * 501).encode()])
def test_what_is_no_list_of_reports(body: bytes) -> None:
    assert rows_of(body) is None


def test_times_are_of_beijing_and_past() -> None:
    assert time_of("2026-11-30 11:59:00", otherwise=NOW) == datetime(2026, 11, 30, 3, 59, tzinfo=UTC)
    assert time_of("2026-11-30 12:01:00", otherwise=NOW) == NOW
    assert time_of("", otherwise=NOW) == NOW


def test_day_of_china_ends_at_its_midnight() -> None:
    assert until_midnight(NOW) == 12 * 3600
    assert until_midnight(datetime(2026, 11, 30, 15, 59, 58, tzinfo=UTC)) == 2
