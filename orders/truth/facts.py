"""What other apps know of orders and orders cannot: money, open cases, requests that wait, a provider that is silent.

orders imports neither payments nor logistics: each app registers a source in its `ready`. A source takes all orders of a
page at once and makes a number of queries that does not grow with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from orders.models import Order
from ordersite.lib.money import ZERO


@dataclass(frozen=True, slots=True)
class BuyerWords:
    """A headline and the sentence below it, said to the buyer."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthLine:
    """One thing that may be said of an order, in the voice of each reader; the texts are translated already.

    `code` names it for programs and tests. `tone` is good, moving, waiting, bad or plain. Empty words of merchant or
    buyer: it does not concern them. `advice` tells staff what to do, `mark` is the short form for lists, empty where
    nothing is to be marked. `url_name` and `url_id` lead to its row in the back office.
    """

    code: str
    tone: str
    staff: str
    merchant: str = ""
    buyer: BuyerWords | None = None
    advice: str = ""
    mark: str = ""
    url_name: str = ""
    url_id: int | None = None


@dataclass(frozen=True, slots=True)
class Money:
    """All money of an order's payments (yuan), whatever the order made of it.

    `surplus`: what is still here of payments that the order did not need.
    """

    received: Decimal = ZERO
    refunded: Decimal = ZERO
    surplus: Decimal = ZERO

    @property
    def kept(self) -> Decimal:
        """What came and has not gone back."""
        return self.received - self.refunded

    @property
    def is_returned(self) -> bool:
        """Whether money came and all of it has gone back."""
        return self.received > ZERO and self.kept <= ZERO

    def __add__(self, other: Money) -> Money:
        return Money(
            self.received + other.received, self.refunded + other.refunded, self.surplus + other.surplus
        )


NO_MONEY = Money()


@dataclass(frozen=True, slots=True)
class Facts:
    """What one source knows of one order. `cases` and `requests`: the most urgent first."""

    money: Money = NO_MONEY
    cases: Sequence[TruthLine] = ()
    requests: Sequence[TruthLine] = ()
    silence: TruthLine | None = None

    def __add__(self, other: Facts) -> Facts:
        return Facts(
            self.money + other.money,
            (*self.cases, *other.cases),
            (*self.requests, *other.requests),
            self.silence or other.silence,
        )


NO_FACTS = Facts()
Source = Callable[[Sequence[Order]], Mapping[int, Facts]]
_SOURCES: list[Source] = []


def register(source: Source) -> None:
    """Have a source read for every sentence; call it in the `ready` of the app that has it."""
    if source not in _SOURCES:
        _SOURCES.append(source)


def facts_of(orders: Sequence[Order]) -> dict[int, Facts]:
    """The facts of all sources together, by order id."""
    found = {order.pk: NO_FACTS for order in orders}
    for source in _SOURCES:
        for order_id, facts in source(orders).items():
            found[order_id] += facts
    return found
