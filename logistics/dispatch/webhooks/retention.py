"""Lets the tries of old messages to warehouses go; the messages themselves stay with their instructions."""

from __future__ import annotations

from django.utils import timezone

from logistics.carrier_calls.log import KEEP
from logistics.models import DispatchWebhookAttempt
from ordersite.database.retention import delete_in_batches


def forget_old_tries() -> int:
    """Delete tries that are older than the log of calls is kept; returns how many."""
    old = DispatchWebhookAttempt.objects.filter(at__lt=timezone.now() - KEEP)
    return delete_in_batches(old.order_by("at"))
