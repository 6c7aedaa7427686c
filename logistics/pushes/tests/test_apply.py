"""Applying pushes: unknown numbers, corrected carriers, several parcels in one call, rows that cannot be processed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from logistics.accounts import keys_of
from logistics.carriers.types import PushCall, PushedRoute, TrackingStatus
from logistics.models import CarrierNotification, PushBody, Shipment, ShipmentException
from logistics.pushes import retention
from logistics.pushes.apply import apply_pushes, find_late_numbers
from logistics.pushes.known import Opened
from logistics.pushes.store import INBOX, ReceivedPush, verified_push
from logistics.pushes.tests.senders import Sender, build_sender, message, said
from logistics.tests.builders import build_paid, build_shipment, confirm, event, parcel_of, route_of
from ordersite.queue.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)
PICKED = said(0, "picked_up", "已揽收")
WAY = route_of(event(0, TrackingStatus.PICKED_UP, "已揽收"))


def store(sender: Sender, *routes: PushedRoute) -> None:
    """Store what a carrier's connector has read from one call."""
    known = Opened(sender.account.pk, "", keys_of(sender.account), 0.0)
    call = PushCall({}, b"%d" % CarrierNotification.objects.count())
    INBOX.store(verified_push(ReceivedPush(known, call, {}, "127.0.0.1", 0.0), routes))


def outcomes() -> list[str]:
    return list(CarrierNotification.objects.order_by("pk").values_list("outcome", flat=True))


def make_due(**changes: Any) -> None:
    CarrierNotification.objects.filter(done_at__isnull=True).update(due_at=timezone.now(), **changes)


def test_unknown_number_waits_then_is_a_case_and_is_never_lost() -> None:
    order = build_paid()
    sender = build_sender(order.merchant)
    sender.push(message("YT9990000000001", [PICKED]))
    apply_pushes()
    row = CarrierNotification.objects.get()
    assert (row.outcome, row.done_at, row.attempts) == ("", None, 0)
    assert row.due_at > timezone.now()

    make_due(received_at=timezone.now() - timedelta(minutes=11))
    apply_pushes()

    case = ShipmentException.objects.get()
    assert outcomes() == ["unknown_number"]
    assert (case.kind, case.detail) == ("push_unknown", {"tracking_number": "YT9990000000001"})
    assert find_late_numbers() == 0

    confirm(order.merchant, parcel_of(order, number="YT9990000000001"))
    assert find_late_numbers() == 1
    apply_pushes()
    retention.tend_pushes()

    assert outcomes() == ["applied"]
    assert Shipment.objects.get().tracking_status == "picked_up"
    case.refresh_from_db()
    assert (case.is_open, case.resolution) == (False, "every pushed number is known now")


def test_end_of_a_subscription_is_kept_and_the_rhythm_is_the_usual_one() -> None:
    parcel = build_shipment()
    sender = build_sender(parcel.merchant)
    Shipment.objects.update(subscription="active")
    pushed = PushedRoute(carrier="yto", tracking_number=parcel.tracking_number, route=WAY)

    store(sender, pushed)
    apply_pushes()
    assert Shipment.objects.get().subscription == "active"

    store(sender, replace(pushed, has_ended=True))
    apply_pushes()
    after = Shipment.objects.get()
    assert after.subscription == "ended"
    assert after.next_check_at is not None
    assert after.next_check_at <= timezone.now() + timedelta(hours=2)


def test_several_parcels_of_one_call_share_its_body() -> None:
    one, two = build_shipment(), build_shipment()
    sender = build_sender(one.merchant)
    Shipment.objects.filter(pk=two.pk).update(merchant=one.merchant)
    store(
        sender,
        PushedRoute(carrier="yto", tracking_number=two.tracking_number, route=WAY),
        PushedRoute(carrier="yto", tracking_number=one.tracking_number, route=WAY),
    )
    assert (CarrierNotification.objects.count(), PushBody.objects.count()) == (2, 1)

    apply_pushes()

    assert outcomes() == ["applied", "applied"]
    assert [one.events.count(), two.events.count()] == [1, 1]


def test_corrected_carrier_changes_the_parcel_and_is_audited() -> None:
    parcel = build_shipment(carrier="zto", number="78900000000001")
    sender = build_sender(parcel.merchant)
    store(
        sender,
        PushedRoute(
            carrier="zto", tracking_number=parcel.tracking_number, route=WAY, corrected_carrier="sto"
        ),
    )

    apply_pushes()

    assert Shipment.objects.get(pk=parcel.pk).carrier == "sto"
    entry = AuditEntry.objects.get(table_name="logistics_shipment", column_name="carrier")
    assert (entry.row_id, entry.old_value, entry.new_value) == (parcel.pk, "zto", "sto")


def test_carrier_stays_where_the_number_is_taken() -> None:
    parcel = build_shipment(carrier="zto", number="78900000000001")
    build_shipment(carrier="sto", number="78900000000001")
    said_wrong = PushedRoute(
        carrier="zto", tracking_number="78900000000001", route=WAY, corrected_carrier="sto"
    )
    store(build_sender(parcel.merchant), said_wrong)
    apply_pushes()
    assert Shipment.objects.get(pk=parcel.pk).carrier == "zto"
    assert not AuditEntry.objects.filter(table_name="logistics_shipment").exists()
    assert outcomes() == ["applied"]


def test_push_without_its_content_is_parked_and_the_others_are_applied() -> None:
    parcel = build_shipment()
    sender = build_sender(parcel.merchant)
    sender.say(parcel, PICKED)
    PushBody.objects.all().delete()
    sender.say(parcel, said(60, "in_transit", "离开杭州转运中心"))
    for _try in range(9):
        apply_pushes()
        make_due(leased_until=None)
    assert outcomes() == ["poison", "applied"]
    case = ShipmentException.objects.get()
    assert (case.kind, case.detail["tracking_number"]) == ("push_stuck", parcel.tracking_number)


def test_old_raw_pushes_are_deleted_and_rows_stay(settings: Any) -> None:
    parcel = build_shipment()
    build_sender(parcel.merchant).say(parcel, PICKED)
    apply_pushes()
    assert retention.tend_pushes() == 0
    CarrierNotification.objects.update(
        received_at=timezone.now() - timedelta(days=settings.RAW_CALL_DAYS + 1)
    )
    assert retention.tend_pushes() == 1
    assert (CarrierNotification.objects.count(), PushBody.objects.count()) == (1, 0)
