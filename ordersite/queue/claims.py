"""Claims rows of a queue with a lease, so that any process may take over from a dead one.

A claim is one committed UPDATE that counts the attempt. A dead process's lease ends after its model's `lease`. A batch
that raises is halved down to the row, and a row on its second attempt goes alone, so that a poison row (even one that
kills its process) stops nobody else. A process that outlives its database ends the leases of what it could not apply
before its next claim.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import Error, connection, models, transaction
from django.db.models import F, Q
from django.utils import timezone

from ordersite.database.one_writer import SQLITE_PAUSE_SECONDS
from ordersite.database.skip_locked import claim_rows
from ordersite.lib.tracebacks import brief
from ordersite.queue.models import QueueRow

MOST_ATTEMPTS = 8
EVERY_ROW = Q()
_FRESH, _SUSPECT = Q(attempts=0), Q(attempts__gt=0)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    id: int
    attempts: int


class _Held:
    """The claims that this process could neither apply nor give back, because the database was away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: list[tuple[type[QueueRow], Claim]] = []

    def keep(self, model: type[QueueRow], claims: Sequence[Claim]) -> None:
        with self._lock:
            self._claims += [(model, claimed) for claimed in claims]

    def give_back(self) -> None:
        """End the leases. Another process's newer claim counts another attempt and stays. Raises django.db.Error."""
        if not self._claims:  # nearly always: no lock for it
            return
        with self._lock:
            held, self._claims = self._claims, []
        try:
            for model, claimed in held:
                model._base_manager.filter(
                    pk=claimed.id, attempts=claimed.attempts, done_at__isnull=True, leased_until__isnull=False
                ).update(leased_until=None)
        except Error:
            with self._lock:
                self._claims = held + self._claims
            raise


_held = _Held()


def claim(model: type[QueueRow], *, limit: int, after: int = 0, only: Q = EVERY_ROW) -> list[Claim]:
    """Claim up to `limit` due rows with an id above `after`, in order of id; `only` narrows them down.

    The claim holds for the model's `lease`.
    """
    _held.give_back()
    now = timezone.now()
    is_free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    due = model._base_manager.filter(only, is_free, done_at__isnull=True, due_at__lte=now, pk__gt=after)
    rows = claim_rows(
        due.order_by("pk"),
        limit=limit,
        values={"attempts": F("attempts") + 1, "leased_until": now + model.lease},
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
    model: type[QueueRow],
    claims: Sequence[Claim],
    apply: Callable[[Sequence[int]], None],
    failed: Callable[[Claim, Exception], None],
) -> None:
    """Apply fresh claims together and repeated ones alone; a batch that raises is halved until the culprit is alone.

    `apply` gets ids and does all its writing in the one transaction that this function opens around it. Raises
    django.db.Error where the database cannot even be told of a failure; the next claim gives the rows back.
    """
    try:
        fresh = [claimed for claimed in claims if claimed.attempts == 1]
        if fresh:
            _halve(fresh, apply, failed)
        for claimed in claims:
            if claimed.attempts > 1:
                _halve([claimed], apply, failed)
    except Error:
        _held.keep(model, claims)
        raise


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


def drain(
    model: type[QueueRow],
    *,
    size: int,
    apply: Callable[[Sequence[int]], None],
    give_up: Callable[[int, str], None],
) -> int:
    """Apply all due rows, fresh ones in batches of `size` and repeated ones alone; return how many were claimed.

    A row that failed MOST_ATTEMPTS times, or killed its process as often, is handed to `give_up` with the reason.
    """

    def failed(claimed: Claim, error: Exception) -> None:
        if claimed.attempts < MOST_ATTEMPTS:
            postpone(model, claimed, error)
        else:
            give_up(claimed.id, brief(error))

    count = 0
    for batch in walk(model, size=size, only=_FRESH):
        run_batch(model, batch, apply, failed)
        count += len(batch)
    for batch in walk(model, size=1, only=_SUSPECT):
        # Attempts are counted when claiming: a row over the limit killed its worker each time.
        if batch[0].attempts > MOST_ATTEMPTS:
            give_up(batch[0].id, "the process died each time")
        else:
            run_batch(model, batch, apply, failed)
        count += 1
    return count


def postpone(model: type[QueueRow], claimed: Claim, error: Exception) -> None:
    """Give a failed row back with a growing delay: 2, 4, 8 … 256 seconds."""
    delay = timedelta(seconds=2 ** min(claimed.attempts, MOST_ATTEMPTS))
    model._base_manager.filter(pk=claimed.id).update(
        leased_until=None, due_at=timezone.now() + delay, last_error=brief(error)[:500]
    )


def depth(model: type[QueueRow], *, now: datetime | None = None) -> models.QuerySet[Any]:
    """The rows that wait to be claimed."""
    return model._base_manager.filter(done_at__isnull=True, due_at__lte=now or timezone.now())
