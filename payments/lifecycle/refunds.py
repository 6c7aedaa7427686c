"""What providers say of refunds, taken to the requests that asked for them, in the transaction of the payment door.

Nothing here is read or written unless a round speaks of refunds: the usual round keeps its number of statements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from orders import lifecycle
from orders.lifecycle import Actor, Evidence, Reservation
from orders.models import Order
from ordersite.database import bulk
from ordersite.lib.money import ZERO
from payments.lifecycle.updates import PaymentUpdate
from payments.models import Payment, PaymentStatus, Refund, RefundRequest
from payments.models.refund_request import LIVE
from payments.providers.types import UpdateKind

_OF_REFUNDS = frozenset({UpdateKind.REFUND, UpdateKind.REFUND_FAILED, UpdateKind.REFUND_ABNORMAL})
_WRITTEN = ("status", "decided_at", "ended_at", "next_try_at")


@dataclass(frozen=True, slots=True)
class Seen:
    """What we know of a payment's refunds. `asked`: the request that the finding's number names, locked.

    `live`: the sum (yuan) of requests that have not ended; `recorded`: refunds on record, by number.
    """

    asked: RefundRequest | None = None
    live: Decimal = ZERO
    recorded: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def explained(self) -> Decimal:
        """What of the payment's refunded sum (yuan) has a record of its own; providers' sums may run ahead of it."""
        return sum(self.recorded.values(), ZERO)


NOTHING = Seen()


@dataclass(frozen=True, slots=True)
class Books:
    """The requests that have not ended or are named, and the refunds on record, of the payments of a round."""

    requests: Sequence[RefundRequest] = ()
    recorded: Mapping[int, Mapping[str, Decimal]] = field(default_factory=dict)

    def about(self, update: PaymentUpdate, payment: Payment) -> Seen:
        mine = [request for request in self.requests if request.payment_id == payment.pk]
        number = update.refund_reference
        return Seen(
            asked=next((one for one in mine if number and one.reference == number), None),
            live=sum((one.amount for one in mine if one.status in LIVE), ZERO),
            recorded=self.recorded.get(payment.pk, {}),
        )


def load(updates: Sequence[PaymentUpdate], payments: Mapping[str, Payment]) -> Books:
    """Lock the requests of those payments about which a refund is told, after orders and payments. Two statements."""
    told = [f for f in updates if (payment := payments.get(f.reference)) and _is_about_refunds(f, payment)]
    if not told:
        return Books()
    ids = sorted({payments[update.reference].pk for update in told})
    numbers = sorted({update.refund_reference for update in told})
    wanted = RefundRequest.objects.filter(Q(status__in=LIVE) | Q(reference__in=numbers), payment_id__in=ids)
    recorded: dict[int, dict[str, Decimal]] = {}
    rows = Refund.objects.filter(payment_id__in=ids).values_list("payment_id", "refund_reference", "amount")
    for payment_id, number, amount in rows:
        recorded.setdefault(payment_id, {})[number] = amount
    return Books(list(wanted.select_for_update(no_key=True).order_by("pk")), recorded)


def _is_about_refunds(update: PaymentUpdate, payment: Payment) -> bool:
    """A closing of what we hold as paid is a reversal, unless money of it is on its way back."""
    closed = update.kind is UpdateKind.CLOSED and payment.status == PaymentStatus.PAID
    return closed or update.kind in _OF_REFUNDS


def row_of(update: PaymentUpdate, payment: Payment, seen: Seen, risen: Decimal) -> Refund | None:
    """The record of this refund, once `risen` (yuan) has been added to the payment's sum.

    A provider's sum may hold refunds of which it has not told one by one yet: each gets a row of its own amount
    when it is told, never more in all than went back.
    """
    own = _own_amount(update, seen, risen)
    amount = min(own, payment.refunded_amount - seen.explained)
    # Alipay names the trade itself where we sent no number; others may send none at all.
    number = update.refund_reference or f"to {payment.refunded_amount}"
    if amount <= ZERO or number in seen.recorded:
        return None
    return Refund(payment_id=payment.pk, refund_reference=number, amount=amount, refunded_at=update.at)


def _own_amount(update: PaymentUpdate, seen: Seen, risen: Decimal) -> Decimal:
    if seen.asked:
        return seen.asked.amount
    if not update.refund_reference and risen <= seen.live:
        return ZERO  # requests under way explain it, and will be told by their own numbers
    return update.refund_amount or risen


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of a locked request: `action` is succeed, fail or hang; `at` (UTC) when it was so."""

    request: RefundRequest
    order: Order
    action: str
    actor: Actor
    evidence: Evidence
    at: datetime


def follow(steps: Sequence[Step]) -> None:
    """Move the requests as judged, and give back to their orders what no longer waits. A request stands here once."""
    if not steps:
        return
    ended = [step for step in steps if step.action != "hang" and step.request.status in LIVE]
    groups: dict[str, list[RefundRequest]] = {}
    for step in steps:
        groups.setdefault(str(step.request.status), []).append(step.request)
        _move(step)
    for source, changed in sorted(groups.items()):
        count = bulk.update_rows(RefundRequest, changed, _WRITTEN, guard={"status": source})
        if count != len(changed):
            raise RuntimeError(f"{count} of {len(changed)} locked refund requests were changed")
    lifecycle.release_refunds([_reservation(step) for step in ended])


def _move(step: Step) -> None:
    if step.action == "hang":
        step.request.hang()
    elif step.action == "fail":
        step.request.fail(step.at)
    else:
        step.request.succeed(step.at)


def _reservation(step: Step) -> Reservation:
    amount = step.request.amount if step.request.is_reserved else ZERO
    return Reservation(step.order, amount, step.actor, step.evidence, step.request.reference)
