"""Takes back leases, due times and marks of a last try that lie further in the future than any rule sets them.

A clock that jumped ahead and back, or a version from before the database's clock was used, leaves them there; nothing else
would look at those rows before that time comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from logistics.models import (
    CarrierAccount,
    CarrierNotification,
    Dispatch,
    DispatchWebhook,
    Shipment,
    Warehouse,
    WaybillOrder,
)
from orders.models import ApiClient, AttemptMark, FingerprintClaim, StaffMail
from ordersite.automation.models import DryRun, RuleRun
from ordersite.bulk_jobs.models import BulkJob, BulkRow
from ordersite.health.models import Alert
from ordersite.merchant_webhooks.models import WebhookDelivery, WebhookEndpoint
from ordersite.messaging.models import BuyerMessage, MessageAccount
from ordersite.people.models import LoginFailure
from ordersite.queue.models import Delivery
from payments.models import BillFetch, Payment, PaymentAccount, PaymentNotification, RefundRequest, Statement
from payments.polling.schedule import EXPIRY_GRACE

LEASE = timedelta(minutes=15)
# Of accounts: an open circuit, 10 minutes at most.
CALL = timedelta(minutes=30)
RETRY = timedelta(hours=2)
# The longest pause of a webhook, and a fifth of it.
RETRY_OF_MESSAGE = timedelta(hours=2, minutes=30)
# Of the fingerprint of a created order: ten minutes.
CLAIM = timedelta(minutes=11)
DAY = timedelta(hours=25)
# Of a warehouse's answer: two weeks are the most that may be set.
SILENCE = timedelta(days=14, hours=1)
# Of what has happened already, and holds the next try back.
HAPPENED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Column:
    """A time of these rows, and how far in the future a rule may set it."""

    rows: QuerySet[Any]
    name: str
    longest: timedelta


def take_back(now: datetime | None = None) -> int:
    """Set every time that is too far ahead to now (UTC, the database's clock); return how many there were."""
    now = now or timezone.now()
    return sum(
        column.rows.filter(**{f"{column.name}__gt": now + column.longest}).update(**{column.name: now})
        for column in columns()
    )


def columns() -> Iterator[Column]:
    """Every column whose time, were it far ahead, would keep something from being done.

    `ordersite/health/tests/test_future_times.py` looks at all columns of all models for one that is missing.
    """
    for model in (PaymentNotification, CarrierNotification, Delivery, StaffMail, Statement, BulkRow):
        waiting = model._default_manager.filter(done_at__isnull=True)
        yield Column(waiting, "leased_until", LEASE)
        yield Column(waiting, "due_at", RETRY)
    yield Column(BulkJob.objects.unfinished(), "leased_until", LEASE)
    for queue in (RuleRun, DryRun):
        unfinished = queue._default_manager.filter(done_at__isnull=True)
        yield Column(unfinished, "leased_until", LEASE)
        yield Column(unfinished, "due_at", RETRY)
    for account in (PaymentAccount, CarrierAccount, Warehouse, MessageAccount, WebhookEndpoint):
        yield Column(account._default_manager.all(), "next_call_at", CALL)
    yield Column(CarrierAccount.objects.all(), "leased_until", LEASE)
    yield Column(MessageAccount.objects.all(), "leased_until", LEASE)
    # No vendor's token holds longer than two hours.
    yield Column(MessageAccount.objects.all(), "token_expires_at", RETRY)
    messages = BuyerMessage.objects.waiting()
    yield Column(messages, "leased_until", LEASE)
    # The longest wait is that for the next day.
    yield Column(messages, "next_try_at", DAY)
    # No parcel counts as silent before it.
    yield Column(CarrierAccount.objects.all(), "silence_counts_from", HAPPENED)
    # A person may have one parcel checked a second after the last.
    yield Column(CarrierAccount.objects.all(), "last_refresh_at", HAPPENED)
    # An attempt that cannot be queried waits for its own end.
    at_its_end = Q(next_query_at=F("expires_at") + EXPIRY_GRACE)
    yield Column(Payment.objects.exclude(at_its_end), "next_query_at", RETRY)
    # The least pause between two queries of one attempt counts from the last.
    yield Column(Payment.objects.filter(next_query_at__isnull=False), "last_query_at", HAPPENED)
    yield Column(RefundRequest.objects.all(), "next_try_at", RETRY)
    # The longest gap of a fetch that failed is two hours, its lease less.
    yield Column(BillFetch.objects.filter(next_at__isnull=False), "next_at", RETRY + LEASE)
    # Pauses of log-ins count from here: people would be kept out for as long as the clock was ahead.
    yield Column(LoginFailure.objects.all(), "last_at", HAPPENED)
    yield Column(LoginFailure.objects.all(), "since", HAPPENED)
    yield Column(Alert.objects.filter(closed_at__isnull=True), "last_at", HAPPENED)
    yield Column(Alert.objects.filter(closed_at__isnull=True), "mailed_at", HAPPENED)
    yield Column(ApiClient.objects.all(), "last_used_at", HAPPENED)
    # A claim and a count that never ended would refuse an order for as long as the clock was ahead.
    yield Column(FingerprintClaim.objects.all(), "expires_at", CLAIM)
    yield Column(AttemptMark.objects.all(), "expires_at", DAY)
    waybills = WaybillOrder.objects.filter(next_try_at__isnull=False)
    yield Column(waybills, "next_try_at", RETRY)
    yield Column(waybills, "leased_until", LEASE)
    webhooks = DispatchWebhook.objects.filter(next_try_at__isnull=False)
    yield Column(webhooks, "next_try_at", RETRY)
    yield Column(webhooks, "leased_until", LEASE)
    events = WebhookDelivery.objects.waiting()
    yield Column(events, "next_try_at", RETRY_OF_MESSAGE)
    yield Column(events, "leased_until", LEASE)
    # A failure in the future would put off the end of the tries, and the pause of an endpoint that fails.
    yield Column(events, "first_failure_at", HAPPENED)
    yield Column(WebhookEndpoint.objects.all(), "failing_since", HAPPENED)
    yield Column(Dispatch.objects.filter(answer_due_at__isnull=False), "answer_due_at", SILENCE)
    parcels = Shipment.objects.under_way()
    checks = max(DAY, 2 * timedelta(hours=settings.TRACKING_POLL_HOURS))
    yield Column(parcels, "next_check_at", checks)
    yield Column(parcels, "leased_until", LEASE)
    yield Column(parcels, "capped_until", DAY)
    yield Column(parcels, "last_poll_at", HAPPENED)
    yield Column(parcels, "queries_since", HAPPENED)
