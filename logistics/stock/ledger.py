"""The only door for stock: locks its rows by primary key, reserves, releases and takes, and writes them once.

Lock order everywhere: orders, then instructions, then stock. A visit locks all the rows that it needs at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import models
from django.utils import timezone

from logistics import cases
from logistics.models import MovementKind, ShipmentException, Stock, StockMovement
from ordersite.database import bulk

_SHORT = ShipmentException.Kind.STOCK_SHORT
_Kind = MovementKind


class Shelf(NamedTuple):
    """A product in a warehouse."""

    warehouse_id: int
    product_id: str


@dataclass(slots=True)
class ShelfRow:
    """A locked row of stock; its fields are those of `Stock`.

    Lighter than a model instance, of which a batch of orders would read a thousand; `bulk` reads the attributes.
    """

    id: int
    on_hand: int | None
    reserved: int
    counted_at: datetime | None

    @property
    def available(self) -> int | None:
        """What new instructions may take; None where the product is not counted."""
        return None if self.on_hand is None else max(self.on_hand - self.reserved, 0)

    @property
    def is_short(self) -> bool:
        """Whether less was counted than is reserved."""
        return self.on_hand is not None and self.on_hand < self.reserved


@dataclass(slots=True, kw_only=True)
class Movement:
    """A movement to insert; its fields are those of `StockMovement`, and it is as light as a `ShelfRow`."""

    stock_id: int
    at: datetime
    kind: str
    quantity: int
    on_hand: int | None
    reserved: int
    order_id: int | None = None
    actor: str = ""
    reason: str = ""


@dataclass(slots=True)
class Ledger:
    """The locked rows of stock of one transaction, by shelf, and what has moved on them.

    `eased` are the shelves of which something was freed or counted: only there a shortage can have ended.
    """

    rows: Mapping[Shelf, ShelfRow]
    changed: dict[Shelf, ShelfRow] = field(default_factory=dict)
    eased: set[Shelf] = field(default_factory=set)
    movements: list[Movement] = field(default_factory=list)
    now: datetime = field(default_factory=timezone.now)

    def available(self, shelf: Shelf) -> int | None:
        """What may be reserved; None where the product is not counted."""
        return self.rows[shelf].available

    def reserve(self, shelf: Shelf, quantity: int, *, order_id: int) -> None:
        """Reserve for an open instruction of this order."""
        self._row(shelf).reserved += quantity
        self._note(shelf, _Kind.RESERVED, quantity, order_id=order_id)

    def release(self, shelf: Shelf, quantity: int, *, order_id: int) -> None:
        """Release what was reserved for this order. Raises RuntimeError where less is reserved."""
        row = self._row(shelf)
        if quantity > row.reserved:
            raise RuntimeError(f"{quantity} released of {row.reserved} reserved")
        row.reserved -= quantity
        self.eased.add(shelf)
        if quantity:
            self._note(shelf, _Kind.RELEASED, -quantity, order_id=order_id)

    def take(self, shelf: Shelf, quantity: int, *, order_id: int) -> None:
        """Take what has left the shelf for this order. Less was counted than has left: then nothing is left."""
        row = self._row(shelf)
        if row.on_hand is not None:
            row.on_hand = max(row.on_hand - quantity, 0)
        self._note(shelf, _Kind.TAKEN, -quantity, order_id=order_id)

    def count(self, shelf: Shelf, on_hand: int, *, at: datetime) -> None:
        """Set the absolute figure that the warehouse has counted; `at` is UTC."""
        self._set(shelf, _Kind.COUNTED, on_hand, at)

    def correct(self, shelf: Shelf, on_hand: int, *, at: datetime, by: str, reason: str) -> None:
        """Set the figure that a person found on the shelf; `at` is UTC, `by` the person's log-in."""
        self._set(shelf, _Kind.CORRECTED, on_hand, at, actor=by, reason=reason)

    def _set(self, shelf: Shelf, kind: _Kind, on_hand: int, at: datetime, **more: str) -> None:
        row = self._row(shelf)
        self.eased.add(shelf)
        before, row.on_hand, row.counted_at = row.on_hand, on_hand, at
        if before != on_hand:
            self._note(shelf, kind, on_hand - (before or 0), **more)

    def _note(self, shelf: Shelf, kind: _Kind, quantity: int, **more: Any) -> None:
        row = self.rows[shelf]
        self.movements.append(
            Movement(
                stock_id=row.id,
                at=self.now,
                kind=kind.value,
                quantity=quantity,
                on_hand=row.on_hand,
                reserved=row.reserved,
                **more,
            )
        )

    def save(self) -> None:
        """Write what was changed; a level below the reservations opens a case, one above them resolves it."""
        rows = [row for _shelf, row in sorted(self.changed.items())]
        if bulk.update_rows(Stock, rows, ("on_hand", "reserved", "counted_at")) != len(rows):
            raise RuntimeError("locked stock was not changed")
        bulk.insert_rows(StockMovement, self.movements)
        short = {shelf: row for shelf, row in self.changed.items() if row.is_short}
        cases.open_goods_cases([_case(shelf, row) for shelf, row in short.items()])
        cases.resolve_stock_cases(self.eased - short.keys())
        self.changed, self.eased, self.movements = {}, set(), []

    def _row(self, shelf: Shelf) -> ShelfRow:
        self.changed[shelf] = self.rows[shelf]
        return self.rows[shelf]


def lock(shelves: Iterable[Shelf], *, only_counted: bool = False) -> Ledger:
    """Lock the rows of these shelves for the rest of the transaction; a row that is missing is made, not counted.

    `only_counted`: rows that are missing are left out instead. Three statements at most. Call it once in a transaction:
    a second call may lock a lower key than the first.
    """
    wanted = sorted(set(shelves))
    if not wanted:
        return Ledger({})
    known = {Shelf(*place) for place in _rows(wanted).values_list("warehouse_id", "product_id")}
    missing = [shelf for shelf in wanted if shelf not in known]
    bulk.insert_rows(
        Stock,
        []
        if only_counted
        else [Stock(warehouse_id=shelf.warehouse_id, product_id=shelf.product_id) for shelf in missing],
        ignore_conflicts=True,
    )
    locked = _rows(wanted).select_for_update(no_key=True).order_by("pk")
    columns = locked.values_list("warehouse_id", "product_id", "id", "on_hand", "reserved", "counted_at")
    return Ledger(
        {
            Shelf(warehouse, product): ShelfRow(pk, on_hand, reserved, counted_at)
            for warehouse, product, pk, on_hand, reserved, counted_at in columns
        }
    )


def _rows(shelves: Iterable[Shelf]) -> models.QuerySet[Stock]:
    """The rows of these warehouses and products: some more than asked for where warehouses differ in products."""
    return Stock.objects.filter(
        warehouse_id__in={shelf.warehouse_id for shelf in shelves},
        product_id__in={shelf.product_id for shelf in shelves},
    )


def _case(shelf: Shelf, row: ShelfRow) -> cases.GoodsCase:
    return cases.GoodsCase(
        kind=_SHORT,
        warehouse_id=shelf.warehouse_id,
        product_id=shelf.product_id,
        detail={"on_hand": str(row.on_hand), "reserved": str(row.reserved)},
    )
