"""What a clock that jumped ahead left in the future is taken back; what a rule set stays."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import models
from django.test import Client
from django.utils import timezone

from ordersite.health.future_times import columns, take_back
from ordersite.people.models import LoginFailure
from ordersite.queue.models import Delivery
from payments.models import BillFetch, Payment, PaymentAccount
from payments.tests import builders as build

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
# How a column is called whose time, far ahead, may keep something from being done.
HOLDS_BACK = re.compile(
    r"(^|_)(next|due|until|leased?|expires?|try|wait|pause|capped|resting|since|from|last|mailed|wanted)(_|$)"
)
# Columns of such names that hold nothing back, or that nothing but a person may change.
EXEMPT = {
    "orders.ApiClient.expires_at": "a person chose it",
    "orders.ApiClient.old_token_until": "a person chose it; an expired token is refused by its own end as well",
    "orders.Order.close_due_at": "the buyer and the provider were given it as the end of the payment",
    "orders.RiskStrategy.active_from": "a person chose it",
    "orders.RiskStrategy.active_until": "a person chose it",
    "payments.Payment.expires_at": "the provider was given it",
    "payments.Payment.close_wanted_at": "whether it is there decides, and since when a case is opened, not what is done",
    "payments.Statement.settle_wanted_at": "whether it is there decides; the time is evidence of an approval",
    "payments.RefundRequest.last_tried_at": "only compared with next_try_at, which is taken back",
    "payments.PaymentQuery.last_at": "a kept answer: evidence",
    "payments.RefusedCall.last_at": "a count for people to read",
    "logistics.RefusedPush.last_at": "a count for people to read",
    "logistics.Shipment.last_pushed_at": "shown; what is polled next is decided by next_check_at",
    "payments.Statement.period_from": "the file's word",
    "logistics.CarrierAccount.last_answer_at": "the next answer sets one right that is in the future",
    "logistics.CarrierAccount.silent_since": "whether it is there decides; the time is evidence",
    "logistics.Shipment.last_checked_at": "shown; what is polled next is decided by next_check_at",
    "logistics.Shipment.last_event_at": "the carrier's word",
    "logistics.DispatchWebhook.last_try_at": "shown; what is sent next is decided by next_try_at",
    "messaging.BuyerMessage.last_try_at": "shown; what is sent next is decided by next_try_at",
    "messaging.MessageAccount.unusable_since": "whether it is there decides, and until when next_call_at does",
    "merchant_webhooks.WebhookEndpoint.rotating_until": "shown; each old secret has its own end, sealed",
    "merchant_webhooks.WebhookEndpoint.last_success_at": "shown",
    "merchant_webhooks.WebhookDelivery.last_try_at": "shown; what is sent next is decided by next_try_at",
    "automation.DryRun.since": "a person chose the days",
    "automation.DryRun.until": "a person chose the days",
    "people.KnownAddress.last_at": "only the deletion of old rows depends on it",
}  # fmt: skip


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


def test_bills_and_log_ins_wait_for_no_jumped_clock(client: Client) -> None:
    now = timezone.now()
    fetch = BillFetch.objects.create(account=build.build_alipay(), day=now.date(), next_at=now + 9 * HOUR)
    name = {"username": "nobody", "password": "wrong"}
    client.post("/accounts/login/", name)
    LoginFailure.objects.update(last_at=now + 9 * HOUR)
    assert client.post("/accounts/login/", name).status_code == 429

    take_back()

    fetch.refresh_from_db()
    assert fetch.next_at is not None
    assert fetch.next_at <= timezone.now()
    assert client.post("/accounts/login/", name).status_code == 200


def test_every_time_that_holds_back_is_taken_back() -> None:
    listed = {f"{column.rows.model._meta.label}.{column.name}" for column in columns()}
    ours = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if model.__module__.startswith(("orders.", "payments.", "logistics.", "ordersite."))
        for field in model._meta.concrete_fields
        if isinstance(field, models.DateTimeField) and HOLDS_BACK.search(field.name)
    }
    assert ours - listed - set(EXEMPT) == set(), "list it in ordersite/health/future_times.py, or say why not"
    assert set(EXEMPT) <= ours - listed


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
