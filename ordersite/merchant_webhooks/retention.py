"""Lets old messages go, with their deliveries and tries, and drops what waits for endpoints paused for too long."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from ordersite.database import bulk
from ordersite.database.retention import delete_in_batches
from ordersite.merchant_webhooks.models import KEPT_WHILE_PAUSED, EventMessage, WebhookDelivery

# Messages hold personal data of buyers.
KEPT = timedelta(days=30)
_BATCH = 500


def forget_old() -> None:
    """Drop and delete what is too old. Runs by the clock."""
    while _drop_some():
        pass
    waiting = WebhookDelivery.objects.waiting().filter(message=OuterRef("pk"))
    old = EventMessage.objects.filter(~Exists(waiting), created_at__lt=timezone.now() - KEPT)
    delete_in_batches(old.order_by("created_at"), batch=_BATCH)


def _drop_some() -> int:
    now = timezone.now()
    old = WebhookDelivery.objects.waiting().filter(
        endpoint__is_active=False, created_at__lt=now - KEPT_WHILE_PAUSED
    )
    ids = list(old.values_list("pk", flat=True)[:_BATCH])
    with transaction.atomic():
        rows = WebhookDelivery.objects.waiting().filter(pk__in=ids).lock_in_order()
        for row in rows:
            row.drop(now)
        bulk.update_rows(WebhookDelivery, rows, ("status", "next_try_at", "settled_at"))
    return len(rows)
