"""Queues notifications as rows, sends them from threads and retries them by each provider's own rule."""

import json
import logging
import sqlite3
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from sandbox import faults
from sandbox.formats import now
from sandbox.outgoing import Call, CallReply, send
from sandbox.store import Store

THREADS = 16
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A notification to send. `payload` is what the provider's form needs to compose each attempt."""

    target: str
    trade_id: int
    kind: str
    event_id: str
    url: str
    payload: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A queued notification; `attempt` counts the finished ones."""

    id: int
    target: str
    event_id: str
    url: str
    payload: Mapping[str, str]
    attempt: int
    held: str


class Form(Protocol):
    """How one provider writes a notification, reads the answer and waits before the next try."""

    def compose(self, delivery: Delivery, active: Mapping[str, float]) -> Call:
        """The call for this attempt, signed now; `active` faults change it."""

    def accepted(self, answer: CallReply) -> bool:
        """Whether the merchant has taken it."""

    def gap(self, attempt: int, answer: CallReply) -> float | None:
        """Unscaled seconds after the attempt of this number (from 1) failed; None gives up."""


def enqueue(store: Store, new: NewDelivery) -> int:
    """Queue a notification, due at once; joins the caller's transaction. Returns its id."""
    row = store.row(
        "INSERT INTO deliveries (target, trade_id, kind, event_id, url, payload, created_at, due_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        new.target, new.trade_id, new.kind, new.event_id, new.url, json.dumps(dict(new.payload)),
        now(), now(),
    )  # fmt: skip
    assert row is not None
    return int(row["id"])


def send_again(store: Store, *, trade_id: int) -> int | None:
    """Make the trade's youngest notification due now, finished or not; returns its id, if there is one."""
    row = store.row(
        "UPDATE deliveries SET state = 'queued', due_at = ?, held = '' WHERE id ="
        " (SELECT max(id) FROM deliveries WHERE trade_id = ?) RETURNING id",
        now(), trade_id,
    )  # fmt: skip
    return None if row is None else int(row["id"])


def give_up_all(store: Store) -> int:
    """Give up all unfinished notifications; returns how many."""
    sql = "UPDATE deliveries SET state = 'given_up' WHERE state IN ('queued', 'sending') RETURNING id"
    return len(store.rows(sql))


class Dispatcher:
    """Sends what is due until it is stopped. `speed` divides the waits between tries."""

    def __init__(self, store: Store, *, forms: Mapping[str, Form], speed: float) -> None:
        self._store, self._forms, self._speed = store, forms, speed
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="notify")
        self._copies = ThreadPoolExecutor(50, thread_name_prefix="copy")
        self._stop = threading.Event()
        # What was under way when the last process ended goes again: it may arrive twice, as with real providers.
        store.rows("UPDATE deliveries SET state = 'queued' WHERE state = 'sending'")

    def run(self) -> None:
        """Loop; meant for a thread of its own."""
        while not self._stop.is_set():
            due = self._claim()
            for delivery in due:
                self._pool.submit(self._send_safely, delivery)
            if not due:
                self._stop.wait(0.05)

    def stop(self) -> None:
        """End the loop; calls under way are not waited for."""
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._copies.shutdown(wait=False, cancel_futures=True)

    def _claim(self) -> list[Delivery]:
        rows = self._store.rows(
            "UPDATE deliveries SET state = 'sending' WHERE id IN (SELECT id FROM deliveries"
            " WHERE state = 'queued' AND due_at <= ? ORDER BY due_at, id LIMIT 64) RETURNING *",
            now(),
        )
        return [_from_row(row) for row in sorted(rows, key=lambda row: (row["due_at"], row["id"]))]

    def _send_safely(self, delivery: Delivery) -> None:
        """The edge of the thread: an error of our own is kept on the row and seen on the control page."""
        try:
            self._send(delivery)
        except Exception as error:
            log.exception("notification %s", delivery.id)
            self._record(delivery, CallReply(0, repr(error).encode()), active={})
            self._store.rows("UPDATE deliveries SET state = 'broken' WHERE id = ?", delivery.id)

    def _send(self, delivery: Delivery) -> None:
        waiting = {"delay", "reorder"}
        if not delivery.held:
            held = faults.take(self._store, target=delivery.target, names=waiting)
            if held:
                self._hold(delivery, held)
                return
        names = faults.ALLOWED[delivery.target] - waiting
        active = faults.take(self._store, target=delivery.target, names=names)
        answer = self._deliver(delivery, active)
        self._settle(delivery, answer)

    def _hold(self, delivery: Delivery, held: Mapping[str, float]) -> None:
        name = max(held, key=lambda one: held[one])
        self._store.rows(
            "UPDATE deliveries SET state = 'queued', held = ?, due_at = ? WHERE id = ?",
            name, now() + held[name], delivery.id,
        )  # fmt: skip

    def _deliver(self, delivery: Delivery, active: Mapping[str, float]) -> CallReply:
        """Send the copies and return the answer as the provider sees it; faults may hide the true one."""
        if "drop" in active:
            answers = [CallReply(0, b"lost on the way")]
        else:
            call = self._forms[delivery.target].compose(delivery, active)
            copies = max(1, int(active.get("duplicate", 1)))
            answers = [send(call)] if copies == 1 else list(self._copies.map(send, [call] * copies))
        if "timeout" in active:
            answers = [CallReply(0, b"no answer in time", {}, one.duration_ms) for one in answers]
        if "status_500" in active:
            answers = [CallReply(500, b"bad gateway in between", {}, one.duration_ms) for one in answers]
        for answer in answers:
            self._record(delivery, answer, active=active)
        form = self._forms[delivery.target]
        return next((one for one in answers if form.accepted(one)), answers[0])

    def _record(self, delivery: Delivery, answer: CallReply, *, active: Mapping[str, float]) -> None:
        self._store.rows(
            "INSERT INTO attempts (delivery_id, number, at, status, answer, duration_ms, faults)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            delivery.id, delivery.attempt + 1, now(), answer.status,
            answer.body[:500].decode("utf-8", "replace"), answer.duration_ms, " ".join(sorted(active)),
        )  # fmt: skip

    def _settle(self, delivery: Delivery, answer: CallReply) -> None:
        """Mark the notification as done, due again or given up, and release those held back to be overtaken."""
        form, number = self._forms[delivery.target], delivery.attempt + 1
        gap = None if form.accepted(answer) else form.gap(number, answer)
        state = "done" if form.accepted(answer) else "given_up" if gap is None else "queued"
        speed = self._store.tuned("notify_speed", self._speed)
        with self._store.transaction():
            self._store.rows(
                "UPDATE deliveries SET state = ?, attempt = ?, due_at = ?, held = ''"
                " WHERE id = ? AND state = 'sending'",
                state, number, now() + (gap or 0) / speed, delivery.id,
            )  # fmt: skip
            self._store.rows(
                "UPDATE deliveries SET due_at = ? WHERE state = 'queued' AND held = 'reorder' AND target = ?",
                now(), delivery.target,
            )  # fmt: skip


def _from_row(row: sqlite3.Row) -> Delivery:
    payload = json.loads(row["payload"])
    return Delivery(
        row["id"], row["target"], row["event_id"], row["url"], payload, row["attempt"], row["held"]
    )  # fmt: skip
