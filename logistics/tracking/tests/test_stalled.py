"""Stalled parcels open cases, each once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from logistics.carriers.types import RouteEvent, TrackingStatus
from logistics.cases import resolve
from logistics.dispatch.route import apply_route
from logistics.models import Shipment, ShipmentException
from logistics.tests.builders import age, build_shipment, route_of
from logistics.tracking.stalled import StalledCounts, find_stalled
from ordersite.queue.models import OutboxEntry

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def hear(parcel: Shipment, status: TrackingStatus = TrackingStatus.IN_TRANSIT) -> None:
    """The carrier reports that it happened just now."""
    step = RouteEvent(at=timezone.now(), status=status, text=status.value)
    apply_route(parcel, route_of(step), next_check_in=DAY)


def kinds() -> list[str]:
    return list(ShipmentException.objects.order_by("kind").values_list("kind", flat=True))


def test_ten_days_without_delivery_open_one_case() -> None:
    late, fresh, signed = build_shipment(), build_shipment(), build_shipment()
    for parcel, days in ((late, 11), (fresh, 9), (signed, 20)):
        age(parcel, days * DAY)
        hear(parcel)

    hear(signed, TrackingStatus.DELIVERED)

    assert find_stalled() == StalledCounts(not_signed=1)
    case = ShipmentException.objects.get()
    assert (case.shipment_id, case.order_id, case.kind) == (late.pk, late.order_id, "not_signed")
    published = OutboxEntry.objects.get(name="shipment.exception_raised")
    assert (published.subject_id, published.payload) == (case.pk, {"kind": "not_signed", "shipment": late.pk})
    assert find_stalled() == StalledCounts()
    assert ShipmentException.objects.count() == 1


def test_resolved_case_opens_again_later() -> None:
    parcel = build_shipment()
    age(parcel, 11 * DAY)
    hear(parcel)

    find_stalled()

    case = ShipmentException.objects.get()
    assert resolve(case, user=None, note="已联系快递公司")
    assert not resolve(case, user=None, note="again")
    assert find_stalled() == StalledCounts()

    ShipmentException.objects.update(resolved_at=timezone.now() - 11 * DAY)

    assert find_stalled() == StalledCounts(not_signed=1)
    assert ShipmentException.objects.count() == 2


def test_silent_carrier_opens_a_case() -> None:
    silent, heard = build_shipment(), build_shipment()
    age(silent, 25 * DAY / 24)
    age(heard, 25 * DAY / 24)
    hear(heard)
    assert find_stalled() == StalledCounts(carrier_silent=1)
    assert ShipmentException.objects.get().shipment_id == silent.pk


def test_unknown_waybill_opens_a_case() -> None:
    parcel = build_shipment()
    age(parcel, 3 * DAY)
    Shipment.objects.update(last_checked_at=timezone.now(), last_problem="nothing_found: 500")
    assert find_stalled() == StalledCounts(not_picked_up=1)
    assert ShipmentException.objects.get().detail["problem"] == "nothing_found: 500"


def test_more_parcels_than_one_batch() -> None:
    model = build_shipment()
    then = timezone.now() - 11 * DAY

    Shipment.objects.bulk_create(
        Shipment(
            order_id=model.order_id, merchant_id=model.merchant_id, warehouse_id=model.warehouse_id, carrier="yto",
            tracking_number=f"X{n:06d}", shipped_at=then, created_at=then, last_checked_at=timezone.now(),
            last_event_at=timezone.now(), tracking_status="in_transit",
        )
        for n in range(1100)
    )  # fmt: skip

    assert find_stalled() == StalledCounts(not_signed=1100)


def test_arrival_resolves_the_cases_of_a_parcel() -> None:
    parcel, lost = build_shipment(), build_shipment()
    for one in (parcel, lost):
        age(one, 11 * DAY)
    find_stalled()
    opened = ShipmentException.objects.open().count()

    hear(parcel, TrackingStatus.DELIVERED)

    assert (opened, find_stalled().resolved) == (4, 2)
    assert set(ShipmentException.objects.open().values_list("shipment", flat=True)) == {lost.pk}
    done = ShipmentException.objects.resolved()
    assert {(case.resolution, case.resolved_by) for case in done} == {("the parcel has arrived", None)}


def test_news_resolve_the_silence_and_nothing_else() -> None:
    parcel = build_shipment()
    age(parcel, 11 * DAY)
    find_stalled()
    ShipmentException.objects.update(created_at=timezone.now() - DAY)

    Shipment.objects.update(
        last_checked_at=timezone.now(), last_event_at=timezone.now(), tracking_status="in_transit"
    )

    assert find_stalled() == StalledCounts(resolved=1)
    assert kinds() == ["carrier_silent", "not_signed"]
    assert ShipmentException.objects.open().get().kind == "not_signed"
