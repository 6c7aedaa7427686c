"""Counts the calls of each operation, and how soon a parcel was asked for again: what a carrier holds against one."""

from sandbox.formats import now
from sandbox.store import Store


def count(store: Store, target: str, subject: str = "") -> None:
    """Count a call that has arrived. `subject` is a waybill number, where the floor of queries matters."""
    moment = now()
    with store.transaction():
        store.rows(
            "INSERT INTO call_counts VALUES (?, 1) ON CONFLICT (target) DO UPDATE SET calls = calls + 1",
            target,
        )
        if subject:
            store.rows(
                "INSERT INTO call_gaps VALUES (?, ?, ?, NULL) ON CONFLICT (target, subject) DO UPDATE SET"
                " least_gap = min(coalesce(least_gap, 1e9), excluded.last_at - last_at), last_at = excluded.last_at",
                target, subject, moment,
            )  # fmt: skip


def describe_counts(store: Store) -> list[dict[str, object]]:
    """Calls by target, and the least seconds between two about one parcel; None where none was asked for twice."""
    rows = store.rows(
        "SELECT c.target, c.calls, min(g.least_gap) AS least_gap FROM call_counts c"
        " LEFT JOIN call_gaps g ON g.target = c.target GROUP BY c.target, c.calls ORDER BY c.target"
    )
    return [dict(row) for row in rows]
