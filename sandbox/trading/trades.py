"""The ledger of trades at all providers, and their transitions."""

import json
import re
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.formats import beijing, now
from sandbox.store import Store

# The states of a trade whose buyer has paid, later refunds and reversals included.
PAID_ONCE = ("paid", "refunded", "reversed")


class TradeRefused(Exception):
    """The ledger refuses the change; `code` is the reason."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class NewTrade:
    """A trade to open. `merchant` is the merchant's id at the provider; times are Unix seconds."""

    provider: str
    merchant: str
    reference: str
    fen: int
    subject: str
    expires_at: float
    notify_url: str
    return_url: str
    extra: Mapping[str, str]
    currency: str = "CNY"


@dataclass(frozen=True, slots=True)
class Trade:
    """The state of a trade.

    `state` is waiting, paid, closed, refunded (paid, then given back whole) or reversed (paid, then taken back).
    """

    id: int
    provider: str
    merchant: str
    reference: str
    provider_reference: str
    token: str
    fen: int
    currency: str
    subject: str
    state: str
    created_at: float
    expires_at: float
    opened_at: float | None
    paid_at: float | None
    closed_at: float | None
    refunded_fen: int
    notify_url: str
    return_url: str
    extra: Mapping[str, str]


def open_trade(store: Store, new: NewTrade) -> Trade:
    """Open a trade, or return the waiting one of the same reference and amount.

    Raises TradeRefused: already_expired, amount_differs, already_paid, closed.
    """
    if new.expires_at <= now():
        raise TradeRefused("already_expired")
    with store.transaction():
        known = find_trade(store, provider=new.provider, merchant=new.merchant, reference=new.reference)
        if known is None:
            return _insert(store, new)
        if known.state in PAID_ONCE:
            raise TradeRefused("already_paid")
        if known.state == "closed":
            raise TradeRefused("closed")
        if known.fen != new.fen:
            raise TradeRefused("amount_differs")
        return known


def find_trade(store: Store, *, provider: str, merchant: str, reference: str) -> Trade | None:
    """By the merchant's own reference."""
    sql = "SELECT * FROM trades WHERE provider = ? AND merchant = ? AND reference = ?"
    return _trade(store.row(sql, provider, merchant, reference))


def find_provider_reference(store: Store, provider_reference: str) -> Trade | None:
    """By the provider's number."""
    return _trade(store.row("SELECT * FROM trades WHERE provider_reference = ?", provider_reference))


def find_token(store: Store, token: str) -> Trade | None:
    """By the unguessable part of the cashier's address."""
    return _trade(store.row("SELECT * FROM trades WHERE token = ?", token))


def latest_of(store: Store, reference: str) -> Trade | None:
    """By reference alone, the youngest of all providers and merchants; for the control page."""
    return _trade(store.row("SELECT * FROM trades WHERE reference = ? ORDER BY id DESC LIMIT 1", reference))


def get_trade(store: Store, trade_id: int) -> Trade:
    """By row id, which must exist."""
    return _change(store, "SELECT * FROM trades WHERE id = ?", trade_id)


def visit(store: Store, trade: Trade) -> Trade:
    """Record that the buyer opened the cashier: from now on the trade exists for queries."""
    sql = "UPDATE trades SET opened_at = coalesce(opened_at, ?) WHERE id = ? RETURNING *"
    return _change(store, sql, now(), trade.id)


def pay(store: Store, trade: Trade) -> Trade:
    """Pay a trade. Raises TradeRefused: already_paid, closed."""
    moment = now()
    with store.transaction():
        fresh = get_trade(store, trade.id)
        if fresh.state in PAID_ONCE:
            raise TradeRefused("already_paid")
        if fresh.state == "closed" or fresh.expires_at <= moment:
            raise TradeRefused("closed")
        sql = (
            "UPDATE trades SET state = 'paid', paid_at = ?1, opened_at = coalesce(opened_at, ?1)"
            " WHERE id = ?2 RETURNING *"
        )
        return _change(store, sql, moment, trade.id)


def close(store: Store, trade: Trade) -> Trade:
    """Close an unpaid trade for the merchant. Raises TradeRefused: already_paid, closed."""
    with store.transaction():
        fresh = get_trade(store, trade.id)
        if fresh.state != "waiting":
            raise TradeRefused("closed" if fresh.state == "closed" else "already_paid")
        sql = "UPDATE trades SET state = 'closed', closed_at = ? WHERE id = ? RETURNING *"
        return _change(store, sql, now(), trade.id)


def close_expired(store: Store) -> list[Trade]:
    """Close expired trades; returns each of them once."""
    rows = store.rows(
        "UPDATE trades SET state = 'closed', closed_at = expires_at"
        " WHERE state = 'waiting' AND expires_at <= ? RETURNING *",
        now(),
    )
    return [_from_row(row) for row in rows]


def reverse(store: Store, trade: Trade) -> Trade:
    """Reverse a paid trade, as after a dispute; no notification is sent. Raises TradeRefused: not_paid."""
    with store.transaction():
        if get_trade(store, trade.id).state != "paid":
            raise TradeRefused("not_paid")
        sql = "UPDATE trades SET state = 'reversed', closed_at = ? WHERE id = ? RETURNING *"
        return _change(store, sql, now(), trade.id)


def note_refunded(store: Store, trade: Trade, *, refunded_fen: int, moment: float) -> Trade:
    """Store the sum refunded so far; a trade refunded in full becomes refunded."""
    whole = refunded_fen == trade.fen
    sql = "UPDATE trades SET refunded_fen = ?, state = ?, closed_at = ? WHERE id = ? RETURNING *"
    return _change(
        store, sql, refunded_fen, "refunded" if whole else "paid", moment if whole else None, trade.id
    )


def _insert(store: Store, new: NewTrade) -> Trade:
    moment = now()
    return _change(
        store,
        "INSERT INTO trades (provider, merchant, reference, provider_reference, token, fen, currency, subject,"
        " state, created_at, expires_at, notify_url, return_url, extra)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?, ?, ?, ?) RETURNING *",
        new.provider, new.merchant, new.reference, _number(new.provider, moment), secrets.token_urlsafe(18),
        new.fen, new.currency, new.subject, moment, new.expires_at, new.notify_url, new.return_url,
        json.dumps(dict(new.extra)),
    )  # fmt: skip


def _number(provider: str, moment: float) -> str:
    """Digits with the day in front, each in its provider's form; a prefixed random text at the webhook provider."""
    if provider == "webhook":
        return "pay_" + secrets.token_hex(12)
    day = beijing(moment)[:10].replace("-", "")
    if provider == "wechatpay":
        return f"4200{secrets.randbelow(10**6):06d}{day}{secrets.randbelow(10**10):010d}"
    if provider == "unionpay":
        return day + re.sub(r"\D", "", beijing(moment)[10:]) + f"{secrets.randbelow(10**7):07d}"
    return day + "22001" + f"{secrets.randbelow(10**15):015d}"


def _change(store: Store, sql: str, *values: object) -> Trade:
    row = store.row(sql, *values)
    if row is None:
        raise LookupError("no such trade")
    return _from_row(row)


def _trade(row: sqlite3.Row | None) -> Trade | None:
    return None if row is None else _from_row(row)


def _from_row(row: sqlite3.Row) -> Trade:
    values = dict(row)
    return Trade(**{**values, "extra": json.loads(values["extra"])})
