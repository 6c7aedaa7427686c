"""Applying a corrected map of codes to stored events: parcels follow through the door, twice changes nothing."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from logistics.carriers.types import TrackingStatus
from logistics.dispatch import remap
from logistics.dispatch.route import apply_route
from logistics.models import MapRun, Shipment, TrackingEvent
from logistics.pushes.retention import tend_pushes
from logistics.tests.builders import build_shipment, event, route_of
from logistics.tracking.unknown_codes import unknown_codes
from orders.models import Order, OrderEvent

pytestmark = pytest.mark.django_db(transaction=True)
UNKNOWN, MOVING, SIGNED = TrackingStatus.UNKNOWN, TrackingStatus.IN_TRANSIT, TrackingStatus.DELIVERED


def build_reported(*reported: tuple[int, TrackingStatus, str], source: str = "sf") -> Shipment:
    """A parcel whose events (minute, what an older table made of the code, code) were stored some time ago."""
    parcel = build_shipment(carrier="sf")
    events = [event(minute, status, f"{minute}", code=code) for minute, status, code in reported]
    apply_route(parcel, route_of(*events), next_check_in=timedelta(hours=2), source=source)
    return parcel


def run(carrier: str = "sf", *arguments: str) -> str:
    out = StringIO()
    call_command("remap_tracking", carrier, *arguments, stdout=out)
    return out.getvalue().strip()


def outcome() -> tuple[str, str, str]:
    parcel = Shipment.objects.select_related("order").get()
    return parcel.status, parcel.tracking_status, str(parcel.order.status)


def test_parcel_follows_and_its_order_completes_with_a_line_of_history() -> None:
    build_reported((0, MOVING, "50"), (600, UNKNOWN, "80"))
    assert outcome() == ("moving", "in_transit", "shipped")

    assert run() == "events 2, parcels 1"

    assert list(TrackingEvent.objects.order_by("at").values_list("status", flat=True)) == [
        "picked_up",
        "delivered",
    ]
    assert outcome() == ("delivered", "delivered", "completed")
    line = OrderEvent.objects.order_by("seq").last()
    assert line is not None
    assert (line.to_status, line.trigger, line.actor_kind) == ("completed", "carrier", "carrier")


def test_second_run_changes_nothing() -> None:
    build_reported((0, UNKNOWN, "50"), (600, UNKNOWN, "80"))
    run()
    history, checked = OrderEvent.objects.count(), Shipment.objects.get().last_checked_at
    assert run() == "events 0, parcels 0"
    assert (OrderEvent.objects.count(), Shipment.objects.get().last_checked_at) == (history, checked)


def test_delivered_parcel_stays_delivered_and_may_go_back() -> None:
    build_reported((0, SIGNED, "30"))
    assert outcome()[2] == "completed"
    run()
    assert TrackingEvent.objects.get().status == "in_transit"
    assert outcome() == ("delivered", "delivered", "completed")

    TrackingEvent.objects.update(provider_code="648")
    run()
    assert outcome() == ("delivered", "returning", "completed")


def test_returning_event_moves_a_delivered_parcel() -> None:
    build_reported((0, SIGNED, "80"), (60, UNKNOWN, "648"))
    run()
    assert outcome() == ("delivered", "returning", "completed")


def test_code_that_the_table_does_not_know_keeps_its_meaning() -> None:
    build_reported((0, MOVING, "no-such-code"))
    assert run() == "events 0, parcels 0"
    assert TrackingEvent.objects.get().status == "in_transit"


def test_other_connectors_codes_are_left_alone() -> None:
    build_reported((0, UNKNOWN, "80"))
    assert run("zto") == "events 0, parcels 0"
    assert TrackingEvent.objects.get().status == "unknown"


def test_old_events_without_a_source_are_those_of_kuaidi100() -> None:
    build_reported((0, UNKNOWN, "3"), source="")
    assert run("kuaidi100") == "events 1, parcels 1"
    assert Order.objects.get().status == "completed"


def test_run_goes_on_where_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remap, "BATCH", 1)
    build_reported((0, UNKNOWN, "50"), (60, UNKNOWN, "999"))
    build_reported((0, UNKNOWN, "80"))
    with pytest.raises(CommandError, match="not at the end"):
        run("sf", "--seconds", "0")
    assert remap.start_run("sf", by="wang").pk == MapRun.objects.get().pk

    tend_pushes()  # the clock goes on with it

    found = MapRun.objects.get()
    assert (found.events, found.parcels, found.finished_at is not None) == (2, 2, True)
    assert found.started_by == "remap_tracking"


def test_report_counts_each_code_and_shows_a_parcel() -> None:
    build_reported((0, UNKNOWN, "998"), (1, UNKNOWN, "999"))
    last = build_reported((0, UNKNOWN, "999"), (1, MOVING, "50"))
    old = build_reported((0, UNKNOWN, "77"), source="")
    found = {(one.source, one.code): one for one in unknown_codes()}
    assert {key: one.events for key, one in found.items()} == {
        ("", "77"): 1,
        ("sf", "998"): 1,
        ("sf", "999"): 2,
    }
    assert found["sf", "999"].example.pk == last.pk
    assert found["", "77"].example.pk == old.pk
    assert found["sf", "999"].first_at < found["sf", "999"].last_at
