"""Verifies that nothing in the history is missing or altered."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection
from django.db.models import Model, QuerySet

from orders import database_triggers
from orders.history import lines, seals
from orders.models import HistorySeal, Order, OrderEvent, OrderEventText
from ordersite.database import server_defaults, triggers

CHUNK = 5_000
# Minutes for a chunk instead of the seconds of a page: a cold disk may need them.
_patience = partial(server_defaults.statement_time, "10min")
_DIGEST = ("order_id", "seq", "text_digest")
Progress = Callable[[int], None]
M = TypeVar("M", bound=Model)
R = TypeVar("R")


class Broken(Exception):
    """The history was altered; the message names the first broken place."""


@dataclass(frozen=True, slots=True)
class Report:
    """How many lines and seals were verified, and how many lines no seal covers yet."""

    lines: int
    seals: int
    unsealed: int


def verify_history(*, after_line: int = 0, report: Progress = lambda line_id: None) -> Report:
    """Verify triggers, hashes, links, heads, texts, seals and anchors. Raises `Broken` at the first fault.

    Reads by ranges of ids, so that memory and every single statement stay small however long the history is. `report`
    gets the id of the last verified line after each chunk; `after_line` continues behind it in another run.
    """
    if missing := triggers.missing(database_triggers.GUARDS):
        raise Broken(f"trigger {missing[0]} is missing")
    count = _check_lines(after_line, report)
    _check_heads()
    _check_texts()
    sealed_to, seal_count = _check_seals()
    _check_anchors()
    with _patience():
        unsealed = OrderEvent.objects.filter(id__gt=sealed_to).count()
    return Report(count, seal_count, unsealed)


def _by_id(rows: QuerySet[M], *, after: int = 0, key: str = "id") -> Iterator[list[M]]:
    """Yield the rows in chunks in the order of their `key`, each read by a range of the index."""
    while chunk := _read(rows.filter(**{f"{key}__gt": after}).order_by(key)[:CHUNK]):
        yield chunk
        after = getattr(chunk[-1], key)


def _read(rows: QuerySet[Any, R]) -> list[R]:
    with _patience():
        return list(rows)


def _check_lines(after: int, report: Progress) -> int:
    """Each line has its hash, and follows the one before it of its order; returns how many there are."""
    count = 0
    for chunk in _by_id(OrderEvent.objects.all(), after=after):
        _check_hashes(chunk)
        _check_links(chunk[0].pk, chunk[-1].pk)
        count += len(chunk)
        report(chunk[-1].pk)
    return count


def _check_hashes(chunk: Sequence[OrderEvent]) -> None:
    orders = Order.objects.filter(pk__in={line.order_id for line in chunk})
    numbers = dict(_read(orders.values_list("pk", "number")))
    for line in chunk:
        if line.order_id not in numbers:
            raise Broken(f"line {line.pk}: its order {line.order_id} is gone")
        if lines.line_hash(line, numbers[line.order_id]) != line.hash:
            raise Broken(f"line {line.pk} (order {numbers[line.order_id]}, {line.seq}) was altered")


def _first(sql: str, *values: int) -> tuple[object, ...] | None:
    with _patience(), connection.cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
    return tuple(row) if row else None


def _check_links(first: int, last: int) -> None:
    """Each of these lines follows the one before it of its order: number and hash.

    The first one by id: asked for the first by order, PostgreSQL walks the whole index of orders for each chunk.
    """
    row = _first(
        "SELECT e.order_id, e.seq FROM orders_orderevent e LEFT JOIN orders_orderevent b"
        " ON b.order_id = e.order_id AND b.seq = e.seq - 1 WHERE e.id BETWEEN %s AND %s AND CASE"
        " WHEN e.seq > 1 THEN b.id IS NULL OR b.hash <> e.prev_hash ELSE e.seq <> 1 OR e.prev_hash <> '' END"
        " ORDER BY e.id LIMIT 1",
        first,
        last,
    )
    if row:
        raise Broken(f"order {row[0]}: the chain is broken at line {row[1]}")


def _check_heads() -> None:
    """Each order remembers its last line, and its status is that of its last transition."""
    for chunk in _by_id(Order.objects.only("pk")):
        first, last = chunk[0].pk, chunk[-1].pk
        row = _first(
            "SELECT o.number FROM orders_order o LEFT JOIN orders_orderevent e"
            " ON e.order_id = o.id AND e.seq = o.history_seq WHERE o.id BETWEEN %s AND %s"
            " AND (e.id IS NULL OR e.hash <> o.history_hash) ORDER BY o.id LIMIT 1",
            first,
            last,
        )
        if row:
            raise Broken(f"order {row[0]}: its last line is missing or is not the one that it remembers")
        row = _first(
            "SELECT o.number, o.status FROM orders_order o WHERE o.id BETWEEN %s AND %s AND o.status <> ("
            "SELECT e.to_status FROM orders_orderevent e WHERE e.order_id = o.id AND e.to_status <> ''"
            " ORDER BY e.seq DESC LIMIT 1) ORDER BY o.id LIMIT 1",
            first,
            last,
        )
        if row:
            raise Broken(f"order {row[0]}: its state is {row[1]}, but its history says otherwise")


def _check_texts() -> None:
    """Each personal text is the one whose digest its line holds; a few statements for a chunk of them."""
    for chunk in _by_id(OrderEventText.objects.all()):
        hashed = OrderEvent.objects.filter(order_id__in={text.order_id for text in chunk}).exclude(
            text_digest=""
        )
        digests = {(order_id, seq): digest for order_id, seq, digest in _read(hashed.values_list(*_DIGEST))}
        for text in chunk:
            if digests.get((text.order_id, text.seq)) != lines.digest_text(text):
                raise Broken(f"the words of line {text.order_id}/{text.seq} were altered")


def _check_seals() -> tuple[int, int]:
    """Verify the chain of seals; returns the last sealed id and the number of seals."""
    previous: HistorySeal | None = None
    count = 0
    for chunk in _by_id(HistorySeal.objects.all(), key="first_id"):
        for seal in chunk:
            _check_seal(seal, previous)
            previous, count = seal, count + 1
    return (previous.last_id if previous else 0), count


def _check_seal(seal: HistorySeal, previous: HistorySeal | None) -> None:
    key = settings.HISTORY_SEAL_KEYS.get(seal.key_id)
    if key is None:
        raise Broken(f"seal {seal.pk}: its key {seal.key_id} is not configured")
    expected_first = previous.last_id + 1 if previous else 1
    before = previous.mac if previous else ""
    if seal.first_id != expected_first or not hmac.compare_digest(seal.prev_mac, before):
        raise Broken(f"seal {seal.pk}: a seal before it is missing")
    if not hmac.compare_digest(seals.compute_mac(seal, key), seal.mac):
        raise Broken(f"seal {seal.pk} was altered")
    rows = (
        OrderEvent.objects.filter(id__gte=seal.first_id, id__lte=seal.last_id)
        .order_by("id")
        .values_list("id", "hash")
    )
    found = _read(rows)
    if len(found) != seal.lines or seals.digest_lines(found) != seal.digest:
        raise Broken(
            f"seal {seal.pk}: lines {seal.first_id} to {seal.last_id} are not those that were sealed"
        )


def _check_anchors() -> None:
    for path in sorted(Path(settings.HISTORY_ANCHOR_DIR).glob("history-*.json")):
        anchor = json.loads(path.read_text(encoding="utf-8"))
        seal = HistorySeal.objects.filter(first_id=anchor["first_id"]).first()
        if seal is None or not hmac.compare_digest(seal.mac, str(anchor["mac"])):
            raise Broken(f"anchor {path.name}: the seal that it names is missing or another one")
