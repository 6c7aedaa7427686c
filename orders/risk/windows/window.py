"""What the two stores count and claim, in plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orders.risk.attempt import Attempt, digest_of

# A running attempt keeps its fingerprint so long: a process that was killed blocks nobody for longer.
RUNNING_SECONDS = 15
# An order that was created keeps its fingerprint so long.
CREATED_SECONDS = 600
# More than so many attempts of one window are not counted apart.
MOST_COUNTED = 1_000


@dataclass(frozen=True, slots=True)
class Window:
    """Counts the attempts with the same `value` within the last `seconds`; `name` tells the rules apart."""

    name: str
    value: str
    seconds: int

    def digest(self, merchant_id: int) -> str:
        """The name under which a store keeps it. Nobody can read the value in it; each shop counts for itself."""
        return digest_of(merchant_id, self.name, self.value)


@dataclass(frozen=True, slots=True)
class Holder:
    """The other attempt that has claimed a fingerprint; `order_number` is empty while it runs."""

    member: str
    order_number: str


@dataclass(frozen=True, slots=True)
class Visit:
    """What one visit to the store has found: who else holds the fingerprint, and a count for each window in order.

    The counts include the attempt itself.
    """

    holder: Holder | None
    counts: tuple[int, ...]


class StoreAway(Exception):
    """The store does not answer: nothing is judged, and the database's constraints alone hold."""


class Store(Protocol):
    """Where fingerprints and counts are kept. Each call raises StoreAway where the store does not answer."""

    def visit(self, attempt: Attempt, windows: Sequence[Window]) -> Visit:
        """Claim the attempt's fingerprint for RUNNING_SECONDS, if nobody else holds it, and count it in each window.

        A confirmed duplicate takes the fingerprint over. An attempt that was counted already, is counted no more.
        """

    def take_over(self, attempt: Attempt, holder: Holder) -> bool:
        """Claim the fingerprint that `holder` has held so far; return whether it was still so."""

    def settle(self, attempt: Attempt, order_number: str) -> None:
        """Keep the fingerprint for CREATED_SECONDS with the number of the order that was created."""

    def release(self, attempt: Attempt) -> None:
        """Give the fingerprint back, if this attempt still holds it and has created nothing."""
