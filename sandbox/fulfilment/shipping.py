"""The ERP of the warehouses: fetches instructions, acknowledges them, and confirms the parcels of all that are due.

It has a token of its own (`dispatch_token`), so that it and the warehouse that ships whatever is paid keep apart.
"""

import json
import logging
import secrets
import sqlite3
import threading
from collections.abc import Mapping, Sequence

from sandbox.carrier import parcels
from sandbox.carrier.parcels import NewParcel
from sandbox.erp import CARRIERS, COMS, new_number
from sandbox.formats import iso, now
from sandbox.fulfilment import instructions
from sandbox.fulfilment.instructions import Taking
from sandbox.order_api import OrderApi
from sandbox.world import World

TOKEN_FILE = "dispatch_token"  # noqa: S105 (the name of a file)
TARGET = "erp.fetch"
BATCH = 200
# After «held» or «not paid»: the cancellation is on its way.
_LATER = 1.0
log = logging.getLogger(__name__)


class Shipping:
    """Works until it is stopped, where any warehouse has instructions to fetch or goods to send."""

    def __init__(self, world: World) -> None:
        self._world, self._store = world, world.store
        self._stop = threading.Event()
        self._api = OrderApi(world, name="ERP", token_file=TOKEN_FILE, stop=self._stop)

    def run(self) -> None:
        """Loop; meant for a thread of its own."""
        while not self._stop.wait(min(self._world.settings.erp_poll_seconds, 1.0)):
            try:
                self.work()
            except Exception:
                # The edge of the thread: an answer that was not understood must not end the ERP.
                log.exception("ERP")

    def stop(self) -> None:
        """End the loop."""
        self._stop.set()

    def work(self) -> None:
        """Fetch what waits, and confirm what is due."""
        slugs = instructions.fetching(self._store)
        due = self._store.rows(
            "SELECT * FROM instructions WHERE state = 'taken' AND due_at <= ? ORDER BY id LIMIT ?",
            now(),
            BATCH,
        )
        if (slugs or due) and self._api.is_ready():
            for slug in slugs:
                self._fetch(slug)
            if due:
                self._confirm(due)

    def _fetch(self, slug: str) -> None:
        answer = self._api.call("GET", f"/api/v1/dispatches/?warehouse={slug}&limit={BATCH}")
        rows = json.loads(answer.body)["dispatches"] if answer else []
        acks = [ack for row in rows for ack in self._take(row)]
        if not acks:
            return
        answer = self._api.call("POST", "/api/v1/dispatches/ack/", {"acks": acks})
        for result in json.loads(answer.body)["results"] if answer else []:
            if result["code"] == "cancelled":
                instructions.set_state(self._store, result["id"], "cancelled")

    def _take(self, row: Mapping[str, object]) -> list[dict[str, object]]:
        """Store one instruction under the waiting faults; returns what to acknowledge."""
        active = self._world.faults_at(TARGET)
        refusal = next((code for code in instructions.REFUSALS if code in active), "")
        state = "refused" if refusal else "silent" if "silent" in active else "taken"
        seconds = self._store.tuned("ship_seconds", self._world.settings.ship_seconds)
        instructions.take(self._store, row, Taking("pull", state, seconds, refusal))
        if "no_ack" in active:
            return []
        ack: dict[str, object] = {"id": row["id"], "ok": not refusal}
        if refusal:
            ack |= {"code": refusal, "message": instructions.REFUSALS[refusal]}
        return [ack, ack] if "duplicate" in active else [ack]

    def _confirm(self, due: Sequence[sqlite3.Row]) -> None:
        rows = [self._confirmation(row) for row in due]
        answer = self._api.call("POST", "/api/v1/shipments/confirm/", {"confirmations": rows})
        results = json.loads(answer.body)["results"] if answer else []
        for row, sent, result in zip(due, rows, results, strict=False):
            self._learn(row, sent, result)

    def _confirmation(self, row: sqlite3.Row) -> Mapping[str, object]:
        """A parcel with all of an instruction, under a number that stays the same however often it is confirmed."""
        instruction = json.loads(row["row"])
        carrier, number = row["carrier"], row["tracking_number"]
        if not number:
            carrier = (
                instruction.get("carrier")
                if instruction.get("carrier") in CARRIERS
                else secrets.choice(CARRIERS)
            )
            number = new_number(carrier)
            self._store.rows(
                "UPDATE instructions SET carrier = ?, tracking_number = ? WHERE id = ?",
                carrier,
                number,
                row["id"],
            )
        lines = [{name: line[name] for name in ("product_id", "quantity")} for line in instruction["lines"]]
        confirmation = {
            "order": row["number"], "warehouse": row["warehouse"], "carrier": carrier, "tracking_number": number,
            "shipped_at": iso(now()), "lines": lines,
        }  # fmt: skip
        return confirmation | {name: instruction[name] for name in ("insured_value",) if name in instruction}

    def _learn(self, row: sqlite3.Row, sent: Mapping[str, object], result: Mapping[str, object]) -> None:
        """Store the result of a confirmation: shipped, tried later, or given up."""
        code, number = str(result.get("code")), str(sent["tracking_number"])
        if result.get("ok"):
            receiver = json.loads(row["row"])["receiver"]
            place = ",".join(receiver["address"][name] for name in ("province", "city"))
            com = COMS[str(sent["carrier"])]
            parcels.take_parcel(self._store, NewParcel(number, com, "erp", receiver["phone"], place))
            instructions.set_state(self._store, row["id"], "shipped", code)
        elif code in ("held", "not_paid"):
            self._store.rows(
                "UPDATE instructions SET due_at = ?, message = ? WHERE id = ? AND state = 'taken'",
                now() + _LATER, code, row["id"],
            )  # fmt: skip
        else:
            message = f"{code} {result.get('message') or ''}".strip()
            instructions.set_state(self._store, row["id"], "failed", message)
