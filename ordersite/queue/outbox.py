"""Publish events: rows written in the transaction that made them true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from ordersite.database import bulk
from ordersite.queue import wakeups
from ordersite.queue.models import OutboxEntry

RELAY_TASK = "rails.run_relay"


@dataclass(frozen=True, slots=True)
class Event:
    """`name` is noun.past; `subject_id` the primary key of what it happened to; `at` is UTC.

    Has the attributes of an OutboxEntry, so that it is written without making one.
    """

    name: str
    subject_id: int
    at: datetime
    payload: Mapping[str, Any] = field(default_factory=dict)

    @property
    def created_at(self) -> datetime:
        return self.at


@dataclass(frozen=True, slots=True)
class Cause:
    """The automation rules that have led to an event, by id, one after another; empty where none has."""

    rules: tuple[int, ...] = ()

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Cause:
        """Read the cause of an event from its payload."""
        return cls(tuple(payload.get(_CAUSE, ())))

    @property
    def depth(self) -> int:
        return len(self.rules)


_CAUSE = "caused_by_rules"
NO_CAUSE = Cause()
_cause: ContextVar[Cause] = ContextVar("cause", default=NO_CAUSE)  # frozen, with a tuple in it


@contextmanager
def caused_by(cause: Cause) -> Iterator[None]:
    """Write this cause into the payload of every event that is published meanwhile, whatever door publishes it."""
    token = _cause.set(cause)
    try:
        yield
    finally:
        _cause.reset(token)


def publish(events: Sequence[Event]) -> None:
    """Write the events with one statement and wake the relay after the commit. Call inside a transaction."""
    if not events:
        return
    if rules := _cause.get().rules:
        events = [replace(event, payload={**event.payload, _CAUSE: rules}) for event in events]
    bulk.insert_rows(OutboxEntry, events)
    transaction.on_commit(lambda: wakeups.wake(RELAY_TASK))
