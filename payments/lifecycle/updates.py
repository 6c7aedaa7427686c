"""The payment update: what a provider reports about one payment, from whatever source, and the result of applying it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from orders import machine
from orders.history.lines import Actor, Evidence
from payments.models import PaymentNotification
from payments.providers.types import UpdateKind

Outcome = PaymentNotification.Outcome
# A clock may run ahead or be in another zone. What lies beyond is no time at which money moved, and some of it (the
# last day of the calendar) cannot even be shown.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_MOST_AHEAD = timedelta(days=1)


def plausible_time(at: datetime | None, *, seen_at: datetime) -> datetime | None:
    """Return the provider's time (UTC), or None where nothing can have happened then; we learnt of it at `seen_at`."""
    return at if at and _EARLIEST <= at <= seen_at + _MOST_AHEAD else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentUpdate:
    """One normalised fact about one payment. Amounts are yuan, times UTC.

    `amount` is that of the whole payment (None never pays), `refund_amount` of this refund, `refunded_total` of all
    refunds so far. `seen_at` is when we learnt of it, `occurred_at` when it happened. `trigger` is machine.NOTIFICATION,
    QUERY, STATEMENT or MANUAL. `actor` is named in the history instead of the account's provider. `detail` is the
    provider's text for a person. The other fields are those of `ParsedNotification`.
    """

    account_id: int
    kind: UpdateKind
    reference: str
    evidence: Evidence
    seen_at: datetime
    trigger: str = machine.QUERY
    provider_reference: str = ""
    amount: Decimal | None = None
    currency: str = "CNY"
    occurred_at: datetime | None = None
    refund_reference: str = ""
    refund_amount: Decimal | None = None
    refunded_total: Decimal | None = None
    full_refund: bool = False
    account_problem: str = ""
    notification_id: int | None = None
    detail: str = ""
    actor: Actor | None = None

    @property
    def at(self) -> datetime:
        """When it happened (UTC), or when we learnt of it; never later than that, whatever the provider's clock says."""
        return min(plausible_time(self.occurred_at, seen_at=self.seen_at) or self.seen_at, self.seen_at)

    @property
    def refunded_at(self) -> datetime:
        """When the money went back (UTC); «paid, then refunded» says only when it was paid."""
        return self.seen_at if self.kind is UpdateKind.PAID_REFUNDED else self.at


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """The result of applying an update. WAITING: undecided, to be applied again after `retry_after`."""

    outcome: PaymentNotification.Outcome
    payment_id: int | None = None
    order_id: int | None = None
    retry_after: timedelta | None = None
