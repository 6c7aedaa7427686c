"""Simulates the merchant's warehouse: polls the order API for paid orders and confirms their shipping after a while.

It speaks the public HTTP API with a bearer token that it reads from `erp_token` in the sandbox's folder, and
waits patiently while that file or the API is not there.
"""

import json
import logging
import re
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from sandbox.carrier import parcels
from sandbox.carrier.parcels import NewParcel
from sandbox.formats import iso, now
from sandbox.order_api import OrderApi
from sandbox.world import World

TOKEN_FILE = "erp_token"  # noqa: S105 (the name of a file)
WAREHOUSE = "main"
BATCH = 500
PAGES = 20
CARRIERS = ("yto", "sf")
COMS = {"yto": "yuantong", "sf": "shunfeng"}
log = logging.getLogger(__name__)
Order = Mapping[str, object]


class Warehouse:
    """Polls and ships until it is stopped."""

    def __init__(self, world: World) -> None:
        self._world, self._store = world, world.store
        self._stop = threading.Event()
        self._api = OrderApi(world, name="warehouse", token_file=TOKEN_FILE, stop=self._stop)

    def run(self) -> None:
        """Loop; meant for a thread of its own."""
        while not self._stop.wait(self._world.settings.erp_poll_seconds):
            try:
                self.work()
            except Exception:
                # The edge of the thread: an answer that was not understood must not end the warehouse.
                log.exception("warehouse")

    def stop(self) -> None:
        """End the loop."""
        self._stop.set()

    def work(self) -> None:
        """Record new paid orders and confirm those that are due."""
        if not self._api.is_ready():
            return
        for order in self._paid_orders():
            self._note(order)
        due = self._store.rows(
            "SELECT * FROM erp_orders WHERE state = 'seen' AND due_at <= ? ORDER BY serial LIMIT ?",
            now(),
            BATCH,
        )
        if due:
            self._confirm(due)

    def _paid_orders(self) -> Iterator[Order]:
        """Return all pages of the list. Follows only the query of a `next` link, never its host."""
        query = "status=paid"
        for _ in range(PAGES):
            answer = self._api.call("GET", f"/api/v1/orders/?{query}")
            if answer is None:
                return
            page = json.loads(answer.body)
            yield from page["results"] if isinstance(page, dict) else page
            following = page.get("next") if isinstance(page, dict) else None
            if not following:
                return
            query = urlsplit(following).query

    def _note(self, order: Order) -> None:
        """Store a new order with the waybill number of its parcel; held orders are skipped."""
        if order.get("held") or order.get("status") != "paid":
            return
        due = now() + self._store.tuned("ship_seconds", self._world.settings.ship_seconds)
        with self._store.transaction():
            if self._store.row("SELECT 1 FROM erp_orders WHERE number = ?", order["number"]):
                return
            last = self._store.row("SELECT coalesce(max(serial), 0) AS n FROM erp_orders")
            serial = 1 + (last["n"] if last else 0)
            carrier = CARRIERS[serial % len(CARRIERS)]
            self._store.rows(
                "INSERT INTO erp_orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'seen', '')",
                order["number"], serial, due, _phone(order), _place(order), carrier, new_number(carrier),
                "500.00" if serial % 3 == 0 else "",
            )  # fmt: skip

    def _confirm(self, due: Sequence[sqlite3.Row]) -> None:
        rows = [_confirmation(row) for row in due]
        answer = self._api.call("POST", "/api/v1/shipments/confirm/", {"confirmations": rows})
        if answer is None:
            return
        results = json.loads(answer.body)["results"]
        for row, result in zip(due, results, strict=True):
            self._learn(row, result)

    def _learn(self, row: sqlite3.Row, result: Mapping[str, object]) -> None:
        """Store the result of a confirmation: shipped, try later, try with another number, or give up."""
        code, number = str(result.get("code")), row["number"]
        if result.get("ok"):
            com = COMS[row["carrier"]]
            parcels.take_parcel(
                self._store, NewParcel(row["tracking_number"], com, "erp", row["phone"], row["place"])
            )
            self._update(number, state="shipped", message=code)
            log.info("shipped %s with %s", number, row["tracking_number"])
        elif code == "not_paid":
            self._store.rows("DELETE FROM erp_orders WHERE number = ?", number)
        elif code == "tracking_number_used":
            fresh = new_number(row["carrier"])
            self._store.rows("UPDATE erp_orders SET tracking_number = ? WHERE number = ?", fresh, number)
        elif code == "held":
            self._store.rows(
                "UPDATE erp_orders SET due_at = ?, message = ? WHERE number = ?", now() + 5, code, number
            )
        else:
            self._update(number, state="refused", message=f"{code} {result.get('message') or ''}".strip())

    def _update(self, number: str, *, state: str, message: str) -> None:
        self._store.rows(
            "UPDATE erp_orders SET state = ?, message = ? WHERE number = ?", state, message, number
        )


def new_number(carrier: str) -> str:
    """Return a random waybill number: two letters and 13 digits, the form of both carriers."""
    prefix = {"yto": "YT", "sf": "SF"}[carrier]
    return f"{prefix}{secrets.choice('123456789')}{secrets.randbelow(10**12):012d}"


def _confirmation(row: sqlite3.Row) -> dict[str, str]:
    confirmation = {
        "order": row["number"],
        "warehouse": WAREHOUSE,
        "carrier": row["carrier"],
        "tracking_number": row["tracking_number"],
        "shipped_at": iso(row["due_at"]),
    }
    return {**confirmation, "insured_value": row["insured_value"]} if row["insured_value"] else confirmation


def _phone(order: Order) -> str:
    """Return the receiver's phone if the API shows it whole, else ""."""
    buyer = order.get("buyer")
    phone = str(buyer.get("phone") or "") if isinstance(buyer, dict) else ""
    return phone if re.fullmatch(r"\+?\d{6,15}", phone) else ""


def _place(order: Order) -> str:
    """Return province and city in the carrier's form; empty when the API does not return the address."""
    address = order.get("address")
    if not isinstance(address, dict):
        return ""
    return ",".join(str(address[name]) for name in ("province", "city") if address.get(name))
