"""Each way in which a parcel stalls is a case of its own, by the limits of its merchant and carrier."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from logistics.carriers.types import RouteEvent, TrackingStatus
from logistics.dispatch.route import apply_route
from logistics.models import Shipment, ShipmentException, StallRule
from logistics.tests.builders import build_shipment, route_of
from logistics.tracking.stalled import StalledCounts, find_stalled

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
Status = TrackingStatus


def build_parcel(*steps: tuple[TrackingStatus, float], carrier: str = "yto", left: float = 0) -> Shipment:
    """Build a parcel that left and was reported so many hours ago; its carrier answered just now."""
    parcel, now = build_shipment(carrier=carrier), timezone.now()
    if steps:
        report(parcel, *steps)
    shipped_at = now - max([left, *(hours for _status, hours in steps)]) * HOUR
    Shipment.objects.filter(pk=parcel.pk).update(shipped_at=shipped_at, last_checked_at=now)
    return parcel


def report(parcel: Shipment, *steps: tuple[TrackingStatus, float]) -> None:
    now = timezone.now()
    events = [
        RouteEvent(at=now - hours * HOUR, status=status, text=f"{status} {hours}") for status, hours in steps
    ]
    apply_route(parcel, route_of(*events), next_check_in=2 * HOUR)


def open_cases() -> list[tuple[int | None, str]]:
    found = ShipmentException.objects.open().order_by("shipment", "kind")
    return list(found.values_list("shipment", "kind"))


def test_parcel_that_does_not_move() -> None:
    stuck = build_parcel((Status.IN_TRANSIT, 73))
    build_parcel((Status.IN_TRANSIT, 71))
    build_parcel((Status.IN_TRANSIT, 90), (Status.DELIVERED, 80))

    counts = find_stalled()
    again = find_stalled()
    report(stuck, (Status.IN_TRANSIT, -0.01))
    moved = find_stalled()

    assert (counts, again) == (StalledCounts(no_news=1), StalledCounts())
    assert moved == StalledCounts(resolved=1)
    assert ShipmentException.objects.get().resolution == "the carrier reports again"


def test_silence_of_the_carrier_is_another_case() -> None:
    parcel = build_parcel((Status.IN_TRANSIT, 73))
    Shipment.objects.update(last_checked_at=timezone.now() - 25 * HOUR)
    find_stalled()
    assert open_cases() == [(parcel.pk, "carrier_silent")]


def test_waybill_that_nobody_picks_up() -> None:
    left, fresh = build_parcel(left=25), build_parcel(left=23)
    picked_up = build_parcel((Status.PICKED_UP, 25))

    counts = find_stalled()
    opened = open_cases()
    report(left, (Status.PICKED_UP, 0))

    assert (counts, opened) == (StalledCounts(not_picked_up=1), [(left.pk, "not_picked_up")])
    assert find_stalled().resolved == 1
    assert {fresh.pk, picked_up.pk} & {shipment for shipment, _kind in opened} == set()


def test_parcel_in_the_locker() -> None:
    waiting = build_parcel((Status.OUT_FOR_DELIVERY, 51), (Status.READY_FOR_PICKUP, 49))
    report(waiting, (Status.READY_FOR_PICKUP, 20))  # a reminder starts no new count
    build_parcel((Status.OUT_FOR_DELIVERY, 51), (Status.READY_FOR_PICKUP, 47))

    counts = find_stalled()
    opened = open_cases()
    report(waiting, (Status.DELIVERED, 0))

    assert (counts, opened) == (StalledCounts(at_locker=1), [(waiting.pk, "at_locker")])
    assert find_stalled().resolved == 1


def test_two_failed_deliveries() -> None:
    once = [(Status.OUT_FOR_DELIVERY, 30.0), (Status.EXCEPTION, 28.0), (Status.EXCEPTION, 27.0)]
    twice = [*once, (Status.OUT_FOR_DELIVERY, 6.0), (Status.EXCEPTION, 4.0)]
    build_parcel(*once)
    build_parcel((Status.EXCEPTION, 30), (Status.EXCEPTION, 20))
    build_parcel((Status.OUT_FOR_DELIVERY, 30), (Status.OUT_FOR_DELIVERY, 6))
    failed = build_parcel(*twice)

    counts = find_stalled()
    opened = open_cases()
    report(failed, (Status.READY_FOR_PICKUP, 1))

    assert (counts, opened) == (StalledCounts(failed_deliveries=1), [(failed.pk, "failed_deliveries")])
    assert find_stalled().resolved == 1


def test_a_carriers_rule_goes_before_the_merchants() -> None:
    by_sf = build_parcel((Status.IN_TRANSIT, 30), carrier="sf")
    by_yto = build_parcel((Status.IN_TRANSIT, 30))
    slow = build_parcel((Status.IN_TRANSIT, 90), carrier="ems")
    shop = by_sf.merchant
    StallRule.objects.create(merchant=shop, no_news_hours=29)
    StallRule.objects.create(merchant=shop, carrier="sf", no_news_hours=40, pick_up_hours=1)
    StallRule.objects.create(merchant=shop, carrier="ems", no_news_hours=96)

    assert find_stalled() == StalledCounts(no_news=1)

    assert open_cases() == [(by_yto.pk, "no_news")]
    assert slow.pk not in {shipment for shipment, _kind in open_cases()}


def test_empty_limit_is_the_default() -> None:
    parcel = build_parcel((Status.OUT_FOR_DELIVERY, 51), (Status.READY_FOR_PICKUP, 49))
    StallRule.objects.create(merchant=parcel.merchant, no_news_hours=1)
    assert find_stalled() == StalledCounts(at_locker=1)
