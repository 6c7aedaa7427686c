"""What was sent or given up is sent again by a person, under the same id; what is old goes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from logistics.tests.builders import build_paid
from ordersite.lib.errors import DomainError
from ordersite.merchant_webhooks.models import EventMessage, WebhookDelivery, WebhookTry
from ordersite.merchant_webhooks.pause import pause
from ordersite.merchant_webhooks.resend import QueuedIn, resend, resend_range
from ordersite.merchant_webhooks.retention import KEPT, forget_old
from ordersite.merchant_webhooks.tests.builders import (
    build_endpoint,
    delivery_of,
    fault,
    let_pass,
    received,
    run_events,
    send,
)
from ordersite.queue.models import AuditEntry
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", is_staff=True)


def last_minutes(number: int = 5) -> QueuedIn:
    now = timezone.now()
    return QueuedIn(now - timedelta(minutes=number), now + timedelta(minutes=1))


def test_one_is_sent_again_under_its_id(box: Running, ada: User) -> None:
    build_endpoint(box, events=["order.paid"])
    order = build_paid()
    send()

    resend(delivery_of(order, "order.paid"), by=ada, reason="lost there")
    with pytest.raises(DomainError, match="waiting"):
        resend(delivery_of(order, "order.paid"), by=ada, reason="again")
    send()

    assert [row["copy"] for row in received(box)] == [1, 2]
    row = delivery_of(order, "order.paid")
    assert (row.status, row.attempts, row.resent_at is not None) == ("delivered", 2, True)
    entry = AuditEntry.objects.get(table_name="merchant_webhooks_webhookdelivery")
    assert (entry.new_value, entry.database_user) == ("lost there", "staff: ada")


def test_a_time_is_sent_again_without_what_arrived(box: Running, ada: User) -> None:
    endpoint = build_endpoint(box, events=["order.paid"])
    arrived = build_paid()
    send()
    missed = build_paid()
    fault(box, "status_500")
    send()
    let_pass(hours=25)
    fault(box, "status_500")
    send()
    assert delivery_of(missed, "order.paid").status == "given_up"

    with pytest.raises(DomainError, match="nothing"):
        resend_range(endpoint, QueuedIn(timezone.now(), timezone.now()), by=ada, reason="x")
    endpoint.__class__.objects.update(is_active=True, paused_at=None, pause_reason="")
    assert resend_range(endpoint, last_minutes(), by=ada, reason="outage") == 1
    send()

    numbers = [row["number"] for row in received(box)]
    assert sorted(numbers) == sorted([arrived.number, missed.number])
    all_of_it = QueuedIn(*(last_minutes().start, last_minutes().end), with_delivered=True)
    assert resend_range(endpoint, all_of_it, by=ada, reason="restored") == 2
    send()
    assert len(received(box)) == 4
    assert (
        AuditEntry.objects.filter(
            table_name="merchant_webhooks_webhookendpoint", column_name="sent again"
        ).count()
        == 2
    )


def test_old_messages_go_with_their_tries(box: Running) -> None:
    build_endpoint(box, events=["order.paid"])
    build_paid()
    send()
    forget_old()
    assert EventMessage.objects.count() == 1

    EventMessage.objects.update(created_at=timezone.now() - KEPT)
    forget_old()

    assert (EventMessage.objects.count(), WebhookDelivery.objects.count()) == (0, 0)
    assert not WebhookTry.objects.exists()


def test_what_waits_for_a_paused_endpoint_is_dropped_late(box: Running) -> None:
    endpoint = build_endpoint(box, events=["order.paid"])
    order = build_paid()
    run_events()
    pause(endpoint)
    forget_old()
    assert delivery_of(order, "order.paid").status == "waiting"

    WebhookDelivery.objects.update(created_at=timezone.now() - timedelta(days=8))
    forget_old()

    assert delivery_of(order, "order.paid").status == "dropped"
    with pytest.raises(DomainError, match="paused"):
        pause(endpoint)
