"""Publish events: rows written in the transaction that made them true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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


def publish(events: Sequence[Event]) -> None:
    """Write the events with one statement and wake the relay after the commit. Call inside a transaction."""
    if not events:
        return
    bulk.insert_rows(OutboxEntry, events)
    transaction.on_commit(lambda: wakeups.wake(RELAY_TASK))
