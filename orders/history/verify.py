"""Verifies that nothing in the history is missing or altered."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection

from orders import database_triggers
from orders.history import lines, seals
from orders.models import HistorySeal, Order, OrderEvent, OrderEventText
from ordersite.database import triggers

CHUNK = 5_000


class Broken(Exception):
    """The history was altered; the message names the first broken place."""


@dataclass(frozen=True, slots=True)
class Report:
    """How many lines and seals were verified, and how many lines no seal covers yet."""

    lines: int
    seals: int
    unsealed: int


def verify_history() -> Report:
    """Verify triggers, hashes, links, heads, texts, seals and anchors. Raises `Broken` at the first fault."""
    if missing := triggers.missing(database_triggers.GUARDS):
        raise Broken(f"trigger {missing[0]} is missing")
    count = _check_hashes()
    _check_links()
    _check_heads()
    _check_texts()
    sealed_to, seal_count = _check_seals()
    _check_anchors()
    unsealed = OrderEvent.objects.filter(id__gt=sealed_to).count()
    return Report(count, seal_count, unsealed)


def _chunks() -> Iterator[list[OrderEvent]]:
    after = 0
    while True:
        chunk = list(OrderEvent.objects.filter(id__gt=after).order_by("id").select_related(None)[:CHUNK])
        if not chunk:
            return
        yield chunk
        after = chunk[-1].pk


def _check_hashes() -> int:
    count = 0
    for chunk in _chunks():
        numbers = dict(
            Order.objects.filter(pk__in={line.order_id for line in chunk}).values_list("pk", "number")
        )
        for line in chunk:
            if line.order_id not in numbers:
                raise Broken(f"line {line.pk}: its order {line.order_id} is gone")
            if lines.line_hash(line, numbers[line.order_id]) != line.hash:
                raise Broken(f"line {line.pk} (order {numbers[line.order_id]}, {line.seq}) was altered")
        count += len(chunk)
    return count


def _first(sql: str) -> tuple[object, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
    return tuple(row) if row else None


def _check_links() -> None:
    """Each line of an order follows the one before it: number and hash."""
    row = _first(
        "SELECT order_id, seq FROM (SELECT order_id, seq, prev_hash,"
        " lag(seq, 1, 0) OVER w AS before_seq, lag(hash, 1, '') OVER w AS before_hash"
        " FROM orders_orderevent WINDOW w AS (PARTITION BY order_id ORDER BY seq)) AS chained"
        " WHERE seq <> before_seq + 1 OR prev_hash <> before_hash ORDER BY order_id, seq LIMIT 1"
    )
    if row:
        raise Broken(f"order {row[0]}: the chain is broken at line {row[1]}")


def _check_heads() -> None:
    """Each order remembers its last line, and its status is that of its last transition."""
    row = _first(
        "SELECT o.number FROM orders_order o LEFT JOIN orders_orderevent e"
        " ON e.order_id = o.id AND e.seq = o.history_seq"
        " WHERE e.id IS NULL OR e.hash <> o.history_hash ORDER BY o.id LIMIT 1"
    )
    if row:
        raise Broken(f"order {row[0]}: its last line is missing or is not the one that it remembers")
    row = _first(
        "SELECT o.number, o.status FROM orders_order o JOIN (SELECT order_id, max(seq) AS seq FROM orders_orderevent"
        " WHERE to_status <> '' GROUP BY order_id) AS newest ON newest.order_id = o.id"
        " JOIN orders_orderevent e ON e.order_id = o.id AND e.seq = newest.seq"
        " WHERE e.to_status <> o.status ORDER BY o.id LIMIT 1"
    )
    if row:
        raise Broken(f"order {row[0]}: its state is {row[1]}, but its history says otherwise")


def _check_texts() -> None:
    for text in OrderEventText.objects.order_by("id").iterator(CHUNK):
        line = OrderEvent.objects.filter(order_id=text.order_id, seq=text.seq).first()
        if line is None or line.text_digest != lines.digest_text(text):
            raise Broken(f"the words of line {text.order_id}/{text.seq} were altered")


def _check_seals() -> tuple[int, int]:
    """Verify the chain of seals; returns the last sealed id and the number of seals."""
    previous: HistorySeal | None = None
    count = 0
    for seal in HistorySeal.objects.order_by("first_id").iterator(CHUNK):
        _check_seal(seal, previous)
        previous, count = seal, count + 1
    return (previous.last_id if previous else 0), count


def _check_seal(seal: HistorySeal, previous: HistorySeal | None) -> None:
    key = settings.HISTORY_SEAL_KEYS.get(seal.key_id)
    if key is None:
        raise Broken(f"seal {seal.pk}: its key {seal.key_id} is not configured")
    expected_first = previous.last_id + 1 if previous else 1
    if seal.first_id != expected_first or seal.prev_mac != (previous.mac if previous else ""):
        raise Broken(f"seal {seal.pk}: a seal before it is missing")
    if not hmac.compare_digest(seals.compute_mac(seal, key), seal.mac):
        raise Broken(f"seal {seal.pk} was altered")
    rows = (
        OrderEvent.objects.filter(id__gte=seal.first_id, id__lte=seal.last_id)
        .order_by("id")
        .values_list("id", "hash")
    )
    found = list(rows)
    if len(found) != seal.lines or seals.digest_lines(found) != seal.digest:
        raise Broken(
            f"seal {seal.pk}: lines {seal.first_id} to {seal.last_id} are not those that were sealed"
        )


def _check_anchors() -> None:
    for path in sorted(Path(settings.HISTORY_ANCHOR_DIR).glob("history-*.json")):
        anchor = json.loads(path.read_text(encoding="utf-8"))
        seal = HistorySeal.objects.filter(first_id=anchor["first_id"]).first()
        if seal is None or seal.mac != anchor["mac"]:
            raise Broken(f"anchor {path.name}: the seal that it names is missing or another one")
