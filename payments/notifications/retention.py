"""Delete raw calls after their time, and seal those that an older version stored in clear.

The parsed facts and the body's SHA-256 stay on the notification: a replay uses the facts, an auditor the digest.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from payments.models import NotificationBody, PaymentNotification

# A rejected call proves nothing; two weeks are enough to find a wrong key and to replay what it refused.
REJECTED_RAW_DAYS = 14
BATCH = 500
# A million bodies in clear are sealed within the hour, beside the work of the day; the next run goes on.
SECONDS_A_RUN = 60
_BODY = NotificationBody._meta.db_table


@dataclass(slots=True)
class Tended:
    """Counts of one run."""

    deleted: int = 0
    sealed: int = 0


def tend_raw_calls() -> Tended:
    """Delete and seal in batches, each in its own transaction, for at most SECONDS_A_RUN."""
    done, until = Tended(), time.monotonic() + SECONDS_A_RUN
    for step in (_delete_rejected, _delete_old):
        while time.monotonic() < until and (number := step()):
            done.deleted += number
    while time.monotonic() < until and (number := _seal_batch()):
        done.sealed += number
    return done


def _delete_rejected() -> int:
    limit = timezone.now() - timedelta(days=min(REJECTED_RAW_DAYS, settings.RAW_CALL_DAYS))
    old = PaymentNotification.objects.rejected().filter(received_at__lt=limit, raw__isnull=False)
    return _delete(list(old.order_by().values_list("pk", flat=True)[:BATCH]))


def _delete_old() -> int:
    """Delete the oldest raw calls as far as their time is over; they were stored in the order of their numbers."""
    limit = timezone.now() - timedelta(days=settings.RAW_CALL_DAYS)
    oldest = NotificationBody.objects.order_by("pk").values_list("pk", "notification__received_at")[:BATCH]
    return _delete([pk for pk, received_at in oldest if received_at < limit])


def _delete(ids: list[int]) -> int:
    return NotificationBody.objects.filter(pk__in=ids).delete()[0] if ids else 0


@transaction.atomic
def _seal_batch() -> int:
    clear = NotificationBody.objects.filter(key_id="").select_related("notification").order_by("pk")
    rows = list(clear.select_for_update(of=("self",), skip_locked=True)[:BATCH])
    for row in rows:
        row.body = row.body
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {_BODY} SET body = %s, key_id = %s WHERE notification_id = %s",  # noqa: S608
            [(bytes(row.sealed_body), row.key_id, row.pk) for row in rows],
        )
    return len(rows)
