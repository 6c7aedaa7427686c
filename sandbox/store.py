"""Stores the state in one SQLite file, so that a restart goes on where it stopped."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS trades (
    id INTEGER PRIMARY KEY, provider TEXT NOT NULL, merchant TEXT NOT NULL, reference TEXT NOT NULL,
    provider_reference TEXT NOT NULL UNIQUE, token TEXT NOT NULL UNIQUE, fen INTEGER NOT NULL,
    currency TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL, created_at REAL NOT NULL,
    expires_at REAL NOT NULL, opened_at REAL, paid_at REAL, closed_at REAL,
    refunded_fen INTEGER NOT NULL DEFAULT 0, notify_url TEXT NOT NULL, return_url TEXT NOT NULL,
    extra TEXT NOT NULL, UNIQUE (provider, merchant, reference));
CREATE INDEX IF NOT EXISTS trades_waiting ON trades (expires_at) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS trades_reference ON trades (reference);
CREATE TABLE IF NOT EXISTS refunds (
    id INTEGER PRIMARY KEY, trade_id INTEGER NOT NULL, reference TEXT NOT NULL, fen INTEGER NOT NULL,
    total_fen INTEGER NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL, UNIQUE (trade_id, reference));
CREATE TABLE IF NOT EXISTS bill_differences (
    id INTEGER PRIMARY KEY, provider TEXT NOT NULL, day TEXT NOT NULL, kind TEXT NOT NULL,
    reference TEXT NOT NULL, fen INTEGER NOT NULL, created_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS tickets (
    token TEXT PRIMARY KEY, provider TEXT NOT NULL, what TEXT NOT NULL, expires_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY, target TEXT NOT NULL, trade_id INTEGER NOT NULL, kind TEXT NOT NULL,
    event_id TEXT NOT NULL, url TEXT NOT NULL, payload TEXT NOT NULL, created_at REAL NOT NULL,
    due_at REAL NOT NULL, attempt INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'queued',
    held TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due_at) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS deliveries_trade ON deliveries (trade_id);
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY, delivery_id INTEGER NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL,
    status INTEGER NOT NULL, answer TEXT NOT NULL, duration_ms INTEGER NOT NULL, faults TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS attempts_delivery ON attempts (delivery_id);
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY, target TEXT NOT NULL, fault TEXT NOT NULL, value REAL NOT NULL,
    remaining INTEGER, created_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS parcels (
    number TEXT PRIMARY KEY, com TEXT NOT NULL, phone TEXT NOT NULL, place TEXT NOT NULL, source TEXT NOT NULL,
    created_at REAL NOT NULL, times TEXT NOT NULL, locked_until REAL NOT NULL DEFAULT 0,
    locked_steps INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS parcel_calls (number TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS parcel_calls_number ON parcel_calls (number, at);
CREATE TABLE IF NOT EXISTS erp_orders (
    number TEXT PRIMARY KEY, serial INTEGER NOT NULL, due_at REAL NOT NULL, phone TEXT NOT NULL, place TEXT NOT NULL,
    carrier TEXT NOT NULL, tracking_number TEXT NOT NULL, insured_value TEXT NOT NULL,
    state TEXT NOT NULL, message TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS instructions (
    id INTEGER PRIMARY KEY, warehouse TEXT NOT NULL, form TEXT NOT NULL, number TEXT NOT NULL, row TEXT NOT NULL,
    state TEXT NOT NULL, due_at REAL NOT NULL, carrier TEXT NOT NULL DEFAULT '', tracking_number TEXT NOT NULL DEFAULT '',
    received INTEGER NOT NULL DEFAULT 0, reminders INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS instructions_taken ON instructions (due_at) WHERE state = 'taken';
CREATE TABLE IF NOT EXISTS instruction_messages (
    webhook_id TEXT PRIMARY KEY, instruction INTEGER NOT NULL, kind TEXT NOT NULL, at REAL NOT NULL,
    copies INTEGER NOT NULL DEFAULT 1, is_late INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS fetching_warehouses (slug TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS waybill_orders (
    carrier TEXT NOT NULL, reference TEXT NOT NULL, number TEXT NOT NULL, details TEXT NOT NULL,
    created_at REAL NOT NULL, times_ordered INTEGER NOT NULL, cancelled INTEGER NOT NULL,
    PRIMARY KEY (carrier, reference));
CREATE INDEX IF NOT EXISTS waybill_orders_number ON waybill_orders (number);
CREATE TABLE IF NOT EXISTS pushed_steps (number TEXT PRIMARY KEY, steps INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS call_counts (target TEXT PRIMARY KEY, calls INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS call_gaps (
    target TEXT NOT NULL, subject TEXT NOT NULL, last_at REAL NOT NULL, least_gap REAL,
    PRIMARY KEY (target, subject));
CREATE TABLE IF NOT EXISTS push_addresses (carrier TEXT PRIMARY KEY, url TEXT NOT NULL, form TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS sf_pushes (
    id INTEGER PRIMARY KEY, number TEXT NOT NULL, step INTEGER NOT NULL, copy INTEGER NOT NULL, due_at REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'queued', answer TEXT NOT NULL DEFAULT '',
    UNIQUE (number, step, copy));
CREATE INDEX IF NOT EXISTS sf_pushes_due ON sf_pushes (due_at) WHERE state = 'queued';
CREATE TABLE IF NOT EXISTS kuaidi100_orders (
    id INTEGER PRIMARY KEY, reference TEXT NOT NULL, com TEXT NOT NULL, number TEXT NOT NULL UNIQUE, insured TEXT NOT NULL,
    state TEXT NOT NULL, created_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS kuaidi100_orders_reference ON kuaidi100_orders (reference);
CREATE TABLE IF NOT EXISTS kuaidi100_subscriptions (
    number TEXT PRIMARY KEY, com TEXT NOT NULL, url TEXT NOT NULL, salt TEXT NOT NULL, state TEXT NOT NULL,
    times INTEGER NOT NULL, pushed_steps INTEGER NOT NULL, created_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY, channel TEXT NOT NULL, recipient TEXT NOT NULL, vendor_id TEXT NOT NULL, key TEXT NOT NULL,
    template TEXT NOT NULL, text TEXT NOT NULL, link TEXT NOT NULL, params TEXT NOT NULL, at REAL NOT NULL,
    copies INTEGER NOT NULL DEFAULT 1, report TEXT NOT NULL, due_at REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS messages_recipient ON messages (recipient, channel, at);
CREATE INDEX IF NOT EXISTS messages_due ON messages (due_at) WHERE report = 'queued';
CREATE TABLE IF NOT EXISTS sms_nonces (nonce TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS message_templates (
    channel TEXT NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (channel, id));
CREATE TABLE IF NOT EXISTS wechat_tokens (
    value TEXT PRIMARY KEY, expires_at REAL NOT NULL, is_valid INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS wechat_consents (
    openid TEXT NOT NULL, template TEXT NOT NULL, left INTEGER NOT NULL, PRIMARY KEY (openid, template));
CREATE TABLE IF NOT EXISTS wechat_unfollowed (openid TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS receivers (name TEXT PRIMARY KEY, secret TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS received_hooks (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, webhook_id TEXT NOT NULL, kind TEXT NOT NULL, number TEXT NOT NULL,
    body TEXT NOT NULL, state TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS received_hooks_message ON received_hooks (name, webhook_id);
CREATE TABLE IF NOT EXISTS tunables (name TEXT PRIMARY KEY, value REAL NOT NULL);
"""
# Columns younger than their table: a file of an older sandbox gets them when it is opened. What was refunded
# then was refunded at once.
YOUNGER = {
    "state": "TEXT NOT NULL DEFAULT 'succeeded'",
    "outcome": "TEXT NOT NULL DEFAULT 'succeeded'",
    "due_at": "REAL NOT NULL DEFAULT 0",
    "provider_reference": "TEXT NOT NULL DEFAULT ''",
    "extra": "TEXT NOT NULL DEFAULT '{}'",
}


class Store:
    """One connection behind one lock: statements take microseconds here, so no thread waits long."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._depth = 0
        self._db = sqlite3.connect(path, timeout=20, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(SCHEMA)
        self._add_younger_columns()

    def _add_younger_columns(self) -> None:
        there = {row["name"] for row in self.rows("PRAGMA table_info(refunds)")}
        for name, kind in YOUNGER.items():
            if name not in there:
                self.rows(f"ALTER TABLE refunds ADD COLUMN {name} {kind}")
        self.rows("CREATE INDEX IF NOT EXISTS refunds_due ON refunds (due_at) WHERE state = 'processing'")
        self.rows("CREATE INDEX IF NOT EXISTS refunds_reference ON refunds (reference)")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; an inner call joins the outer transaction."""
        with self._lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("COMMIT")

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Run one statement and return all its rows (also those of RETURNING)."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """Run one statement and return its first row."""
        rows = self.rows(sql, *values)
        return rows[0] if rows else None

    def tune(self, name: str, value: float) -> None:
        """Keep a setting that was changed at run time."""
        self.rows(
            "INSERT INTO tunables VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            name,
            value,
        )

    def tuned(self, name: str, default: float) -> float:
        """A setting changed at run time, else the default."""
        row = self.row("SELECT value FROM tunables WHERE name = ?", name)
        return default if row is None else float(row["value"])

    def close(self) -> None:
        """Close the file; later calls raise sqlite3.ProgrammingError."""
        with self._lock:
            self._db.close()
