"""Claims with leases: take rows, count the attempt, and be replaceable at any moment.

A claim is one committed UPDATE. Whoever dies holding a lease is simply overtaken after `LEASE`. A batch that raises
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
from django.utils import timezone

from ordersite.queue.models import QueueRow

LEASE = timedelta(seconds=15)
MOST_ATTEMPTS = 8
# SQLite lets whoever asks first write: without a pause a loop starves the other writers (measured).
SQLITE_PAUSE_SECONDS = 0.02

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    id: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Filter:
    """An extra condition on a claim: SQL over the queue table's own columns, and its parameters."""

    sql: str = ""
    params: tuple[Any, ...] = ()


def claim(model: type[QueueRow], *, limit: int, after: int = 0, extra: Filter = Filter()) -> list[Claim]:
    """Claim up to `limit` due rows with an id above `after`, in order of id, for LEASE.

    Materialized: as a plain subquery PostgreSQL may run it again for every row, and claim more than `limit` rows.
    """
    now = timezone.now()
    table = connection.ops.quote_name(model._meta.db_table)
    skip = " FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    sql = (
        f"WITH picked AS MATERIALIZED (SELECT id FROM {table} WHERE done_at IS NULL AND id > %s AND due_at <= %s "
        f"AND (leased_until IS NULL OR leased_until < %s){extra.sql} ORDER BY id LIMIT %s{skip}) "
        f"UPDATE {table} SET attempts = attempts + 1, leased_until = %s "
        "WHERE id IN (SELECT id FROM picked) RETURNING id, attempts"
    )
    moment, until = _stored(now), _stored(now + LEASE)
    with connection.cursor() as cursor:
        cursor.execute(sql, [after, moment, moment, *extra.params, limit, until])
        rows = cursor.fetchall()
    return sorted((Claim(*row) for row in rows), key=lambda claimed: claimed.id)


def _stored(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def walk(model: type[QueueRow], *, size: int, extra: Filter = Filter()) -> Iterator[list[Claim]]:
    """Claimed batches by keyset until the queue is dry. The plain `ORDER BY id LIMIT` scan from the start falls to
    a quarter of the speed while an old snapshot is open, because it walks all the dead rows again."""
    after = 0
    while batch := claim(model, limit=size, after=after, extra=extra):
        yield batch
        after = batch[-1].id
        if connection.vendor == "sqlite":
            time.sleep(SQLITE_PAUSE_SECONDS)


def run_batch(
    claims: Sequence[Claim],
    apply: Callable[[Sequence[int]], None],
    failed: Callable[[Claim, Exception], None],
) -> None:
    """Apply fresh claims together and repeated ones alone; whatever raises is halved until the culprit stands alone.

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
        leased_until=None, due_at=timezone.now() + delay, last_error=repr(error)[:500]
    )


def depth(model: type[QueueRow], *, now: datetime | None = None) -> models.QuerySet[Any]:
    """The rows that wait to be claimed."""
    return model._base_manager.filter(done_at__isnull=True, due_at__lte=now or timezone.now())
