"""Raw bodies: sealed to their row, deleted after their time, sealed later where an older version stored them in clear."""

from __future__ import annotations

import base64
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from ordersite.lib.crypto import CannotDecrypt, KeyRing
from payments.models import NotificationBody, Payment, PaymentNotification
from payments.notifications.apply import drain_notifications
from payments.notifications.replay import replay
from payments.notifications.retention import tend_raw_calls
from payments.providers.alipay.tests.messages import key_pair
from payments.tests import builders as build

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "canary-13800138000"


def receive(**changes: str | None) -> PaymentNotification:
    payment = build.build_payment(build.build_alipay())
    build.post_alipay(build.alipay_body(payment, subject=CANARY, **changes))
    return PaymentNotification.objects.latest("pk")


def receive_rejected() -> PaymentNotification:
    payment = build.build_payment(build.build_alipay(alipay_public_key=key_pair("old alipay")[1]))
    build.post_alipay(build.alipay_body(payment, subject=CANARY))
    return PaymentNotification.objects.latest("pk")


def bytes_on_disk(row: PaymentNotification) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM payments_notificationbody WHERE notification_id = %s", [row.pk])
        return bytes(cursor.fetchone()[0])


def store_in_clear(row: PaymentNotification, body: bytes) -> None:
    """Store the body as an older version did, which knows no column for the key."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM payments_notificationbody WHERE notification_id = %s", [row.pk])
        cursor.execute(
            "INSERT INTO payments_notificationbody (notification_id, headers, body) VALUES (%s, '{}', %s)",
            [row.pk, body],
        )


def age(row: PaymentNotification, *, days: float) -> None:
    received_at = timezone.now() - timedelta(days=days)
    PaymentNotification.objects.filter(pk=row.pk).update(received_at=received_at)


def reread(row: PaymentNotification) -> PaymentNotification:
    return PaymentNotification.objects.select_related("raw", "account").get(pk=row.pk)


@pytest.mark.parametrize("arrive", [receive, receive_rejected])
def test_body_is_sealed_on_disk(arrive: Any) -> None:
    row = arrive()
    assert CANARY.encode() not in bytes_on_disk(row)
    assert row.reference.encode() not in bytes_on_disk(row) or not row.reference
    assert CANARY.encode() in row.raw.body


def test_body_opens_in_its_own_row_only() -> None:
    first, second = receive(), receive()
    copied = bytes_on_disk(first)
    NotificationBody.objects.filter(pk=second.pk).update(sealed_body=copied)
    with pytest.raises(CannotDecrypt):
        _ = reread(second).raw.body
    assert CANARY.encode() in reread(first).raw.body


def test_changed_body_does_not_open() -> None:
    row = receive()
    sealed = bytearray(bytes_on_disk(row))
    sealed[-1] ^= 1
    NotificationBody.objects.filter(pk=row.pk).update(sealed_body=bytes(sealed))
    with pytest.raises(CannotDecrypt):
        _ = reread(row).raw.body


def test_old_key_opens_and_new_key_seals(settings: Any) -> None:
    row = receive()
    key = base64.b64encode(b"n" * 32).decode()
    new = KeyRing.parse(f"next:{key}")
    settings.KEY_RING = KeyRing({**new.ciphers, **settings.KEY_RING.ciphers})
    assert CANARY.encode() in reread(row).raw.body
    assert receive().raw.key_id == "next"
    settings.KEY_RING = new
    with pytest.raises(CannotDecrypt):
        _ = reread(row).raw.body


def test_body_in_clear_is_read_and_then_sealed() -> None:
    row = receive()
    body = row.raw.body
    store_in_clear(row, body)
    assert (bytes_on_disk(row), reread(row).raw.body) == (body, body)

    done = tend_raw_calls()

    assert (done.sealed, done.deleted) == (1, 0)
    assert CANARY.encode() not in bytes_on_disk(row)
    assert reread(row).raw.body == body
    assert tend_raw_calls().sealed == 0


def test_verified_body_goes_after_its_days(settings: Any) -> None:
    settings.RAW_CALL_DAYS = 180
    kept, gone = receive(), receive()
    age(kept, days=179.9)
    age(gone, days=180.1)
    digest = gone.body_digest

    assert tend_raw_calls().deleted == 1

    assert list(NotificationBody.objects.values_list("pk", flat=True)) == [kept.pk]
    assert reread(gone).body_digest == digest
    assert reread(gone).raw_call is None


def test_rejected_body_goes_after_two_weeks() -> None:
    kept, gone = receive_rejected(), receive_rejected()
    age(kept, days=13.9)
    age(gone, days=14.1)
    assert tend_raw_calls().deleted == 1
    assert list(NotificationBody.objects.values_list("pk", flat=True)) == [kept.pk]
    assert reread(gone).is_rejected


def test_verified_call_is_replayed_without_its_body() -> None:
    row = receive()
    NotificationBody.objects.all().delete()
    assert replay([row.pk], actor="test").as_dict()["replayed"] == 1
    drain_notifications()
    assert (reread(row).outcome, Payment.objects.get().status) == ("applied", "paid")


def test_rejected_call_says_that_its_body_is_gone() -> None:
    row = receive_rejected()
    build.build_alipay()
    NotificationBody.objects.all().delete()
    out, errors = StringIO(), StringIO()
    call_command("replay_inbox", "--id", str(row.pk), stdout=out, stderr=errors)
    assert out.getvalue().strip().endswith("gone: 1")
    assert "raw calls are deleted" in errors.getvalue()
    assert reread(row).is_rejected


def test_body_of_another_row_is_not_replayed() -> None:
    row, other = receive_rejected(), receive()
    NotificationBody.objects.filter(pk=row.pk).update(
        sealed_body=bytes_on_disk(other), key_id=other.raw.key_id
    )
    assert replay([row.pk], actor="test").as_dict()["gone"] == 1
    assert reread(row).is_rejected


def test_page_says_that_the_body_is_gone() -> None:
    row = receive_rejected()
    staff = Client(headers={"accept-language": "en"})
    staff.force_login(User.objects.create_superuser("root"))
    address = f"/admin/payments/paymentnotification/{row.pk}/change/"
    assert CANARY.encode() not in staff.get(address).content  # the phone number inside it is masked

    NotificationBody.objects.filter(pk=row.pk).update(sealed_body=b"x" * 40)
    assert staff.get(address).status_code == 200
    NotificationBody.objects.all().delete()
    assert row.body_digest in staff.get(address).content.decode()
