"""The other attempts of an order that hold its money beside the one that an update is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ordersite.lib.money import ZERO
from payments.models import Payment


@dataclass(frozen=True, slots=True)
class Others:
    """The other attempts of one order whose money arrived and is not surplus, locked."""

    attempts: Sequence[Payment] = ()

    @property
    def refunded(self) -> Decimal:
        """What has gone back of them (yuan)."""
        return sum((payment.refunded_amount for payment in self.attempts), ZERO)

    @property
    def kept(self) -> Decimal:
        """What is still here of them (yuan)."""
        return sum((payment.amount for payment in self.attempts), ZERO) - self.refunded


def others_of(payment: Payment, attempts: Iterable[Payment]) -> Others:
    """Pick from the attempts of the payment's order."""
    mine = [one for one in attempts if one.pk != payment.pk and one.is_settled and not one.is_surplus]
    return Others(mine)
