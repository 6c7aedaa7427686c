"""Any order of arrival and any duplication of events, by pushes and polls, gives one timeline, one state, one order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logistics.carriers.types import Route, RouteEvent, TrackingStatus
from logistics.dispatch.route import apply_route
from logistics.models import Shipment
from logistics.pushes.apply import apply_pushes
from logistics.pushes.tests.senders import build_sender
from logistics.tests.builders import build_shipment, event

pytestmark = pytest.mark.django_db(transaction=True)
HOURS = timedelta(hours=2)
# A parcel that came back is signed for by nobody: nothing follows its return.
ON_THE_WAY = [status for status in TrackingStatus if status is not TrackingStatus.RETURNED]


@st.composite
def stories(draw: Any) -> list[RouteEvent]:
    """A parcel's events, several of them within one second at times; the last may be its return."""
    minutes = sorted(draw(st.lists(st.integers(0, 5), min_size=1, max_size=6)))
    events = [
        event(minute, draw(st.sampled_from(ON_THE_WAY)), f"{number} {minute}", code=str(number))
        for number, minute in enumerate(minutes)
    ]
    if draw(st.booleans()):
        events.append(event(9, TrackingStatus.RETURNED, "退回寄件人"))
    return events


@st.composite
def arrivals(draw: Any) -> tuple[list[tuple[str, list[RouteEvent]]], list[tuple[str, list[RouteEvent]]]]:
    """Two orders of arrival of the same parts, each once and more; the whole story is one of the parts."""
    story = draw(stories())
    parts = [(draw(st.sampled_from(["push", "poll"])), [one]) for one in story]
    parts.append((draw(st.sampled_from(["push", "poll"])), story))
    again = draw(st.lists(st.sampled_from(parts), max_size=4))
    return draw(st.permutations(parts)), draw(st.permutations(parts + again))


def outcome(parts: list[tuple[str, list[RouteEvent]]]) -> tuple[Any, ...]:
    """Where a new parcel stands after these parts; `unknown` is no word of a push, so that those are polled."""
    parcel = build_shipment()
    sender = build_sender(parcel.merchant)
    for kind, events in parts:
        if kind == "push" and all(one.status is not TrackingStatus.UNKNOWN for one in events):
            words = [
                {
                    "at": one.at.isoformat(),
                    "status": one.status.value,
                    "text": one.text,
                    "location": one.location,
                }
                for one in events
            ]
            assert sender.say(parcel, *words).status_code == 204
            apply_pushes()
        else:
            route = Route(events=tuple(events), status=events[-1].status)
            apply_route(parcel, route, next_check_in=HOURS, source="kuaidi100")
    after = Shipment.objects.select_related("order").get(pk=parcel.pk)
    timeline = list(
        after.events.order_by("at", "place", "text_digest").values_list("at", "text", "status", "location")
    )
    return after.status, after.tracking_status, after.delivered_at, str(after.order.status), timeline


def is_signed_back(timeline: list[Any]) -> bool:
    """Whether there is a signature after it turned back: who heard of the signature first took it for the buyer's."""
    statuses = [status for _at, _text, status, _place in timeline]
    return "returning" in statuses and "delivered" in statuses[statuses.index("returning") :]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals())
def test_order_of_arrival_changes_nothing(
    both: tuple[list[tuple[str, list[RouteEvent]]], list[tuple[str, list[RouteEvent]]]],
) -> None:
    one, other = both
    here, there = outcome(one), outcome(other)
    assert here[-1] == there[-1]
    if not is_signed_back(here[-1]):
        assert here == there
