"""Applying routes: twice, late, out of order, with unknown codes, and after the end."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from logistics.carriers.types import CityStrip, TrackingStatus
from logistics.dispatch.route import Applied, apply_route
from logistics.models import Shipment, ShipmentException, TrackingEvent
from logistics.tests.builders import (
    build_paid,
    build_shipment,
    confirm,
    event,
    parcel_in,
    parcel_of,
    route_of,
)
from logistics.tracking.stalled import find_stalled
from orders import machine
from orders.history.verify import verify_history
from orders.models import OrderEvent, TransitionRule
from orders.tests.builders import move
from orders.tests.web import at_once
from ordersite.queue.models import OutboxEntry

pytestmark = pytest.mark.django_db

HOURS = timedelta(hours=2)
PICKED = event(0, TrackingStatus.PICKED_UP, "已揽收", code="103")
MOVING = event(60, TrackingStatus.IN_TRANSIT, "离开杭州转运中心", code="1002")
SIGNED = event(600, TrackingStatus.DELIVERED, "已签收", code="301")


def reload(parcel: Shipment) -> Shipment:
    return Shipment.objects.select_related("order").get(pk=parcel.pk)


def test_events_are_stored_once_in_their_order() -> None:
    parcel = build_shipment()
    strip = CityStrip(origin="深圳市", current="杭州市", destination="北京市")

    assert apply_route(parcel, route_of(MOVING, cities=strip), next_check_in=HOURS) == Applied(1)
    assert apply_route(parcel, route_of(PICKED, MOVING), next_check_in=HOURS) == Applied(1)
    assert apply_route(parcel, route_of(PICKED, MOVING), next_check_in=HOURS) == Applied(0)
    kept = TrackingEvent.objects.filter(shipment=parcel).values_list("at", "status", "text", "provider_code")
    assert list(kept) == [(e.at, e.status.value, e.text, e.provider_code) for e in (PICKED, MOVING)]
    after = reload(parcel)
    assert (after.status, after.tracking_status, after.last_event_at) == ("moving", "in_transit", MOVING.at)
    assert (after.origin_city, after.current_city, after.destination_city) == ("深圳市", "杭州市", "北京市")
    assert after.next_check_at is not None
    assert after.last_checked_at is not None
    assert after.next_check_at - after.last_checked_at == HOURS


def test_late_event_does_not_set_the_status_back() -> None:
    parcel = build_shipment()
    out = event(300, TrackingStatus.OUT_FOR_DELIVERY, "正在派送")
    apply_route(parcel, route_of(out), next_check_in=HOURS)
    apply_route(parcel, route_of(MOVING), next_check_in=HOURS)
    assert (reload(parcel).tracking_status, reload(parcel).last_event_at) == ("out_for_delivery", out.at)


def test_unknown_code_keeps_the_known_status() -> None:
    parcel = build_shipment()
    apply_route(
        parcel, route_of(PICKED, event(90, TrackingStatus.UNKNOWN, "新状态", code="777")), next_check_in=HOURS
    )
    after = reload(parcel)
    assert after.tracking_status == "picked_up"
    newest = TrackingEvent.objects.latest("at")
    assert (newest.status, newest.provider_code) == ("unknown", "777")


def test_only_unknown_codes_mean_in_transit() -> None:
    parcel = build_shipment()
    apply_route(
        parcel, route_of(event(90, TrackingStatus.UNKNOWN, "新状态", code="777")), next_check_in=HOURS
    )
    assert (reload(parcel).tracking_status, reload(parcel).status) == ("in_transit", "moving")


def test_delivery_completes_the_order() -> None:
    parcel = build_shipment()

    applied = apply_route(parcel, route_of(PICKED, MOVING, SIGNED), next_check_in=HOURS)

    assert applied == Applied(3, delivered=True, completed=True)
    after = reload(parcel)
    assert (after.status, after.delivered_at, after.next_check_at) == ("delivered", SIGNED.at, None)
    assert (after.order.status, after.order.completed_at) == ("completed", SIGNED.at)
    line = OrderEvent.objects.get(order=after.order, to_status="completed")
    assert (line.trigger, line.actor_kind, line.actor_id) == ("carrier", "carrier", "yto")
    assert '"kind":"tracking"' in line.evidence
    published = OutboxEntry.objects.get(name="shipment.delivered")
    assert (published.subject_id, published.payload["order"]) == (parcel.pk, after.order_id)
    assert apply_route(parcel, route_of(PICKED, MOVING, SIGNED), next_check_in=HOURS) == Applied(0)
    assert OutboxEntry.objects.filter(name="shipment.delivered").count() == 1
    verify_history()


def test_last_parcel_completes_the_order() -> None:
    order = build_paid(cups=2)

    one = parcel_in(confirm(order.merchant, parcel_of(order, cups=1))[0])

    assert apply_route(one, route_of(SIGNED), next_check_in=HOURS) == Applied(1, delivered=True)
    assert reload(one).order.status == "paid"
    assert not ShipmentException.objects.exists()

    two = parcel_in(confirm(order.merchant, parcel_of(order))[0])

    assert reload(two).order.status == "shipped"

    late = event(700, TrackingStatus.DELIVERED, "已签收")

    assert apply_route(two, route_of(late), next_check_in=HOURS) == Applied(1, delivered=True, completed=True)
    assert (reload(two).order.status, reload(two).order.completed_at) == ("completed", late.at)


def test_refunded_order_opens_a_case() -> None:
    parcel = build_shipment()
    move(parcel.order, "refund", machine.REFUND_CONFIRMED)

    assert apply_route(parcel, route_of(SIGNED), next_check_in=HOURS) == Applied(1, delivered=True)
    case = ShipmentException.objects.get()
    assert (case.kind, case.detail) == (
        "unwanted_parcel",
        {"code": "order_refunded", "order_status": "refunded"},
    )
    assert reload(parcel).order.status == "refunded"
    assert OutboxEntry.objects.filter(name="shipment.exception_raised", subject_id=case.pk).count() == 1


def test_disabled_rule_opens_a_case_for_now() -> None:
    parcel = build_shipment()
    TransitionRule.objects.filter(trigger="carrier").update(is_enabled=False)

    apply_route(parcel, route_of(SIGNED), next_check_in=HOURS)

    assert (reload(parcel).order.status, ShipmentException.objects.get().detail["code"]) == (
        "shipped",
        "trigger_off",
    )
    assert find_stalled().completed == 0

    TransitionRule.objects.filter(trigger="carrier").update(is_enabled=True)

    assert find_stalled().completed == 1
    assert (reload(parcel).order.status, ShipmentException.objects.get().resolved_at is None) == (
        "completed",
        False,
    )


def test_returned_parcel_opens_a_case() -> None:
    parcel = build_shipment()
    back = [event(300, TrackingStatus.RETURNING, "退回中"), event(900, TrackingStatus.RETURNED, "退回签收")]
    apply_route(parcel, route_of(PICKED, *back), next_check_in=HOURS)
    after = reload(parcel)
    assert (after.status, after.next_check_at, after.order.status) == ("returned", None, "shipped")
    assert ShipmentException.objects.get().kind == "returned"


def test_delivered_parcel_can_only_be_returned() -> None:
    parcel = build_shipment()
    apply_route(parcel, route_of(SIGNED), next_check_in=HOURS)
    apply_route(parcel, route_of(SIGNED, event(660, TrackingStatus.IN_TRANSIT, "扫描")), next_check_in=HOURS)
    assert (reload(parcel).status, reload(parcel).tracking_status) == ("delivered", "delivered")
    apply_route(
        parcel, route_of(SIGNED, event(900, TrackingStatus.RETURNED, "退回签收")), next_check_in=HOURS
    )
    assert (reload(parcel).status, reload(parcel).order.status) == ("returned", "completed")
    assert ShipmentException.objects.get().kind == "returned"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_round", range(5))
def test_race_of_last_parcels_completes_once(_round: int) -> None:
    order = build_paid(cups=2)
    parcels = [
        parcel_in(answer) for answer in confirm(order.merchant, parcel_of(order, cups=1), parcel_of(order))
    ]

    applied = at_once(
        [partial(apply_route, parcel, route_of(SIGNED), next_check_in=HOURS) for parcel in parcels]
    )

    assert sorted(result.completed for result in applied) == [False, True]
    assert OrderEvent.objects.filter(order=order, to_status="completed").count() == 1
    verify_history()
