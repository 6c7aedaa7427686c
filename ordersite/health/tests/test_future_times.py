"""What a clock that jumped ahead left in the future is taken back; what a rule set stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from ordersite.health.future_times import take_back
from ordersite.queue.models import Delivery
from payments.models import Payment, PaymentAccount
from payments.tests import builders as build

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def test_far_leases_and_due_times_are_taken_back() -> None:
    now = timezone.now()
    payment = build.build_payment(build.build_alipay())
    Payment.objects.update(next_query_at=now + 3 * HOUR)
    PaymentAccount.objects.update(next_call_at=now + HOUR)
    row = Delivery.objects.create(
        handler="x",
        event="order.paid",
        subject_id=1,
        event_at=now,
        due_at=now + 3 * HOUR,
        leased_until=now + HOUR,
    )
    assert take_back(now) == 4

    row.refresh_from_db()
    payment.refresh_from_db()
    assert (row.due_at, row.leased_until) == (now, now)
    assert (payment.next_query_at, PaymentAccount.objects.get().next_call_at) == (now, now)


def test_times_that_a_rule_set_stay() -> None:
    now = timezone.now()
    build.build_payment(build.build_alipay())
    Payment.objects.update(next_query_at=now + HOUR)
    PaymentAccount.objects.update(next_call_at=now + timedelta(minutes=10))
    Delivery.objects.create(
        handler="x",
        event="order.paid",
        subject_id=1,
        event_at=now,
        due_at=now + HOUR,
        leased_until=now + timedelta(seconds=15),
    )
    assert take_back(now) == 0
