"""Opens and ends instructions together with what they reserve: each reservation is made once and released once.

Lock order: the caller holds the orders, then come the instructions, then the stock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from logistics.dispatch.instructions import answers
from logistics.dispatch.instructions.choose import Part
from logistics.dispatch.webhooks import queue
from logistics.models import Dispatch, DispatchLine, DispatchStatus
from logistics.stock import ledger
from logistics.stock.ledger import Ledger, Shelf
from ordersite.database import bulk

_COLUMNS = (
    "status", "refusal", "message", "sent_at", "accepted_at", "answer_due_at", "reminded_at", "ended_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Instructed:
    """What an order's part becomes: an instruction to a warehouse."""

    order_id: int
    part: Part
    products: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class NewDispatch:
    """An instruction to insert; its fields are those of `Dispatch`.

    Lighter than a model instance, of which a batch of orders would make hundreds; `bulk` reads the attributes.
    """

    order_id: int
    warehouse_id: int
    reasons: Mapping[str, Any]
    created_at: datetime
    answer_due_at: datetime
    status: str = DispatchStatus.WAITING.value
    refusal: str = ""
    message: str = ""
    sent_at: datetime | None = None
    accepted_at: datetime | None = None
    reminded_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewDispatchLine:
    """A line to insert; its fields are those of `DispatchLine`."""

    dispatch_id: int
    order_line_id: int
    product_id: str
    quantity: int
    shipped: int = 0


def insert(parts: Sequence[Instructed], stock: Ledger) -> int:
    """Insert the instructions with their lines, and save the stock that is reserved for them; returns how many."""
    now = timezone.now()
    ordered = sorted(parts, key=lambda one: (one.order_id, one.part.warehouse.pk))
    inserted = bulk.insert_rows(
        Dispatch,
        [
            NewDispatch(
                order_id=one.order_id,
                warehouse_id=one.part.warehouse.pk,
                reasons=dict(one.part.reasons),
                created_at=now,
                answer_due_at=answers.due_at(one.part.warehouse, now),
            )
            for one in ordered
        ],
        returning=("id", "order", "warehouse"),
    )
    ids = {(order, warehouse): pk for pk, order, warehouse in inserted}
    lines = []
    for one in ordered:
        warehouse_id = one.part.warehouse.pk
        for line_id, quantity in sorted(one.part.quantities.items()):
            product = one.products[line_id]
            lines.append(
                NewDispatchLine(
                    dispatch_id=ids[one.order_id, warehouse_id],
                    order_line_id=line_id,
                    product_id=product,
                    quantity=quantity,
                )
            )
    bulk.insert_rows(DispatchLine, lines)
    stock.save()
    places = {one.part.warehouse.pk: one.part.warehouse for one in parts}
    queue.announce(inserted, places)
    return len(inserted)


def lines_of(rows: Iterable[Dispatch]) -> dict[int, list[DispatchLine]]:
    """The lines of these instructions, by instruction id. One query."""
    found: dict[int, list[DispatchLine]] = {row.pk: [] for row in rows}
    for line in DispatchLine.objects.filter(dispatch_id__in=found).order_by("pk"):
        found[line.dispatch_id].append(line)
    return found


def write(rows: Sequence[Dispatch]) -> None:
    """Write the states of these locked instructions; what was to come of those that have ended now ends with them."""
    ended = [row for row in rows if not row.is_open]
    for row in ended:
        row.ended_at, row.answer_due_at = row.ended_at or timezone.now(), None
    if bulk.update_rows(Dispatch, rows, _COLUMNS) != len(rows):
        raise RuntimeError("a locked instruction was not changed")
    if ended:
        queue.note_ended(ended)
        answers.resolve_cases(ended)


def end(rows: Sequence[Dispatch], *, at: datetime) -> None:
    """Write these instructions, which have just ended, and release what they still reserve. `at` is UTC."""
    if not rows:
        return
    for row in rows:
        row.ended_at = at
    write(rows)
    lines = lines_of(rows)
    freed = [
        (Shelf(row.warehouse_id, line.product_id), line.left, row.order_id)
        for row in rows
        for line in lines[row.pk]
        if line.left
    ]
    stock = ledger.lock(shelf for shelf, _quantity, _order in freed)
    for shelf, quantity, order_id in freed:
        stock.release(shelf, quantity, order_id=order_id)
    stock.save()
