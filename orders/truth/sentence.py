"""The one sentence that says where an order stands: the same truth for staff, merchant and buyer, each in its words.

An open case comes first, then a request that waits, then a provider that cannot be reached, then the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from orders.models import Order
from orders.truth.facts import BuyerWords, TruthLine, facts_of
from orders.truth.states import StateWords

# Of the lines that a buyer reads. Where money is here or is being looked into, nobody shall pay again.
_TO_PAY = frozenset({"pending", "pending_returned", "silent", "unstarted"})


@dataclass(frozen=True, slots=True)
class Truth:
    """Lines about one order by precedence; the last one is about its state and has words for every reader."""

    lines: Sequence[TruthLine]

    @property
    def first(self) -> TruthLine:
        return self.lines[0]

    @property
    def code(self) -> str:
        return self.first.code

    @property
    def staff(self) -> str:
        return self.first.staff

    @property
    def others(self) -> Sequence[TruthLine]:
        """What staff see below the sentence: the lines between the first one and the state."""
        return self.lines[1:-1]

    @property
    def marks(self) -> Sequence[TruthLine]:
        """The lines that a list of orders marks."""
        return [line for line in self.lines if line.mark]

    @property
    def merchant_line(self) -> TruthLine:
        return next(line for line in self.lines if line.merchant)

    @property
    def merchant(self) -> str:
        return self.merchant_line.merchant

    @property
    def buyer_line(self) -> TruthLine:
        return next(line for line in self.lines if line.buyer)

    @property
    def buyer(self) -> BuyerWords:
        words = self.buyer_line.buyer
        assert words is not None  # for mypy: `buyer_line` is the first line that has them
        return words

    def allows_payment(self, order: Order) -> bool:
        """Whether the buyer may still pay: nothing but the payment is missing, or nobody can say whether it is."""
        return order.is_payable and self.buyer_line.code in _TO_PAY

    def has(self, *codes: str) -> bool:
        """Whether one of the lines has one of these codes."""
        return any(line.code in codes for line in self.lines)


def truths_of(orders: Sequence[Order]) -> dict[int, Truth]:
    """The truth of each order, by its id. The number of queries does not grow with the number of orders."""
    facts, words = facts_of(orders), StateWords(timezone.now())
    return {
        order.pk: Truth(
            [
                *(known := facts[order.pk]).cases,
                *known.requests,
                *([known.silence] if known.silence else []),
                words.line(order, known.money),
            ]
        )
        for order in orders
    }


def truth_of(order: Order) -> Truth:
    """The truth of one order."""
    return truths_of([order])[order.pk]
