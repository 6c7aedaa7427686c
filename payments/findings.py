"""What a provider said about one attempt, whatever way we learnt it, and what became of it here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from orders import machine
from orders.history.lines import Evidence
from payments.models import PaymentNotification
from payments.providers.base import NoticeKind

Outcome = PaymentNotification.Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One normalised fact. Amounts are yuan, times UTC; `seen_at` is when we learnt it, `occurred_at` when it was.

    `amount` is that of the whole payment (None never pays), `refund_amount` of this refund, `refunded_total` of all
    refunds so far. `trigger` is machine.NOTIFICATION or machine.QUERY. The fields mean what `Notice` says.
    """

    account_id: int
    kind: NoticeKind
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

    @property
    def at(self) -> datetime:
        return self.occurred_at or self.seen_at


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a finding. WAITING: undecided, to be tried again after `retry_after`."""

    outcome: PaymentNotification.Outcome
    payment_id: int | None = None
    order_id: int | None = None
    retry_after: timedelta | None = None
