"""A corrected waybill number: unique, audited, in the history, and nothing of the old one on the card."""

from __future__ import annotations

from datetime import timedelta

import pytest

from logistics.carriers.types import TrackingStatus
from logistics.dispatch.renumber import change_number
from logistics.dispatch.route import apply_route
from logistics.models import Shipment, TrackingEvent
from logistics.tests.builders import build_paid, build_shipment, build_travelling, event, route_of
from orders.history.lines import Actor
from orders.models import OrderEvent, OrderEventText
from ordersite.lib.errors import DomainError
from ordersite.queue.models import AuditEntry

pytestmark = pytest.mark.django_db

STAFF = Actor("staff", "li")


def test_tracking_starts_anew_and_history_keeps_both() -> None:
    parcel = build_travelling()

    change_number(parcel.pk, carrier="sf", number="sf 1234567890", actor=STAFF, reason="录错单号")

    after = Shipment.objects.get(pk=parcel.pk)
    assert (after.carrier, after.tracking_number) == ("sf", "SF1234567890")
    assert (after.status, after.tracking_status, after.current_city) == ("shipped", "pending", "")
    assert after.next_check_at is not None
    assert after.last_checked_at is None
    assert not TrackingEvent.objects.filter(shipment=parcel).exists()
    line = OrderEvent.objects.filter(order_id=parcel.order_id).order_by("-seq")[0]
    assert (line.trigger, line.actor_id) == ("waybill_number_changed", "li")
    assert "yto YT1234567890123" in line.evidence
    assert OrderEventText.objects.get(order_id=line.order_id, seq=line.seq).text == "录错单号"
    audited = AuditEntry.objects.filter(table_name="logistics_shipment", row_id=parcel.pk)
    assert dict(audited.values_list("column_name", "new_value")) == {
        "carrier": "sf",
        "tracking_number": "SF1234567890",
    }


def test_a_route_of_the_old_number_comes_too_late() -> None:
    parcel = build_shipment()
    change_number(parcel.pk, carrier="yto", number="YT9999999999", actor=STAFF, reason="x")

    applied = apply_route(
        parcel, route_of(event(0, TrackingStatus.DELIVERED, "已签收")), next_check_in=timedelta(hours=2)
    )

    assert applied.new_events == 0
    assert Shipment.objects.get(pk=parcel.pk).status == "shipped"


@pytest.mark.parametrize(
    ("carrier", "number", "code"),
    [
        ("yto", "YT5555555555", "tracking_number_used"),
        ("yto", "YT4444444444", "number_unchanged"),
        ("pigeon", "YT1111111111", "unknown_carrier"),
        ("yto", "1", "number_invalid"),
        ("yto", "Y" * 41, "number_invalid"),
    ],
)
def test_a_refused_change_changes_nothing(carrier: str, number: str, code: str) -> None:
    build_shipment(number="YT5555555555")
    parcel = build_shipment(number="YT4444444444")
    before = Shipment.objects.values().get(pk=parcel.pk)
    lines = OrderEvent.objects.count()

    with pytest.raises(DomainError, match=code):
        change_number(parcel.pk, carrier=carrier, number=number, actor=STAFF, reason="x")

    assert Shipment.objects.values().get(pk=parcel.pk) == before
    assert OrderEvent.objects.count() == lines


def test_an_arrived_parcel_keeps_its_number() -> None:
    parcel = build_shipment(order=build_paid())
    apply_route(
        parcel, route_of(event(0, TrackingStatus.DELIVERED, "已签收")), next_check_in=timedelta(hours=2)
    )

    with pytest.raises(DomainError, match="parcel_arrived"):
        change_number(parcel.pk, carrier="sf", number="SF1234567890", actor=STAFF, reason="x")
