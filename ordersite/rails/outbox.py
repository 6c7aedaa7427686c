"""Publish events: rows written in the transaction that made them true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from ordersite.rails import bulk, hints
from ordersite.rails.models import OutboxEntry

RELAY_HINT = "rails.run_relay"


@dataclass(frozen=True, slots=True)
class Event:
    """`name` is noun.past; `subject_id` the primary key of what it happened to; `at` is UTC."""

    name: str
    subject_id: int
    at: datetime
    payload: Mapping[str, Any] = field(default_factory=dict)


def publish(events: Sequence[Event]) -> None:
    """Write the events with one statement and hint the relay after the commit. Call inside a transaction."""
    if not events:
        return
    bulk.insert_rows(
        OutboxEntry,
        [
            OutboxEntry(
                name=event.name, subject_id=event.subject_id, payload=dict(event.payload), created_at=event.at
            )
            for event in events
        ],
    )
    transaction.on_commit(lambda: hints.hint(RELAY_HINT))
