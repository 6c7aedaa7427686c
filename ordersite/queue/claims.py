"""Claims rows of a queue with a lease, so that any process may take over from a dead one.

A claim is one committed UPDATE that counts the attempt. A lease of a dead process ends after LEASE. A batch that raises
is halved down to the row, and a row on its second attempt goes alone, so that a poison row (even one that kills
its process) stops nobody else.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models, transaction
from django.db.models import F, Q
from django.utils import timezone

from ordersite.database.skip_locked import claim_rows
from ordersite.lib.tracebacks import brief
from ordersite.queue.models import QueueRow

LEASE = timedelta(seconds=15)
MOST_ATTEMPTS = 8
EVERY_ROW = Q()
# SQLite gives its write lock to the first that tries: without a pause a loop starves the other writers (measured).
SQLITE_PAUSE_SECONDS = 0.02

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    id: int
    attempts: int


def claim(model: type[QueueRow], *, limit: int, after: int = 0, only: Q = EVERY_ROW) -> list[Claim]:
    """Claim up to `limit` due rows with an id above `after`, in order of id, for LEASE; `only` narrows them down."""
    now = timezone.now()
    is_free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    due = model._base_manager.filter(only, is_free, done_at__isnull=True, due_at__lte=now, pk__gt=after)
    rows = claim_rows(
        due.order_by("pk"),
        limit=limit,
        values={"attempts": F("attempts") + 1, "leased_until": now + LEASE},
        returning=("id", "attempts"),
    )
    return sorted((Claim(*row) for row in rows), key=lambda claimed: claimed.id)


def walk(model: type[QueueRow], *, size: int, only: Q = EVERY_ROW) -> Iterator[list[Claim]]:
    """Claim batches by keyset until the queue is dry.

    A scan with `ORDER BY id LIMIT` from the start each time falls to a quarter of the speed while an old snapshot is
    open, because it walks over all the dead rows again.
    """
    after = 0
    while batch := claim(model, limit=size, after=after, only=only):
        yield batch
        after = batch[-1].id
        if connection.vendor == "sqlite":
            time.sleep(SQLITE_PAUSE_SECONDS)


def run_batch(
    claims: Sequence[Claim],
    apply: Callable[[Sequence[int]], None],
    failed: Callable[[Claim, Exception], None],
) -> None:
    """Apply fresh claims together and repeated ones alone; a batch that raises is halved until the culprit is alone.

    `apply` gets ids and does all its writing in the one transaction that this function opens around it.
    """
    fresh = [claimed for claimed in claims if claimed.attempts == 1]
    if fresh:
        _halve(fresh, apply, failed)
    for claimed in claims:
        if claimed.attempts > 1:
            _halve([claimed], apply, failed)


def _halve(
    claims: Sequence[Claim],
    apply: Callable[[Sequence[int]], None],
    failed: Callable[[Claim, Exception], None],
) -> None:
    try:
        with transaction.atomic():
            apply([claimed.id for claimed in claims])
    except Exception as error:  # the edge: the error is kept on its row by `failed`
        if len(claims) == 1:
            logger.warning("queue row failed", exc_info=error, extra={"row": claims[0].id})
            failed(claims[0], error)
            return
        middle = len(claims) // 2
        _halve(claims[:middle], apply, failed)
        _halve(claims[middle:], apply, failed)


def postpone(model: type[QueueRow], claimed: Claim, error: Exception) -> None:
    """Give a failed row back with a growing delay: 2, 4, 8 … 256 seconds."""
    delay = timedelta(seconds=2 ** min(claimed.attempts, MOST_ATTEMPTS))
    model._base_manager.filter(pk=claimed.id).update(
        leased_until=None, due_at=timezone.now() + delay, last_error=brief(error)[:500]
    )


def depth(model: type[QueueRow], *, now: datetime | None = None) -> models.QuerySet[Any]:
    """The rows that wait to be claimed."""
    return model._base_manager.filter(done_at__isnull=True, due_at__lte=now or timezone.now())
