"""What connectors give: events in order, each once."""

from __future__ import annotations

from datetime import UTC, datetime

from logistics.carriers.types import RouteEvent, TrackingStatus, tidy_events


def test_events_of_one_second_keep_their_order() -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    newest_first = [RouteEvent(at=at, status=TrackingStatus.UNKNOWN, text=text) for text in "cbaab"]
    assert [event.text for event in tidy_events(newest_first)] == ["a", "b", "c"]
