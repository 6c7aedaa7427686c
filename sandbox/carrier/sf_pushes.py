"""Pushes the routes of the waybills that were ordered at SF, as SF does: four times each, and out of order.

`POST /control/sf_push` says where to and in which form. SF signs nothing. What is not answered in its words is sent again.
"""

import json
import logging
import sqlite3
import threading
from collections.abc import Sequence
from urllib.parse import urlencode
from xml.sax.saxutils import quoteattr

from sandbox.carrier import parcels
from sandbox.carrier.orders import find_order
from sandbox.carrier.sf import CARRIER, row_of
from sandbox.formats import now
from sandbox.outgoing import Call, CallReply, send
from sandbox.store import Store
from sandbox.world import World

TARGET = "sf.push"
FORMS = ("json", "xml")
COPIES = 4
COPY_GAP = 0.3
MOST_ROUTES = 10
MOST_TRIES = 8
RETRY_SECONDS = 60.0
# The step of a row that says: the parcel has arrived, and all its events are queued.
_ALL_QUEUED = -1
log = logging.getLogger(__name__)


def set_push(store: Store, *, url: str, form: str) -> None:
    """Push to this address from now on; to nowhere when it is empty."""
    with store.transaction():
        store.rows("DELETE FROM push_addresses WHERE carrier = ?", CARRIER)
        if url:
            store.rows("INSERT INTO push_addresses VALUES (?, ?, ?)", CARRIER, url, form)


def latest_pushes(store: Store, limit: int) -> list[dict[str, object]]:
    """The pushed rows, newest first."""
    rows = store.rows(
        "SELECT number, step, copy, tries, state, answer FROM sf_pushes WHERE step >= 0 ORDER BY id DESC LIMIT ?",
        limit,
    )
    return [dict(row) for row in rows]


class SfPusher:
    """Queues the new events of ordered parcels and sends what is due, until it is stopped."""

    def __init__(self, world: World) -> None:
        self._world, self._store = world, world.store
        self._stop = threading.Event()

    def run(self) -> None:
        """Loop; meant for a thread of its own."""
        while not self._stop.wait(0.1):
            try:
                self.work()
            except Exception:
                # The edge of the thread: one failure must not end the pushes.
                log.exception("SF's pushes")

    def stop(self) -> None:
        """End the loop."""
        self._stop.set()

    def work(self) -> None:
        """Queue what has happened and send one batch."""
        address = self._store.row("SELECT * FROM push_addresses WHERE carrier = ?", CARRIER)
        if address is None:
            return
        for order in self._store.rows(
            "SELECT number FROM waybill_orders o WHERE carrier = ? AND cancelled = 0 AND NOT EXISTS"
            " (SELECT 1 FROM sf_pushes p WHERE p.number = o.number AND p.step = ?)",
            CARRIER,
            _ALL_QUEUED,
        ):
            self._queue(order["number"])
        rows = self._store.rows(
            "SELECT p.* FROM sf_pushes p JOIN parcels ON parcels.number = p.number"
            " WHERE state = 'queued' AND due_at <= ? ORDER BY id LIMIT ?",
            now(),
            MOST_ROUTES,
        )
        if rows:
            self._send(rows[1::2] + rows[::2], address)

    def _queue(self, number: str) -> None:
        seconds = self._store.tuned("parcel_seconds", self._world.settings.parcel_seconds)
        parcel = parcels.move(self._store, number, journey_seconds=seconds)
        if parcel is None:
            return
        if len(parcel.times) == len(parcel.route):
            self._store.rows(
                "INSERT INTO sf_pushes (number, step, copy, due_at, state) VALUES (?, ?, 0, 0, 'done')",
                number,
                _ALL_QUEUED,
            )
        for step in range(len(parcel.times)):
            for copy in range(COPIES):
                self._store.rows(
                    "INSERT INTO sf_pushes (number, step, copy, due_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    number, step, copy, now() + copy * COPY_GAP,
                )  # fmt: skip

    def _send(self, rows: Sequence[sqlite3.Row], address: sqlite3.Row) -> None:
        active = self._world.faults_at(TARGET)
        answer = CallReply(0, b"lost on the way")
        if "drop" not in active:
            answer = send(_call([self._row(one) for one in rows], address))
        is_taken = _is_taken(answer, address["form"]) and "status_500" not in active
        for one in rows:
            self._settle(one, answer, is_taken=is_taken)

    def _row(self, row: sqlite3.Row) -> dict[str, str]:
        parcel = parcels.find_parcel(self._store, row["number"])
        order = find_order(self._store, carrier=CARRIER, number=row["number"])
        assert parcel is not None
        assert order is not None
        event = row_of(parcel.events[row["step"]])
        number = {"id": str(row["id"]), "mailno": row["number"], "orderid": order.reference}
        return {**number, **event, "reasonCode": "", "reasonName": ""}

    def _settle(self, row: sqlite3.Row, answer: CallReply, *, is_taken: bool) -> None:
        tries = row["tries"] + 1
        state = "done" if is_taken else "given_up" if tries == MOST_TRIES else "queued"
        speed = self._store.tuned("notify_speed", self._world.settings.notify_speed)
        self._store.rows(
            "UPDATE sf_pushes SET tries = ?, state = ?, due_at = ?, answer = ? WHERE id = ?",
            tries, state, now() + RETRY_SECONDS / speed,
            f"{answer.status} {answer.body[:200].decode('utf-8', 'replace')}", row["id"],
        )  # fmt: skip


def _call(rows: Sequence[dict[str, str]], address: sqlite3.Row) -> Call:
    if address["form"] == "json":
        body = json.dumps({"Body": {"WaybillRoute": rows}}, ensure_ascii=False).encode()
        return Call("POST", address["url"], body, {"Content-Type": "application/json;charset=UTF-8"})
    listed = "".join(
        "<WaybillRoute " + " ".join(f"{name}={quoteattr(value)}" for name, value in row.items()) + "/>"
        for row in rows
    )
    text = f'<Request service="RoutePushService" lang="zh-CN"><Body>{listed}</Body></Request>'
    headers = {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}
    return Call("POST", address["url"], urlencode({"content": text}).encode(), headers)


def _is_taken(answer: CallReply, form: str) -> bool:
    if form == "xml":
        return answer.status == 200 and b"<Head>OK</Head>" in answer.body
    try:
        words = json.loads(answer.body)
    except ValueError:
        return False
    return answer.status == 200 and isinstance(words, dict) and words.get("return_code") == "0000"
