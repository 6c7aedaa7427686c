"""Inserts whole chains of history by COPY, with true hashes: what `verify_history` reads and finds in order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from django.db import connection

from benchmarks.rows import fill
from orders.history import lines, seals
from orders.history.lines import ChainedLine
from orders.models import Order

LINES_OF_AN_ORDER = 5
_CHUNK = 20_000
_AT = datetime(2026, 11, 1, tzinfo=UTC)
_COLUMNS = (
    "order_id", "seq", "kind", "from_status", "to_status", "trigger", "actor_kind", "actor_id", "evidence",
    "text_digest", "at", "recorded_at", "version", "prev_hash", "hash",
)  # fmt: skip
_HEADS = "UPDATE orders_order o SET history_seq = %s, history_hash = h.hash FROM heads h WHERE h.id = o.id"


def build_chains(count: int) -> None:
    """Insert `count` lines, five to an order, set the heads of their chains, and seal them."""
    orders = count // LINES_OF_AN_ORDER
    fill.build_orders(fill.build_shop(), 1, orders)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE heads (id bigint, hash text)")
    after = 0
    rows = Order.objects.order_by("id").values_list("id", "number", "status")
    while chunk := list(rows.filter(id__gt=after)[:_CHUNK]):
        _copy(chunk)
        after = chunk[-1][0]
    with connection.cursor() as cursor:
        cursor.execute(_HEADS, [LINES_OF_AN_ORDER])
    fill.settle_down()
    seals.seal_history()


def _copy(orders: list[tuple[int, str, str]]) -> None:
    heads = []
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY orders_orderevent ({', '.join(_COLUMNS)}) FROM STDIN") as copy:
            for pk, number, status in orders:
                for line in _chain(pk, number, status):
                    copy.write_row([getattr(line, column) for column in _COLUMNS])
                heads.append((pk, line.hash))
        with cursor.copy("COPY heads FROM STDIN") as copy:
            for head in heads:
                copy.write_row(head)


def _chain(pk: int, number: str, status: str) -> Iterator[ChainedLine]:
    before = ""
    for seq in range(1, LINES_OF_AN_ORDER + 1):
        line = ChainedLine(
            order_id=pk, seq=seq, kind="transition", from_status="pending", to_status=status, trigger="fill",
            actor_kind="system", actor_id="", evidence="", text_digest="", at=_AT, recorded_at=_AT, prev_hash=before,
        )  # fmt: skip
        line.hash = before = lines.line_hash(line, number)
        yield line
