"""Waybills that the merchant ordered at a carrier: one for each of its references, however often it is ordered."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.carrier import parcels
from sandbox.carrier.parcels import NewParcel
from sandbox.formats import now
from sandbox.store import Store


@dataclass(frozen=True, slots=True)
class WaybillOrder:
    """An order of a waybill. `details` is what the carrier keeps of it, `times_ordered` how often it was ordered."""

    carrier: str
    reference: str
    number: str
    details: Mapping[str, str]
    times_ordered: int
    cancelled: bool


def take_order(
    store: Store, *, carrier: str, reference: str, parcel: NewParcel, details: Mapping[str, str]
) -> WaybillOrder:
    """Store the order and send its parcel; a reference that is known gets its old waybill, with its old data."""
    with store.transaction():
        row = store.row(
            "INSERT INTO waybill_orders VALUES (?, ?, ?, ?, ?, 1, 0) ON CONFLICT (carrier, reference)"
            " DO UPDATE SET times_ordered = times_ordered + 1 RETURNING *",
            carrier, reference, parcel.number, json.dumps(dict(details), ensure_ascii=False), now(),
        )  # fmt: skip
        assert row is not None
        if row["number"] == parcel.number:
            parcels.take_parcel(store, parcel)
    return _from_row(row)


def find_order(store: Store, *, carrier: str, reference: str = "", number: str = "") -> WaybillOrder | None:
    """The order of this reference or of this number."""
    row = store.row(
        "SELECT * FROM waybill_orders WHERE carrier = ? AND (reference = ? OR number = ?)",
        carrier, reference, number,
    )  # fmt: skip
    return None if row is None else _from_row(row)


def cancel_order(store: Store, order: WaybillOrder) -> None:
    """Cancel it; the parcel no longer moves because nobody has it."""
    with store.transaction():
        store.rows(
            "UPDATE waybill_orders SET cancelled = 1 WHERE carrier = ? AND reference = ?",
            order.carrier, order.reference,
        )  # fmt: skip
        store.rows("DELETE FROM parcels WHERE number = ?", order.number)


def latest_orders(store: Store, limit: int) -> list[dict[str, object]]:
    """The orders for the control page, newest first, without names and addresses."""
    rows = store.rows(
        "SELECT carrier, reference, number, times_ordered, cancelled FROM waybill_orders"
        " ORDER BY created_at DESC, reference LIMIT ?",
        limit,
    )
    return [dict(row) for row in rows]


def _from_row(row: sqlite3.Row) -> WaybillOrder:
    return WaybillOrder(
        carrier=row["carrier"],
        reference=row["reference"],
        number=row["number"],
        details=json.loads(row["details"]),
        times_ordered=row["times_ordered"],
        cancelled=bool(row["cancelled"]),
    )
