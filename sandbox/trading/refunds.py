"""The ledger of refunds at all providers.

Refunds under way count: the sum of all refunds that have not failed never exceeds the trade.
"""

import json
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.formats import now
from sandbox.store import Store
from sandbox.trading import trades
from sandbox.trading.trades import Trade, TradeRefused

ENDED = ("succeeded", "abnormal", "closed")


@dataclass(frozen=True, slots=True)
class NewRefund:
    """Money to give back. `outcome` is how it ends `seconds` after it was taken on."""

    reference: str
    fen: int
    reason: str = ""
    outcome: str = "succeeded"
    seconds: float = 0
    provider_reference: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund. `state` is processing, succeeded, abnormal (stuck until a person acts) or closed (failed).

    `total_fen` is the sum given back with this one included, once it has succeeded; `at` is when the state
    was reached, in Unix seconds.
    """

    id: int
    trade_id: int
    reference: str
    fen: int
    total_fen: int
    reason: str
    at: float
    state: str
    outcome: str
    due_at: float
    provider_reference: str
    extra: Mapping[str, str]


def begin(store: Store, trade: Trade, new: NewRefund) -> Refund:
    """Take a refund on; it is processing. Raises TradeRefused: not_paid, fully_refunded, amount_too_large.

    A repeated reference is answered by `find`, which callers try first.
    """
    with store.transaction():
        fresh = trades.get_trade(store, trade.id)
        if fresh.state == "refunded":
            raise TradeRefused("fully_refunded")
        if fresh.state != "paid":
            raise TradeRefused("not_paid")
        if not 0 < new.fen <= fresh.fen - taken(store, fresh):
            raise TradeRefused("amount_too_large")
        row = store.row(
            "INSERT INTO refunds (trade_id, reference, fen, total_fen, reason, at, state, outcome, due_at,"
            " provider_reference, extra) VALUES (?, ?, ?, 0, ?, ?, 'processing', ?, ?, ?, ?) RETURNING *",
            trade.id, new.reference, new.fen, new.reason, now(), new.outcome, now() + new.seconds,
            new.provider_reference or "50" + f"{secrets.randbelow(10**26):026d}", json.dumps(dict(new.extra)),
        )  # fmt: skip
        assert row is not None
        return _from_row(row)


def taken(store: Store, trade: Trade) -> int:
    """Fen that were given back or are on their way."""
    sql = "SELECT coalesce(sum(fen), 0) AS fen FROM refunds WHERE trade_id = ? AND state <> 'closed'"
    row = store.row(sql, trade.id)
    return int(row["fen"]) if row else 0


def end(store: Store, refund: Refund, *, state: str) -> Refund:
    """End a refund: money has moved only where `state` is succeeded."""
    with store.transaction():
        moment, trade = now(), trades.get_trade(store, refund.trade_id)
        total = trade.refunded_fen + refund.fen if state == "succeeded" else 0
        if state == "succeeded":
            trades.note_refunded(store, trade, refunded_fen=total, moment=moment)
        sql = "UPDATE refunds SET state = ?, total_fen = ?, at = ? WHERE id = ? RETURNING *"
        row = store.row(sql, state, total, moment, refund.id)
        assert row is not None
        return _from_row(row)


def due(store: Store) -> list[Refund]:
    """The refunds that are due, oldest first."""
    sql = "SELECT * FROM refunds WHERE state = 'processing' AND due_at <= ? ORDER BY due_at, id LIMIT 100"
    return [_from_row(row) for row in store.rows(sql, now())]


def find(store: Store, trade: Trade, *, reference: str) -> Refund | None:
    """By the merchant's refund reference within a trade."""
    return _refund(
        store.row("SELECT * FROM refunds WHERE trade_id = ? AND reference = ?", trade.id, reference)
    )


def find_anywhere(store: Store, *, provider: str, reference: str) -> Refund | None:
    """By the merchant's refund reference, or the provider's own, at a provider where it is unique."""
    sql = (
        "SELECT r.* FROM refunds r JOIN trades t ON t.id = r.trade_id"
        " WHERE t.provider = ?1 AND ?2 IN (r.reference, r.provider_reference) ORDER BY r.id DESC LIMIT 1"
    )
    return _refund(store.row(sql, provider, reference))


def latest_of(store: Store, reference: str) -> Refund | None:
    """By reference alone, the youngest of all providers; for the control page."""
    return _refund(store.row("SELECT * FROM refunds WHERE reference = ? ORDER BY id DESC LIMIT 1", reference))


def last(store: Store, trade: Trade) -> Refund | None:
    """The youngest refund of the trade."""
    return _refund(store.row("SELECT * FROM refunds WHERE trade_id = ? ORDER BY id DESC LIMIT 1", trade.id))


def _refund(row: sqlite3.Row | None) -> Refund | None:
    return None if row is None else _from_row(row)


def _from_row(row: sqlite3.Row) -> Refund:
    return Refund(**{**dict(row), "extra": json.loads(row["extra"])})
