"""The relay: outbox entries become one delivery per handler, deliveries are handed to their handlers in batches.

The caller passes the table of handlers, so that this room imports none of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from ordersite.database import bulk
from ordersite.database.one_writer import breathe
from ordersite.health.alerts import raise_alert
from ordersite.health.models import Alert
from ordersite.lib.tracebacks import brief
from ordersite.queue import claims, deploys
from ordersite.queue.models import Delivery, OutboxEntry

BATCH = 200

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivered:
    """An event as handlers get it, perhaps twice, on two machines, at the same time."""

    id: int
    name: str
    subject_id: int
    at: datetime
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Later:
    """A handler's result for an event that it cannot finish yet."""

    after: timedelta
    why: str


Answer = Later | None
Handler = Callable[[Sequence[Delivered]], Sequence[Answer]]

_WAITING = """
SELECT listed.column1 FROM (VALUES {keys}) AS listed WHERE EXISTS (
 SELECT 1 FROM rails_delivery AS waiting WHERE waiting.handler = listed.column1
 AND waiting.parked_at IS NULL AND waiting.done_at IS NULL AND waiting.due_at <= %s)
"""


@dataclass(frozen=True, slots=True)
class OnDemand:
    """A handler for what an installation may not use at all: it gets events only while `is_wanted` says so.

    That is asked once for each batch of entries, in the transaction that takes them.
    """

    handler: Handler
    is_wanted: Callable[[], bool]

    def __call__(self, events: Sequence[Delivered]) -> Sequence[Answer]:
        return self.handler(events)


# event name → handler key → handler
Table = Mapping[str, Mapping[str, Handler]]


def run(table: Table) -> int:
    """Spread all entries, then hand out all due deliveries; returns how many deliveries were finished."""
    while spread(table):
        breathe()
    deploys.catch_up(deploys.keys_of(table))
    handlers = {key: handler for keyed in table.values() for key, handler in keyed.items()}
    waiting = _waiting_keys(handlers)
    return sum(_deliver(key, handler) for key, handler in sorted(handlers.items()) if key in waiting)


def _waiting_keys(keys: Collection[str]) -> set[str]:
    """Those of these keys for which something is due: to claim for each of the others in vain costs a statement each.

    One look into an index for each key, however many deliveries wait.
    """
    if not keys:
        return set()
    listed = ", ".join(["(%s)"] * len(keys))
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(_WAITING.format(keys=listed), [*keys, now])
        return {key for (key,) in cursor.fetchall()}


def spread(table: Table) -> int:
    """Turn up to BATCH entries into deliveries, in one transaction; returns how many entries were taken."""
    with transaction.atomic():
        entries = _take_entries()
        idle = _idle_keys(table, {entry.name for entry in entries})
        rows = [_delivery(entry, key) for entry in entries for key in _keys(table, entry) if key not in idle]
        bulk.insert_rows(Delivery, rows)
        deploys.remember(entries, deploys.keys_of(table))
    return len(entries)


def _take_entries() -> list[OutboxEntry]:
    rows = OutboxEntry.objects.order_by("id")
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    entries = list(rows[:BATCH])
    OutboxEntry.objects.filter(pk__in=[entry.pk for entry in entries]).delete()
    return entries


def _idle_keys(table: Table, names: Set[str]) -> set[str]:
    """The keys of handlers that want none of these events now."""
    on_demand = {
        key: handler
        for name in names
        for key, handler in table.get(name, {}).items()
        if isinstance(handler, OnDemand)
    }
    wanted = {is_wanted: is_wanted() for is_wanted in {handler.is_wanted for handler in on_demand.values()}}
    return {key for key, handler in on_demand.items() if not wanted[handler.is_wanted]}


def _keys(table: Table, entry: OutboxEntry) -> Sequence[str]:
    """An event that this process does not know yet (a rolling deploy) is parked, never dropped."""
    return tuple(table[entry.name]) if entry.name in table else (deploys.UNKNOWN,)


def _delivery(entry: OutboxEntry, key: str) -> Delivery:
    parked = timezone.now() if key == deploys.UNKNOWN else None
    if parked:
        raise_alert(Alert.Kind.DELIVERY_PARKED, key, f"nobody here knows the event {entry.name}")
    return Delivery(
        handler=key,
        event=entry.name,
        subject_id=entry.subject_id,
        payload=entry.payload,
        event_at=entry.created_at,
        parked_at=parked,
        is_unknown=parked is not None,
    )


def _deliver(key: str, handler: Handler) -> int:
    done = 0
    waiting = Q(parked_at__isnull=True, handler=key)

    def apply(ids: Sequence[int]) -> None:
        nonlocal done
        done += _hand_over(handler, ids)

    def failed(claimed: claims.Claim, error: Exception) -> None:
        _postpone_or_park(claimed, error)

    for batch in claims.walk(Delivery, size=BATCH, only=waiting):
        claims.run_batch(Delivery, batch, apply, failed)
    return done


def _hand_over(handler: Handler, ids: Sequence[int]) -> int:
    locked = Delivery.objects.select_for_update(no_key=True)
    rows = list(locked.filter(pk__in=ids).order_by("id"))
    answers = handler(
        [Delivered(row.pk, row.event, row.subject_id, row.event_at, row.payload) for row in rows]
    )
    finished = [row.pk for row, answer in zip(rows, answers, strict=True) if answer is None]
    Delivery.objects.filter(pk__in=finished).delete()
    for row, answer in zip(rows, answers, strict=True):
        if answer is not None:
            Delivery.objects.filter(pk=row.pk).update(
                due_at=timezone.now() + answer.after,
                leased_until=None,
                attempts=0,
                last_error=answer.why[:500],
            )
    return len(finished)


def _postpone_or_park(claimed: claims.Claim, error: Exception) -> None:
    if claimed.attempts < claims.MOST_ATTEMPTS:
        claims.postpone(Delivery, claimed, error)
        return
    handler = Delivery.objects.filter(pk=claimed.id).values_list("handler", flat=True).first()
    evidence = f"delivery {claimed.id} failed {claimed.attempts} times: {brief(error)}"
    raise_alert(Alert.Kind.DELIVERY_PARKED, handler or "", evidence)
    Delivery.objects.filter(pk=claimed.id).update(
        parked_at=timezone.now(), leased_until=None, last_error=brief(error)[:500]
    )
