"""The push addresses, line by line of the promised table."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from logistics.models import CarrierNotification, PushBody, RefusedPush, Shipment, ShipmentException
from logistics.pushes.apply import apply_pushes
from logistics.pushes.tests.senders import OTHER_SECRET, build_sender, message, said
from logistics.tests.builders import build_shipment
from orders.tests.builders import build_merchant
from ordersite.queue import refused_calls as counting

pytestmark = pytest.mark.django_db(transaction=True)
PICKED = said(0, "picked_up", "已揽收")


def state() -> tuple[int, int]:
    return CarrierNotification.objects.count(), PushBody.objects.count()


def test_genuine_push_is_kept_sealed_and_answered_204() -> None:
    parcel = build_shipment()
    sender = build_sender(parcel.merchant)

    reply = sender.say(parcel, PICKED)

    assert (reply.status_code, reply.content) == (204, b"")
    row = CarrierNotification.objects.get()
    assert (row.check_result, row.carrier, row.tracking_number) == ("verified", "yto", parcel.tracking_number)
    assert (row.event_count, row.outcome, row.done_at) == (1, "", None)
    body = message(parcel.tracking_number, [PICKED])
    assert row.raw.body == body
    assert parcel.tracking_number.encode() not in bytes(row.raw.sealed_body) + bytes(row.raw.sealed_routes)


def test_repeated_push_is_one_row() -> None:
    parcel = build_shipment()
    sender = build_sender(parcel.merchant)
    assert [sender.say(parcel, PICKED).status_code for _ in range(4)] == [204] * 4
    assert state() == (1, 1)


def test_applied_push_moves_the_parcel_and_counts_as_a_check() -> None:
    parcel = build_shipment()
    sender = build_sender(parcel.merchant)
    sender.say(parcel, PICKED, said(600, "delivered", "已签收"))

    assert apply_pushes() == 1

    after = Shipment.objects.select_related("order").get(pk=parcel.pk)
    assert (after.status, after.order.status) == ("delivered", "completed")
    assert (after.was_pushed, after.last_checked_at) == (True, after.last_pushed_at)
    assert list(after.events.values_list("status", "source")) == [
        ("picked_up", "webhook"),
        ("delivered", "webhook"),
    ]
    assert CarrierNotification.objects.get().outcome == "applied"


def test_parcel_of_another_merchant_is_not_touched() -> None:
    parcel = build_shipment()
    sender = build_sender(build_merchant("other"))

    assert sender.say(parcel, PICKED).status_code == 204
    apply_pushes()

    assert parcel.events.count() == 0
    assert CarrierNotification.objects.get().outcome == ""


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "the body"),
        (message("YT1234567890123", []), "events"),
        (message("YT1234567890123", [said(0, "lost", "丢失")]), "events[0].status"),
        (message("YT1234567890123", [PICKED, {**PICKED, "at": "2026-11-01T09:00:00"}]), "events[1].at"),
        (message("YT1234567890123", [{**PICKED, "at": "2999-11-01T09:00:00Z"}]), "events[0].at"),
        (message("YT1234567890123", [{**PICKED, "text": ""}]), "events[0].text"),
        (message("YT1234567890123", [{**PICKED, "text": "字" * 501}]), "events[0].text"),
        (message("YT1234567890123", [{**PICKED, "phone": "13800138000"}]), "events[0].phone"),
        (message("../etc", [PICKED]), "tracking_number"),
        (message("YT1234567890123", [PICKED], carrier="ups"), "carrier"),
    ],
)
def test_malformed_push_is_refused_with_the_field(body: bytes, field: str) -> None:
    parcel = build_shipment()
    reply = build_sender(parcel.merchant).push(body)
    assert (reply.status_code, reply.json()["code"]) == (400, "malformed")
    assert reply.json()["message"].startswith(field)
    row = CarrierNotification.objects.get()
    assert (row.check_result, row.reject_code, row.outcome) == ("rejected", "malformed", "rejected")
    assert row.reject_detail.startswith(field)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": OTHER_SECRET}, "bad_signature"),
        ({"at": timezone.now() - timedelta(seconds=301)}, "stale_timestamp"),
    ],
)
def test_forged_push_changes_nothing(changes: dict[str, Any], code: str) -> None:
    parcel = build_shipment()
    reply = build_sender(parcel.merchant).push(message(parcel.tracking_number, [PICKED]), **changes)
    assert (reply.status_code, reply.json()["code"]) == (400, code)
    assert apply_pushes() == 0
    assert (parcel.events.count(), CarrierNotification.objects.get().check_result) == (0, "rejected")


def test_genuine_push_after_a_forged_one_is_stored() -> None:
    parcel = build_shipment()
    sender = build_sender(parcel.merchant)
    sender.push(message(parcel.tracking_number, [PICKED]), secret=OTHER_SECRET)
    assert sender.say(parcel, PICKED).status_code == 204
    assert CarrierNotification.objects.verified().count() == 1


def test_previous_secret_is_taken_while_it_changes() -> None:
    parcel = build_shipment()
    sender = build_sender(parcel.merchant, previous_secrets=f"{OTHER_SECRET} {OTHER_SECRET}")
    body = message(parcel.tracking_number, [PICKED])
    assert sender.push(body, secret=OTHER_SECRET).status_code == 204


def test_forgeries_are_bounded_and_one_case_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "REJECTED_PER_DAY", 2)
    parcel = build_shipment()
    sender = build_sender(parcel.merchant)

    for number in range(4):
        sender.push(message(f"YT123456789012{number}", [PICKED]), secret=OTHER_SECRET)

    assert CarrierNotification.objects.rejected().count() == 2
    counted = RefusedPush.objects.get()
    assert (counted.path, counted.reason, counted.calls) == ("/push/webhook/pushes/", "bad_signature", 2)
    case = ShipmentException.objects.get()
    assert (case.kind, case.account_id, case.detail) == (
        "push_rejected",
        sender.account.pk,
        {"push_code": "bad_signature"},
    )


def test_wrong_calls_are_counted_without_their_token(caplog: pytest.LogCaptureFixture) -> None:
    parcel = build_shipment()
    sender = build_sender(parcel.merchant)
    token = sender.path.split("/")[3]
    caplog.set_level(logging.DEBUG)
    client = Client()

    got = [
        client.get(sender.path).status_code,
        client.post(sender.path, b"x" * (64 * 1024 + 1), content_type="text/plain").status_code,
        client.post(
            sender.path, b"x", content_type="text/plain", headers={"Content-Encoding": "gzip"}
        ).status_code,
        client.post(f"/push/webhook/{'A' * 32}/", b"{}", content_type="text/plain").status_code,
        client.post(
            sender.path.replace("webhook", "kuaidi100"), b"{}", content_type="text/plain"
        ).status_code,
        client.post("/push/", b"{}", content_type="text/plain").status_code,
        client.post(f"/push/nobody/{token}/", b"{}", content_type="text/plain").status_code,
    ]

    assert got == [405, 413, 415, 404, 404, 404, 404]
    assert state() == (0, 0)
    rows = {(row.path, row.reason): row.calls for row in RefusedPush.objects.all()}
    assert rows[("/push/webhook/", "method_not_allowed")] == 1
    assert rows[("/push/webhook/", "too_large")] == 1
    assert token not in caplog.text + str(rows)


def test_slashes_and_accept_headers_change_nothing() -> None:
    parcel = build_shipment()
    sender = build_sender(parcel.merchant)
    for path in (sender.path.rstrip("/"), sender.path + "//", sender.path + "?format=json"):
        other = type(sender)(sender.account, path)
        assert other.say(parcel, PICKED).status_code == 204
    assert state() == (1, 1)
