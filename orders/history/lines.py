"""Lines of history: built from facts, chained per order, never changed.

The head of an order's chain stands on its row, which the door has locked anyway: no global lock.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orders.models import Order, OrderEvent, OrderEventText
from ordersite.database import bulk

VERSION = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: `kind` is provider, staff, buyer, warehouse, carrier, client or system; `id` their name there."""

    kind: str
    id: str = ""


SYSTEM = Actor("system")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What proves it: a kind, its id and the SHA-256 of the raw thing. Never a foreign key."""

    kind: str
    id: str
    sha256: str = ""

    def text(self) -> str:
        return _encode({"kind": self.kind, "id": self.id, "sha256": self.sha256})


@dataclass(frozen=True, slots=True)
class Fact:
    """What a line says. `at` is UTC; `reason` is personal text and kept apart from the hash."""

    kind: str
    trigger: str
    actor: Actor
    at: datetime
    from_status: str = ""
    to_status: str = ""
    evidence: Evidence | None = None
    reason: str = ""


@dataclass(slots=True)
class Line:
    """A line that waits to be inserted. Lighter than a model instance, of which the paying door would make thousands
    a second; `bulk` writes whatever has the attributes of the table."""

    order_id: int
    seq: int
    kind: str
    from_status: str
    to_status: str
    trigger: str
    actor_kind: str
    actor_id: str
    evidence: str
    text_digest: str
    at: datetime
    recorded_at: datetime
    prev_hash: str
    version: int = VERSION
    hash: str = ""


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 UTC, as hashed."""
    return (moment - _EPOCH) // _MICROSECOND


def line_hash(line: OrderEvent | Line, number: str) -> str:
    """SHA-256 over a UTF-8 JSON array in fixed order. Nothing in it depends on locale, zone or database."""
    parts = [
        line.version, number, line.seq, line.kind, line.from_status, line.to_status, line.trigger,
        line.actor_kind, line.actor_id, line.evidence, line.text_digest,
        microseconds(line.at), microseconds(line.recorded_at), line.prev_hash,
    ]  # fmt: skip
    return hashlib.sha256(_encode(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Written:
    """Lines and texts that wait to be inserted; the heads are already on the orders."""

    lines: list[Line]
    texts: list[OrderEventText]

    def save(self) -> None:
        """Insert with at most two statements. Call in the transaction that holds the orders' locks."""
        bulk.insert_rows(OrderEvent, self.lines)
        bulk.insert_rows(OrderEventText, self.texts)


def chain(facts: Sequence[tuple[Order, Fact]], *, now: datetime) -> Written:
    """Append each fact to its order's chain and move the head on the instance; nothing is written yet."""
    written = Written([], [])
    for order, fact in facts:
        order.history_seq += 1
        text = _text(order, fact.reason) if fact.reason else None
        line = Line(
            order_id=order.pk,
            seq=order.history_seq,
            kind=str(fact.kind),
            from_status=str(fact.from_status),
            to_status=str(fact.to_status),
            trigger=fact.trigger,
            actor_kind=fact.actor.kind,
            actor_id=fact.actor.id,
            evidence=fact.evidence.text() if fact.evidence else "",
            text_digest=digest_text(text) if text else "",
            at=fact.at,
            recorded_at=now,
            prev_hash=order.history_hash,
        )
        line.hash = order.history_hash = line_hash(line, order.number)
        written.lines.append(line)
        if text:
            written.texts.append(text)
    return written


def _text(order: Order, reason: str) -> OrderEventText:
    return OrderEventText(order_id=order.pk, seq=order.history_seq, salt=secrets.token_hex(16), text=reason)


def digest_text(text: OrderEventText) -> str:
    """sha256(salt ‖ text): proves the words while they are there, and lets them be erased."""
    return hashlib.sha256(f"{text.salt}{text.text}".encode()).hexdigest()


def attach(order: Order, written: Written) -> None:
    """Give lines that were chained before their order had a primary key that key."""
    for line in written.lines:
        line.order_id = order.pk
    for text in written.texts:
        text.order_id = order.pk
