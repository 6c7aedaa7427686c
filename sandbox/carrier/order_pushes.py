"""Pushes the events of parcels that were ordered at a carrier, a call for each, until the answer says that it was taken."""

import logging
import threading
from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from sandbox import faults
from sandbox.carrier import parcels
from sandbox.carrier.parcels import Event, Parcel
from sandbox.outgoing import Call, CallReply, send
from sandbox.store import Store
from sandbox.world import World

SECONDS = 0.3
AT_ONCE = 100
log = logging.getLogger(__name__)


class PushForm(Protocol):
    """How one carrier pushes. `target` is the name of its faults."""

    carrier: str
    target: str

    @abstractmethod
    def call(self, url: str, reference: str, parcel: Parcel, event: Event, *, is_forged: bool) -> Call:
        """The call of one event; a forged one has a wrong signature."""

    @abstractmethod
    def is_taken(self, answer: CallReply) -> bool:
        """Whether the shop says that it has the event."""


def set_address(store: Store, carrier: str, url: str) -> None:
    """Push to this address from now on; an empty one ends it."""
    store.rows("DELETE FROM push_addresses WHERE carrier = ?", carrier)
    if url:
        store.rows("INSERT INTO push_addresses (carrier, url) VALUES (?, ?)", carrier, url)


class OrderPusher:
    """Pushes what has happened until it is stopped."""

    def __init__(self, world: World, form: PushForm) -> None:
        self._world, self._store, self._form = world, world.store, form
        self._stop = threading.Event()

    def run(self) -> None:
        """Loop; meant for a thread of its own."""
        while not self._stop.wait(SECONDS):
            try:
                self.work()
            except Exception:
                # The edge of the thread: an answer that was not understood must not end the pushes.
                log.exception("pushes of %s", self._form.carrier)

    def stop(self) -> None:
        """End the loop."""
        self._stop.set()

    def work(self) -> None:
        """Push the new events of each parcel; what was not taken goes again in the next round."""
        carrier = self._form.carrier
        address = self._store.row("SELECT url FROM push_addresses WHERE carrier = ?", carrier)
        if address is None:
            return
        rows = self._store.rows(
            "SELECT o.number, o.reference, coalesce(s.steps, 0) AS steps FROM waybill_orders o"
            " LEFT JOIN pushed_steps s ON s.number = o.number WHERE o.carrier = ? AND NOT o.cancelled"
            " ORDER BY o.created_at DESC LIMIT ?",
            carrier, AT_ONCE,
        )  # fmt: skip
        seconds = self._store.tuned("parcel_seconds", self._world.settings.parcel_seconds)
        for row in rows:
            parcel = parcels.move(self._store, row["number"], journey_seconds=seconds)
            if parcel is not None and len(parcel.times) > row["steps"]:
                self._push(address["url"], row["reference"], parcel, parcel.events[row["steps"] :])

    def _push(self, url: str, reference: str, parcel: Parcel, events: Sequence[Event]) -> None:
        target = self._form.target
        active = faults.take(self._store, target=target, names=faults.ALLOWED[target])
        ordered = [*events[::-1]] if "reorder" in active else [*events]
        copies = max(1, int(active.get("duplicate", 1)))
        calls = [
            self._form.call(url, reference, parcel, event, is_forged="bad_signature" in active)
            for event in ordered
            for _ in range(copies)
        ]
        taken = [] if "drop" in active else [self._form.is_taken(send(call)) for call in calls]
        if taken and all(taken):
            self._store.rows(
                "INSERT INTO pushed_steps VALUES (?, ?) ON CONFLICT (number) DO UPDATE SET steps = excluded.steps",
                parcel.number, len(parcel.times),
            )  # fmt: skip
