"""Alerts: one open row for each kind and subject, a light, one mail for each kind and hour, closed when healed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from orders.models import StaffMail
from ordersite.health import alert_mail, alerts
from ordersite.health.models import Alert
from ordersite.queue.models import Delivery

pytestmark = pytest.mark.django_db
Kind = Alert.Kind


def row(alert: Alert | None = None) -> tuple[str, str, str, int, bool]:
    one = alert or Alert.objects.get()
    return one.kind, one.subject, one.text, one.count, one.closed_at is None


def test_raised_again_is_counted() -> None:
    alerts.raise_alert(Kind.DELIVERY_PARKED, "mail.send", "first")
    Alert.objects.update(opened_at=timezone.now() - timedelta(hours=1))
    alerts.raise_alert(Kind.DELIVERY_PARKED, "mail.send", "second")
    assert row() == ("delivery_parked", "mail.send", "second", 2, True)
    alert = Alert.objects.get()
    assert alert.last_at - alert.opened_at > timedelta(minutes=59)


def test_another_subject_is_another_alert() -> None:
    alerts.raise_alert(Kind.DELIVERY_PARKED, "a", "x")
    alerts.raise_alert(Kind.DELIVERY_PARKED, "b", "x")
    alerts.raise_alert(Kind.MAIL_GIVEN_UP, "a", "x")
    assert Alert.objects.count() == 3


def test_healed_is_closed_and_opens_anew() -> None:
    alerts.raise_alert(Kind.CLOCK_SKEW, "web 1", "7 s")
    assert (alerts.heal_alert(Kind.CLOCK_SKEW, "web 1"), alerts.heal_alert(Kind.CLOCK_SKEW, "web 1")) == (
        True,
        False,
    )
    alerts.raise_alert(Kind.CLOCK_SKEW, "web 1", "9 s")
    assert [row(one)[2:] for one in Alert.objects.order_by("id")] == [("7 s", 1, False), ("9 s", 1, True)]


def test_long_texts_are_cut() -> None:
    alerts.raise_alert(Kind.MAIL_GIVEN_UP, "s" * 300, "t" * 2_000)
    assert row() == ("mail_given_up", "s" * 200, "t" * 1_000, 1, True)
    assert alerts.heal_alert(Kind.MAIL_GIVEN_UP, "s" * 300)


def test_trouble_of_the_database_is_not_the_callers() -> None:
    """A caller's transaction goes on when the alert cannot be kept."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE health_alert RENAME TO gone")
        alerts.raise_alert(Kind.MAIL_GIVEN_UP, "a", "b")
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO health_alert")
    assert not Alert.objects.exists()


def person(name: str, role: str, **columns: Any) -> User:
    user = User.objects.create_user(name, f"{name}@shop.example", is_staff=True, **columns)
    user.groups.add(Group.objects.get(name=role))
    return user


def mails() -> list[tuple[str, str]]:
    return list(StaffMail.objects.order_by("id").values_list("address", "subject"))


def test_operations_get_one_mail_a_kind_and_hour() -> None:
    person("ops", "operations")
    person("agent", "agent")
    for number in range(25):
        alerts.raise_alert(Kind.DELIVERY_PARKED, f"handler {number:02}", "order.paid #1")
    now = timezone.now().replace(minute=10)
    Alert.objects.update(last_at=now)

    assert alert_mail.mail_operations(now) == 1
    [mail] = StaffMail.objects.all()
    assert (mail.address, mail.subject) == ("ops@shop.example", "ordersite: 有事件停放，不会自动重试")
    assert mail.body.count("order.paid #1") == 20
    assert "另有 5 条" in mail.body
    assert mail.body.endswith("/admin/health/alert/")

    # Nothing new: no mail. New in the same hour: it waits for the next.
    assert alert_mail.mail_operations(now + timedelta(minutes=70)) == 0
    Alert.objects.filter(subject="handler 03").update(last_at=now + timedelta(minutes=1))
    assert alert_mail.mail_operations(now + timedelta(minutes=2)) == 0
    assert alert_mail.mail_operations(now + timedelta(minutes=62)) == 1
    assert len(mails()) == 2


def test_mail_waits_for_no_other_kind() -> None:
    person("ops", "operations")
    alerts.raise_alert(Kind.DELIVERY_PARKED, "a", "x")
    alert_mail.tend_alerts()
    alerts.raise_alert(Kind.CLOCK_SKEW, "web 1", "7 s")
    assert alert_mail.mail_operations(timezone.now()) == 1
    assert [subject for _address, subject in mails()][-1] == "ordersite: 某个进程的时钟与数据库不一致"


def test_closed_when_nothing_is_parked() -> None:
    now = timezone.now()
    kept, gone = (
        Delivery.objects.create(handler=name, event="order.paid", subject_id=1, event_at=now, parked_at=now)
        for name in ("kept", "gone")
    )
    for name in ("kept", "gone"):
        alerts.raise_alert(Kind.DELIVERY_PARKED, name, "order.paid #1")
    gone.delete()
    alert_mail.tend_alerts()
    assert [(one.subject, one.closed_at is None) for one in Alert.objects.order_by("subject")] == [
        ("gone", False), (kept.handler, True),
    ]  # fmt: skip


def test_old_alerts_are_forgotten() -> None:
    alerts.raise_alert(Kind.MAIL_GIVEN_UP, "old", "x")
    alerts.raise_alert(Kind.MAIL_GIVEN_UP, "open", "x")
    Alert.objects.filter(subject="old").update(closed_at=timezone.now() - timedelta(days=91))
    alert_mail.tend_alerts()
    assert [one.subject for one in Alert.objects.all()] == ["open"]


def test_light_leads_to_the_open_ones() -> None:
    alerts.raise_alert(Kind.DELIVERY_PARKED, "mail.send", "order.paid #1")
    client = Client()
    client.force_login(person("ops", "operations"))
    home = client.get("/admin/").content.decode()
    assert 'href="/admin/health/alert/?state=open"' in home
    page = client.get("/admin/health/alert/?state=open").content.decode()
    assert "mail.send" in page
    assert "order.paid #1" in page

    alert = Alert.objects.get()
    client.post(f"/admin/health/alert/{alert.pk}/do/resolve/")
    assert Alert.objects.get().closed_at is not None
    assert "mail.send" not in client.get("/admin/health/alert/?state=open").content.decode()
