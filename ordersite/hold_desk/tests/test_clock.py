"""What the clock does for reviews: escalation once, with an alert and a mail in each reader's language, and healing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from orders.models import HoldReview, StaffLanguage, StaffMail
from orders.tests.builders import build_order, build_order_in, move
from ordersite.health.models import Alert
from ordersite.hold_desk.clock import escalate, tend_reviews
from ordersite.hold_desk.tests.builders import DESK, hold, member

pytestmark = pytest.mark.django_db


def open_alerts() -> list[str]:
    rows = Alert.objects.filter(kind="reviews_wait", closed_at__isnull=True)
    return list(rows.values_list("text", flat=True))


def test_what_waits_too_long_is_escalated_once() -> None:
    for role in ("supervisor", "agent"):
        member(role)
    late, early = hold(build_order(), minutes_ago=241), hold(build_order(), minutes_ago=239)

    assert [escalate(timezone.now()), escalate(timezone.now())] == [1, 0]

    late.refresh_from_db()
    early.refresh_from_db()
    assert (late.escalated_at is not None, early.escalated_at) == (True, None)
    assert open_alerts() == ["1 wait, longer than 4 h"]
    mail = StaffMail.objects.get()
    assert mail.address == "supervisor@shop.example"
    assert mail.subject == "有 1 个拦截的订单等待审核"
    assert DESK in mail.body


def test_the_mail_speaks_the_readers_language() -> None:
    member("supervisor")
    StaffLanguage.objects.update_or_create(user=User.objects.get(), defaults={"language": "en"})
    hold(build_order(), minutes_ago=300)

    escalate(timezone.now())

    assert StaffMail.objects.get().subject == "1 held order waits for review"


def test_a_flood_is_one_mail_an_hour() -> None:
    member("supervisor")
    now = timezone.now()
    for minutes in (300, 241):
        hold(build_order(), minutes_ago=minutes)
    escalate(now)
    hold(build_order(), minutes_ago=250)
    escalate(now + timedelta(minutes=1))
    assert StaffMail.objects.count() == 1

    hold(build_order(), minutes_ago=250)
    escalate(now + timedelta(minutes=62))
    assert StaffMail.objects.count() == 2


@override_settings(HOLD_REVIEW_HOURS=0.5)
def test_the_hours_are_a_setting() -> None:
    hold(build_order(), minutes_ago=31)
    assert escalate(timezone.now()) == 1


def test_the_alert_heals_once_nobody_waits() -> None:
    order = build_order()
    hold(order, minutes_ago=300)
    tend_reviews()
    assert len(open_alerts()) == 1
    move(order, "close", "timeout")

    tend_reviews()

    assert open_alerts() == []
    assert HoldReview.objects.get().state == "closed"


def test_the_desk_marks_what_waits_too_long() -> None:
    client = member("viewer")
    hold(build_order_in("paid"), minutes_ago=239)
    assert "overdue" not in client.get(DESK).content.decode()
    HoldReview.objects.update(opened_at=timezone.now() - timedelta(minutes=241))
    assert "overdue" in client.get(DESK).content.decode()
