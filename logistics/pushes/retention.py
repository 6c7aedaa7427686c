"""Delete raw pushes after their time. The row and its SHA-256 stay."""

from __future__ import annotations

import time
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from logistics.dispatch import remap
from logistics.models import CarrierNotification, PushBody
from logistics.pushes.apply import find_late_numbers

# A rejected push proves nothing; two weeks are enough to find a wrong key and to replay what it refused.
REJECTED_RAW_DAYS = 14
BATCH = 500
SECONDS_A_RUN = 30


def tend_pushes() -> int:
    """Apply what waited for its number, go on with maps of codes, and delete old raw pushes in batches.

    Returns how many were deleted.
    """
    find_late_numbers()
    remap.go_on_with_all(seconds=SECONDS_A_RUN / 2)
    deleted, until = 0, time.monotonic() + SECONDS_A_RUN
    for step in (_delete_rejected, _delete_old):
        while time.monotonic() < until and (number := step()):
            deleted += number
    return deleted


def _delete_rejected() -> int:
    limit = timezone.now() - timedelta(days=min(REJECTED_RAW_DAYS, settings.RAW_CALL_DAYS))
    old = CarrierNotification.objects.rejected().filter(received_at__lt=limit, raw__isnull=False)
    return _delete(list(old.order_by().values_list("pk", flat=True)[:BATCH]))


def _delete_old() -> int:
    """Delete the oldest raw pushes as far as their time is over; they were stored in the order of their numbers."""
    limit = timezone.now() - timedelta(days=settings.RAW_CALL_DAYS)
    oldest = PushBody.objects.order_by("pk").values_list("pk", "notification__received_at")[:BATCH]
    return _delete([pk for pk, received_at in oldest if received_at < limit])


def _delete(ids: list[int]) -> int:
    return PushBody.objects.filter(pk__in=ids).delete()[0] if ids else 0
