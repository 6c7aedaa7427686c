"""Chains the lines of an order's history by hash.

The head of the chain stands on the order's row, which is locked anyway, so no global lock is needed.
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
    """Who made a change. `kind` is provider, staff, buyer, warehouse, carrier, client or system; `id` the name there."""

    kind: str
    id: str = ""


SYSTEM = Actor("system")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What proves a change: a kind, an id and the SHA-256 of the raw data. Never a foreign key.

    `keys` is the fingerprint of the account's keys that the message was believed by; empty where no key took part.
    """

    kind: str
    id: str
    sha256: str = ""
    keys: str = ""

    def text(self) -> str:
        """The JSON text that is hashed and stored."""
        parts = {"kind": self.kind, "id": self.id, "sha256": self.sha256}
        return _encode({**parts, "keys": self.keys} if self.keys else parts)


@dataclass(frozen=True, slots=True)
class Fact:
    """The content of a line. `at` is UTC; `reason` is personal text, of which only a digest is hashed."""

    kind: str
    trigger: str
    actor: Actor
    at: datetime
    from_status: str = ""
    to_status: str = ""
    evidence: Evidence | None = None
    reason: str = ""


@dataclass(slots=True)
class ChainedLine:
    """A line to insert; its fields are those of `OrderEvent`.

    Lighter than a model instance, of which a drain would create thousands a second; `bulk` reads the attributes.
    """

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
    """Microseconds since 1970 (UTC), the form in which times are hashed."""
    return (moment - _EPOCH) // _MICROSECOND


def line_hash(line: OrderEvent | ChainedLine, number: str) -> str:
    """The SHA-256 over a UTF-8 JSON array in fixed order. `number` is the order's.

    Nothing in it depends on locale, time zone or database.
    """
    parts = [
        line.version, number, line.seq, line.kind, line.from_status, line.to_status, line.trigger,
        line.actor_kind, line.actor_id, line.evidence, line.text_digest,
        microseconds(line.at), microseconds(line.recorded_at), line.prev_hash,
    ]  # fmt: skip
    return hashlib.sha256(_encode(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Written:
    """Lines and texts to insert. The heads of their chains are set on the order instances already."""

    lines: list[ChainedLine]
    texts: list[OrderEventText]

    def save(self) -> None:
        """Insert the lines and texts in at most two statements. Call in the transaction that holds the orders' locks."""
        bulk.insert_rows(OrderEvent, self.lines)
        bulk.insert_rows(OrderEventText, self.texts)


def chain(facts: Sequence[tuple[Order, Fact]], *, now: datetime) -> Written:
    """Append each fact to its order's chain and set the new head on the instance. Writes nothing yet. `now` is UTC."""
    written = Written([], [])
    for order, fact in facts:
        order.history_seq += 1
        text = _text(order, fact.reason) if fact.reason else None
        line = ChainedLine(
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
    """The SHA-256 over salt and text. It proves a text that is kept and reveals nothing of one that was erased."""
    return hashlib.sha256(f"{text.salt}{text.text}".encode()).hexdigest()


def attach(order: Order, written: Written) -> None:
    """Set the order's primary key on lines that were chained before the order was inserted."""
    for line in written.lines:
        line.order_id = order.pk
    for text in written.texts:
        text.order_id = order.pk
