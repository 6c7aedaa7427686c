"""Records what endpoints answered: delivered, tried again after a growing pause, or given up after a day."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from ordersite.database import bulk
from ordersite.merchant_webhooks import pause
from ordersite.merchant_webhooks.call import EventReply
from ordersite.merchant_webhooks.judge import EventSending
from ordersite.merchant_webhooks.models import WebhookDelivery, WebhookTry

# After the first failure, the second …; then the last one again and again. Each up to a fifth longer, by chance, so that
# what failed together does not come back together.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 7200))
JITTER = 0.2
# After so long without success a message is given up.
GIVE_UP_AFTER = timedelta(hours=24)
_SHORT_WORDS = 200
_COLUMNS = (
    "status", "failures", "first_failure_at", "last_status", "last_words", "next_try_at", "settled_at", "leased_until",
)  # fmt: skip


def pause_after(failures: int) -> timedelta:
    """How long a message waits after so many failures in a row."""
    return PAUSES[min(failures, len(PAUSES)) - 1] * random.uniform(1, 1 + JITTER)


def record(results: Sequence[tuple[EventSending, EventReply]]) -> list[int]:
    """Record the replies of these tries in one transaction, with what follows for their endpoints.

    Returns the ids of endpoints that have recovered from an outage.
    """
    replies = {sending.delivery_id: reply for sending, reply in results}
    now = timezone.now()
    with transaction.atomic():
        rows = WebhookDelivery.objects.filter(pk__in=replies).lock_in_order()
        for row in rows:
            _note(row, replies[row.pk], now)
        bulk.update_rows(WebhookDelivery, rows, _COLUMNS)
        bulk.insert_rows(WebhookTry, [_try(row, replies[row.pk], now) for row in rows])
        return [pk for pk, own in _by_endpoint(results) if pause.note_replies(pk, own, now)]


def _note(row: WebhookDelivery, reply: EventReply, now: datetime) -> None:
    """Apply one reply. A delivery that ended while it was on its way stays as it is."""
    row.leased_until = None
    row.last_status, row.last_words = reply.status, reply.words[:_SHORT_WORDS]
    if not row.is_waiting:
        return
    if reply.is_taken:
        row.deliver(now)
    elif reply.is_unsent:
        row.next_try_at = now
    else:
        _fail(row, reply, now)


def _fail(row: WebhookDelivery, reply: EventReply, now: datetime) -> None:
    row.failures += 1
    row.first_failure_at = row.first_failure_at or now
    if now - row.first_failure_at >= GIVE_UP_AFTER:
        row.give_up(now)
        return
    last = row.first_failure_at + GIVE_UP_AFTER
    row.next_try_at = min(now + max(pause_after(row.failures), reply.pause), max(last, now + PAUSES[0]))


def _try(row: WebhookDelivery, reply: EventReply, now: datetime) -> WebhookTry:
    return WebhookTry(
        delivery=row, at=now, http_status=reply.status, duration_ms=reply.duration_ms, words=reply.words
    )


def _by_endpoint(
    results: Sequence[tuple[EventSending, EventReply]],
) -> Iterator[tuple[int, list[EventReply]]]:
    """The replies of each endpoint, by its number: two processes lock endpoints in the same order."""
    for endpoint_id in sorted({sending.endpoint_id for sending, _reply in results}):
        own = [reply for sending, reply in results if sending.endpoint_id == endpoint_id]
        yield endpoint_id, [reply for reply in own if not reply.is_unsent]
