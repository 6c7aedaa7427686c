"""Until when a warehouse is to confirm a parcel of its instruction, and what ends the waiting.

The callers hold the locks of the orders and the instructions, and write the instructions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from logistics import cases
from logistics.models import Dispatch, ShipmentException, Warehouse

CONFIRMED, ENDED = "the warehouse has confirmed a parcel", "the instruction has ended"


def due_at(warehouse: Warehouse, now: datetime) -> datetime:
    """When a warehouse that is told now counts as silent (UTC)."""
    return now + timedelta(minutes=warehouse.silence_minutes)


def wait_for(rows: Sequence[Dispatch], now: datetime) -> None:
    """Wait anew for the answers of these instructions, for their warehouses' time. One query."""
    wanted = {row.warehouse_id for row in rows}
    warehouses = Warehouse.objects.in_bulk(wanted) if wanted else {}
    for row in rows:
        row.answer_due_at = due_at(warehouses[row.warehouse_id], now)


def accepted(rows: Sequence[Dispatch], now: datetime) -> None:
    """Note that the warehouses have taken these instructions now; one that was reminded is not waited for anew."""
    for row in rows:
        row.accepted_at = row.accepted_at or now
    wait_for([row for row in rows if row.reminded_at is None], now)


def heard_of(rows: Sequence[Dispatch], now: datetime) -> None:
    """Note that a part of these instructions has been sent: the rest is waited for from the beginning."""
    for row in rows:
        row.reminded_at = None
    wait_for(rows, now)
    _resolve(rows, CONFIRMED)


def resolve_cases(rows: Sequence[Dispatch]) -> None:
    """Resolve the cases of silence about these instructions, which have ended."""
    _resolve(rows, ENDED)


def _resolve(rows: Sequence[Dispatch], note: str) -> None:
    places = {(row.order_id, row.warehouse_id) for row in rows}
    cases.resolve_warehouse_cases(ShipmentException.Kind.DISPATCH_UNANSWERED, places, note=note)
