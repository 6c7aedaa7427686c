"""Replay by ids and by time, of verified and of rejected pushes."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from logistics.models import CarrierNotification, PushBody, ShipmentException, TrackingEvent
from logistics.pushes.apply import apply_pushes
from logistics.pushes.replay import replay
from logistics.pushes.tests.senders import OTHER_SECRET, Sender, build_sender, message, said
from logistics.tests.builders import build_shipment
from orders.models import Order, OrderEvent

pytestmark = pytest.mark.django_db(transaction=True)
PICKED, SIGNED = said(0, "picked_up", "已揽收"), said(600, "delivered", "已签收")


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("replay_pushes", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue().strip()


def printed(**counts: int) -> str:
    names = ("replayed", "verified", "still_rejected", "duplicates", "unknown")
    return ", ".join(f"{name.replace('_', ' ')}: {counts.get(name, 0)}" for name in names)


def rejected() -> tuple[Sender, CarrierNotification]:
    """A push that was signed with a secret that the account got only later."""
    parcel = build_shipment()
    sender = build_sender(parcel.merchant)
    sender.push(message(parcel.tracking_number, [PICKED, SIGNED]), secret=OTHER_SECRET)
    return sender, CarrierNotification.objects.get()


def test_replay_twice_changes_nothing() -> None:
    parcel = build_shipment()
    build_sender(parcel.merchant).say(parcel, PICKED, SIGNED)
    apply_pushes()
    history = OrderEvent.objects.count()
    row = CarrierNotification.objects.get()

    for _time in range(2):
        assert run("--id", str(row.pk), str(row.pk)) == printed(replayed=1)
        assert apply_pushes() == 1

    assert CarrierNotification.objects.get().outcome == "duplicate"
    assert (TrackingEvent.objects.count(), OrderEvent.objects.count()) == (2, history)
    assert Order.objects.get().status == "completed"


def test_rejected_push_is_stored_once_with_the_right_keys() -> None:
    sender, row = rejected()
    assert replay([row.pk], actor="test").as_dict()["still_rejected"] == 1
    build_sender(sender.account.merchant, previous_secrets=OTHER_SECRET)
    since = (timezone.now() - timedelta(hours=1)).isoformat()

    assert run("--state", "failed", "--since", since) == printed(replayed=1, verified=1)
    assert run("--id", str(row.pk)) == printed(duplicates=1)
    apply_pushes()

    assert list(CarrierNotification.objects.order_by("pk").values_list("check_result", "outcome")) == [
        ("rejected", "replayed"),
        ("verified", "applied"),
    ]
    assert Order.objects.get().status == "completed"
    assert run("--state", "failed", "--since", since) == printed()


def test_stuck_push_is_applied_and_its_case_resolved() -> None:
    parcel = build_shipment()
    build_sender(parcel.merchant).say(parcel, PICKED)
    row = CarrierNotification.objects.get()
    CarrierNotification.objects.update(outcome="poison", done_at=timezone.now(), attempts=8)
    case = ShipmentException.objects.create(kind="push_stuck", account=row.account)

    assert run("--id", str(row.pk)) == printed(replayed=1)
    apply_pushes()

    case.refresh_from_db()
    assert (CarrierNotification.objects.get().outcome, case.resolution) == ("applied", "replayed")


def test_push_whose_raw_call_is_deleted_stays_as_it_is() -> None:
    parcel = build_shipment()
    build_sender(parcel.merchant).say(parcel, PICKED)
    apply_pushes()
    PushBody.objects.all().delete()
    row = CarrierNotification.objects.get()
    assert run("--id", str(row.pk)).endswith("gone: 1")
    assert CarrierNotification.objects.get().outcome == "applied"


def test_forged_copy_does_not_take_the_place_of_a_waiting_push() -> None:
    parcel = build_shipment()
    sender = build_sender(parcel.merchant)
    sender.say(parcel, PICKED)
    sender.push(message(parcel.tracking_number, [PICKED]), secret=OTHER_SECRET)

    apply_pushes()

    assert CarrierNotification.objects.verified().get().outcome == "applied"


def test_unknown_id_is_an_error() -> None:
    with pytest.raises(CommandError, match="1 of these ids"):
        run("--id", "999999")
