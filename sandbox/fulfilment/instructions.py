"""The instructions that the warehouses have got, each once, however often they were told of it."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.formats import now
from sandbox.store import Store

Row = Mapping[str, object]
# What a warehouse answers where it does not send the goods: code and words.
REFUSALS: Mapping[str, str] = {
    "out_of_stock": "库存不足",
    "address_unserved": "地址不在配送范围",
    "damaged": "外箱破损",
}


@dataclass(frozen=True, slots=True)
class Taking:
    """How an instruction came (`push`, `pull`), what becomes of it, and in how many seconds the goods leave."""

    form: str
    state: str
    ship_seconds: float = 0
    message: str = ""


def set_fetching(store: Store, slug: str, *, is_on: bool) -> None:
    """Have the ERP fetch the instructions of this warehouse from now on, or no more."""
    store.rows("DELETE FROM fetching_warehouses WHERE slug = ?", slug)
    if is_on:
        store.rows("INSERT INTO fetching_warehouses VALUES (?)", slug)


def fetching(store: Store) -> list[str]:
    """The warehouses whose instructions the ERP fetches."""
    return [row["slug"] for row in store.rows("SELECT slug FROM fetching_warehouses ORDER BY slug")]


def forget(store: Store) -> None:
    """Forget every instruction and its messages, as for a shop whose numbers begin again."""
    with store.transaction():
        store.rows("DELETE FROM instruction_messages")
        store.rows("DELETE FROM instructions")


def find(store: Store, instruction_id: int) -> sqlite3.Row | None:
    """The instruction as it stands."""
    return store.row("SELECT * FROM instructions WHERE id = ?", instruction_id)


def take(store: Store, row: Row, taking: Taking) -> None:
    """Store a new instruction in this state; one that is known is counted again, and a silent one is worked on."""
    with store.transaction():
        store.rows(
            "INSERT INTO instructions (id, warehouse, form, number, row, state, due_at, message)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET row = excluded.row,"
            " state = CASE WHEN state = 'silent' THEN excluded.state ELSE state END",
            row["id"], row["warehouse"], taking.form, row["order"], json.dumps(row, ensure_ascii=False), taking.state,
            now() + taking.ship_seconds, taking.message,
        )  # fmt: skip
        store.rows(
            "UPDATE instructions SET received = received + 1, reminders = reminders + ? WHERE id = ?",
            int(row.get("reminder") is True),
            row["id"],
        )


def note_message(store: Store, webhook_id: str, row: Row, kind: str) -> bool:
    """Store a webhook's id; returns whether it is new. An instruction after its cancellation is marked as late."""
    with store.transaction():
        cancelled = store.row(
            "SELECT 1 FROM instruction_messages WHERE instruction = ? AND kind = 'dispatch.cancelled'",
            row["id"],
        )
        known = store.row(
            "UPDATE instruction_messages SET copies = copies + 1 WHERE webhook_id = ? RETURNING 1", webhook_id
        )
        is_late = kind == "dispatch.created" and cancelled is not None
        if known is None:
            store.rows(
                "INSERT INTO instruction_messages VALUES (?, ?, ?, ?, 1, ?)",
                webhook_id, row["id"], kind, now(), int(is_late),
            )  # fmt: skip
        elif is_late:
            store.rows("UPDATE instruction_messages SET is_late = 1 WHERE webhook_id = ?", webhook_id)
    return known is None


def set_state(store: Store, instruction_id: int, state: str, message: str = "") -> None:
    """Set what became of an instruction."""
    store.rows("UPDATE instructions SET state = ?, message = ? WHERE id = ?", state, message, instruction_id)


def latest(store: Store, limit: int) -> list[dict[str, object]]:
    """Instructions, newest first: how often each was received, and how many different messages said so."""
    rows = store.rows(
        "SELECT i.id, i.number, i.warehouse, i.form, i.state, i.received, i.reminders, i.tracking_number, i.message,"
        " count(m.webhook_id) FILTER (WHERE m.kind = 'dispatch.created') AS created,"
        " count(m.webhook_id) FILTER (WHERE m.kind = 'dispatch.cancelled') AS cancellations,"
        " coalesce(max(m.is_late), 0) AS created_after_cancel"
        " FROM instructions i LEFT JOIN instruction_messages m ON m.instruction = i.id"
        " GROUP BY i.id ORDER BY i.id DESC LIMIT ?",
        limit,
    )
    return [dict(row) for row in rows]
