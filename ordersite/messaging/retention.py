"""Deletes messages long after they ended: they hold what was told to whom, if masked."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from ordersite.database.retention import delete_in_batches
from ordersite.messaging.models import BuyerMessage

KEEP = timedelta(days=180)


def forget_old_messages() -> int:
    """Delete messages that ended KEEP ago, with their attempts; returns how many rows."""
    old = BuyerMessage.objects.filter(settled_at__lt=timezone.now() - KEEP)
    return delete_in_batches(old.order_by("settled_at"))
