"""Idempotency keys: repeated and parallel calls with one key create one order.

One transaction claims the key and creates the order. A refused or failed call, and a process that dies, roll the
claim back with everything else, so that nothing blocks a retry.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from orders import errors
from orders.models import ApiClient, IdempotencyKey
from ordersite.database import bulk
from ordersite.database.busy_timeout import busy_timeout
from ordersite.database.retention import delete_in_batches

KEPT = timedelta(hours=24)
# One call runs and two may wait for it in this process; more would only occupy its threads.
MOST_AT_ONCE = 3
_SHAPE = re.compile(r"[\x20-\x7e]{1,255}")
_WAIT_MILLISECONDS = 2_000
# PostgreSQL's SQLSTATE for a lock timeout, and SQLite's name of the same error.
_LOCKED = frozenset({"55P03", "SQLITE_BUSY"})
_RECALL = (
    "SELECT id, body_digest, subject_id, created_at FROM orders_idempotencykey"
    " WHERE client_id = %s AND key = %s AND subject_id IS NOT NULL"
)
# The statement that waits sets its own lock timeout, which saves a round trip.
_CLAIM = {
    "postgresql": "INSERT INTO orders_idempotencykey (client_id, key, body_digest, created_at)"
    " SELECT %s, %s, %s, %s::timestamptz FROM set_config('lock_timeout', '2s', true)"
    " ON CONFLICT DO NOTHING RETURNING id",
    "sqlite": "INSERT INTO orders_idempotencykey (client_id, key, body_digest, created_at)"
    " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id",
}
_SETTLE = "UPDATE orders_idempotencykey SET subject_id = %s WHERE id = %s"


@dataclass(frozen=True, slots=True)
class Claim:
    """A client's claim of a key. `created_at` is UTC."""

    client_id: int
    key: str
    body_digest: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Created:
    """The id of the order that the key created; `replayed` if an earlier call created it."""

    subject_id: int
    replayed: bool


class _QueueFull(errors.RequestInProgress):
    """Too many calls of this process wait for one key."""


class _Queue:
    """Counts the calls of this process for each key, and refuses those beyond MOST_AT_ONCE."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[int, str]] = Counter()

    @contextmanager
    def place(self, slot: tuple[int, str]) -> Iterator[None]:
        with self._lock:
            if self._counts[slot] >= MOST_AT_ONCE:
                raise _QueueFull
            self._counts[slot] += 1
        try:
            yield
        finally:
            with self._lock:
                self._counts[slot] -= 1
                if not self._counts[slot]:
                    del self._counts[slot]


_queue = _Queue()


def check_key(key: str | None) -> str:
    """Return the header's value. Raises `idempotency_key_missing` unless it is 1 to 255 printable ASCII characters."""
    if key is None or not _SHAPE.fullmatch(key):
        raise errors.idempotency_key_missing()
    return key


def digest(path: str, body: bytes) -> str:
    """The SHA-256 of the path and the raw body; two calls with the same digest are the same call."""
    return hashlib.sha256(path.encode() + b"\n" + body).hexdigest()


def run(
    client: ApiClient,
    key: str,
    body_digest: str,
    make: Callable[[], int],
    at_once: Callable[[Claim], int | None] | None = None,
) -> Created:
    """Create an order once for this key. `make` writes it in the transaction opened here and returns its id.

    `at_once` is tried first: it claims the key, creates the order and commits both by itself, or it returns None and
    has written nothing. Raises `idempotency_key_reused` for another body, `RequestInProgress` when the first call is
    not done after 2 s or when too many calls wait already, and whatever `make` raises (then the key is free again).
    """
    claim = Claim(client.pk, key, body_digest, timezone.now())
    try:
        with _queue.place((client.pk, key)), _lock_errors():
            if at_once and (subject_id := at_once(claim)):
                return Created(subject_id, replayed=False)
            return _recall(claim) or _step_by_step(claim, make)
    except _QueueFull:
        if found := _recall(claim):  # the first call is done: this one need not wait
            return found
        raise


def find(client: ApiClient, key: str, body_digest: str) -> Created | None:
    """What an earlier call with this key has created; None if the key is free. Raises `idempotency_key_reused`."""
    return _recall(Claim(client.pk, key, body_digest, timezone.now()))


def _step_by_step(claim: Claim, make: Callable[[], int]) -> Created:
    with busy_timeout(_WAIT_MILLISECONDS), transaction.atomic(), bulk.together():
        if claim_id := _claim(claim):
            subject_id = make()
            _settle(claim_id, subject_id)
            return Created(subject_id, replayed=False)
    found = _recall(claim)
    if found is None:  # the key expired between the two statements
        raise errors.RequestInProgress
    return found


def _recall(claim: Claim) -> Created | None:
    """The order of a used key, None if the key is free; deletes an expired key. Raises `idempotency_key_reused`.

    Plain SQL, like the statements below: they run for every call, and the ORM's own work was a tenth of its time.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RECALL, [claim.client_id, claim.key])
        row = cursor.fetchone()
    if row is None:
        return None
    pk, known_digest, subject_id, is_kept = row[0], row[1], row[2], _moment(row[3]) >= timezone.now() - KEPT
    if not is_kept:
        IdempotencyKey.objects.filter(pk=pk).delete()
        return None
    if known_digest != claim.body_digest:
        raise errors.idempotency_key_reused()
    return Created(subject_id, replayed=True)


def _moment(stored: Any) -> datetime:
    """Convert a driver's value to an aware time: SQLite returns naive text in UTC."""
    found = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _settle(claim_id: int, subject_id: int) -> None:
    bulk.run_later(_SETTLE, [subject_id, claim_id])


def _claim(claim: Claim) -> int | None:
    """Claim the key, waiting at most 2 s for another claim; returns the row's id, None if the other claim committed."""
    now = connection.ops.adapt_datetimefield_value(claim.created_at)
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM[connection.vendor], [claim.client_id, claim.key, claim.body_digest, now])
        row = cursor.fetchone()
    return int(row[0]) if row else None


@contextmanager
def _lock_errors() -> Iterator[None]:
    """Turn a lock timeout into `RequestInProgress`."""
    try:
        yield
    except OperationalError as error:
        if _LOCKED & {getattr(error.__cause__, name, "") for name in ("sqlstate", "sqlite_errorname")}:
            raise errors.RequestInProgress from error
        raise


def forget_idempotency_keys() -> int:
    """Delete the keys older than 24 h in bounded batches; returns how many."""
    old = IdempotencyKey.objects.filter(created_at__lt=timezone.now() - KEPT)
    return delete_in_batches(old.order_by("created_at"))
