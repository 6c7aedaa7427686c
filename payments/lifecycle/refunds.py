"""Applies what providers report about refunds to the requests that ordered them, inside the payment door's transaction.

Nothing here is read or written unless an update of the batch is about refunds: the usual batch costs no statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum, auto

from django.db.models import Q

from orders import machine
from orders.changes import ReleaseRefund
from orders.history.lines import Actor, Evidence
from ordersite.database import bulk
from ordersite.lib.money import ZERO
from payments.lifecycle.updates import PaymentUpdate
from payments.models import Payment, Refund, RefundRequest, RefundStatus
from payments.models.refund_request import LIVE
from payments.providers.types import UpdateKind

_ABOUT_REFUNDS = frozenset(
    {UpdateKind.PAID_REFUNDED, UpdateKind.REFUND, UpdateKind.REFUND_FAILED, UpdateKind.REFUND_ABNORMAL}
)
# Requests whose money has gone back or may go back.
_COUNTED = (*LIVE, RefundStatus.SUCCEEDED)
_WRITTEN = ("status", "decided_at", "ended_at", "next_try_at")


class RequestAction(Enum):
    """The transition of a refund request. HANG: stuck at the provider, it may still succeed or fail."""

    SUCCEED = auto()
    FAIL = auto()
    HANG = auto()


@dataclass(frozen=True, slots=True)
class RequestEffect:
    """What a decision does to the locked refund request that its update names."""

    request: RefundRequest
    action: RequestAction

    @property
    def ends(self) -> bool:
        """Whether the order stops waiting for this request. Ask before the transition is made."""
        return self.action is not RequestAction.HANG and self.request.is_live

    def make(self, at: datetime) -> None:
        """Call the transition on the instance; `at` is UTC."""
        if self.action is RequestAction.HANG:
            self.request.hang()
        elif self.action is RequestAction.FAIL:
            self.request.fail(at)
        else:
            self.request.succeed(at)

    def release(self, actor: Actor, evidence: Evidence) -> ReleaseRefund:
        """The order's change that ends its waiting for this request."""
        request = self.request
        return ReleaseRefund(request.order_id, request.reserved_amount, actor, evidence, request.reference)


@dataclass(frozen=True, slots=True)
class KnownRefunds:
    """What we know of one payment's refunds. `named`: the locked request whose number the update carries.

    `live`: the sum (yuan) of requests that have not ended; `confirmed`: that of the others that have succeeded, without
    the named one; `recorded`: refunds on record by number.
    """

    named: RefundRequest | None = None
    live: Decimal = ZERO
    confirmed: Decimal = ZERO
    recorded: Mapping[str, Refund] = field(default_factory=dict)

    @property
    def explained(self) -> Decimal:
        """The part (yuan) of the payment's refunded sum that has rows; providers' sums may run ahead of them."""
        return sum((row.amount for row in self.recorded.values()), ZERO)

    def numbered_beside(self, update: PaymentUpdate) -> Decimal:
        """The sum (yuan) of the other refunds on record that were reported by numbers of their own."""
        rows = [row for number, row in self.recorded.items() if number != update.refund_reference]
        return sum((row.amount for row in rows if row.reached_total is None and not row.is_unnumbered), ZERO)

    def is_expected(self, update: PaymentUpdate) -> bool:
        """Whether the refund has the amount that was requested under its number, or that is on record for it."""
        if self.named is not None:
            return update.refund_amount in (None, self.named.amount)
        row = self.recorded.get(update.refund_reference)
        return row is None or row.reached_total is not None or update.refund_amount in (None, row.amount)

    def is_repeated(self, update: PaymentUpdate) -> bool:
        """Whether a notification may repeat a refund that was recorded without a number: only its amount can be compared.

        Where it was another refund after all, the bill shows it; a refund that counted twice would show nowhere.
        """
        if update.trigger != machine.NOTIFICATION or update.refunded_total is not None or self.named:
            return False
        unnumbered = [row.amount for row in self.recorded.values() if row.is_unnumbered]
        return update.refund_reference not in self.recorded and update.refund_amount in unnumbered

    def unnumbered_row_of(self, update: PaymentUpdate) -> Refund | None:
        """Find the record that a provider's sum made of exactly this refund, which is reported by its number only now."""
        amount = self._own_amount(update)
        if amount is None or not update.refund_reference or update.refund_reference in self.recorded:
            return None
        rows = [row for row in self.recorded.values() if row.is_unnumbered and row.amount == amount]
        return next((row for row in rows if self._may_be(update, row)), None)

    def _may_be(self, update: PaymentUpdate, row: Refund) -> bool:
        if row.reached_total is None:
            return False
        if update.refunded_total is not None:
            return update.refunded_total == row.reached_total
        # A bill has a line for each refund, so another one of this amount takes its own line.
        return update.trigger == machine.STATEMENT or self._went_back_at(update) <= row.refunded_at

    def holder_of(self, update: PaymentUpdate) -> Refund | None:
        """Find the record whose amount holds this refund as well: the refund came before it and is reported only now.

        Its amount is what a provider's sum had risen by, with all that had gone back unreported until then.
        """
        rows = [row for row in self.recorded.values() if row.reached_total is not None]
        rows.sort(key=lambda row: row.reached_total or ZERO)
        return next((row for row in rows if self._is_within(update, row)), None)

    def _is_within(self, update: PaymentUpdate, row: Refund) -> bool:
        amount, total, reached = self._own_amount(update), update.refunded_total, row.reached_total or ZERO
        if amount is not None and amount >= row.amount:
            return False
        if total is not None:
            return reached - row.amount < total < reached
        return amount is not None and self._went_back_at(update) <= row.refunded_at

    def _own_amount(self, update: PaymentUpdate) -> Decimal | None:
        return self.named.amount if self.named else update.refund_amount

    def _went_back_at(self, update: PaymentUpdate) -> datetime:
        """The answer to a query says that our refund was made, not when: that was soon after it was ordered."""
        ordered_at = self.named.ordered_at if self.named and update.occurred_at is None else None
        return ordered_at or update.refunded_at

    def share_of(self, update: PaymentUpdate, holder: Refund) -> Decimal:
        """The part (yuan) of the holder's amount that is this refund's."""
        floor = (holder.reached_total or ZERO) - holder.amount
        return self._own_amount(update) or (update.refunded_total or floor) - floor


NO_REFUNDS = KnownRefunds()


@dataclass(frozen=True, slots=True)
class RefundRecords:
    """The requests that have not ended, have succeeded or are named, and the refunds on record, of a batch's payments."""

    requests: Sequence[RefundRequest] = ()
    recorded: Mapping[int, Mapping[str, Refund]] = field(default_factory=dict)

    def known(self, update: PaymentUpdate, payment: Payment) -> KnownRefunds:
        """Pick what concerns this payment and the refund number of this update."""
        if not self.requests and not self.recorded:
            return NO_REFUNDS
        mine = [request for request in self.requests if request.payment_id == payment.pk]
        named = next((request for request in mine if request.reference == update.refund_reference), None)
        done = [r.amount for r in mine if r is not named and r.status == RefundStatus.SUCCEEDED]
        return KnownRefunds(
            named=named,
            confirmed=sum(done, ZERO),
            live=sum((request.amount for request in mine if request.is_live), ZERO),
            recorded=self.recorded.get(payment.pk, {}),
        )


def load(updates: Sequence[PaymentUpdate], payments: Mapping[str, Payment]) -> RefundRecords:
    """Lock the requests of the payments whose updates are about refunds; orders and payments are locked before.

    Two statements, or none. `payments` by reference.
    """
    about = [u for u in updates if (payment := payments.get(u.reference)) and _is_about_refunds(u, payment)]
    if not about:
        return RefundRecords()
    ids = sorted({payments[update.reference].pk for update in about})
    numbers = sorted({update.refund_reference for update in about})
    wanted = RefundRequest.objects.filter(
        Q(status__in=_COUNTED) | Q(reference__in=numbers), payment_id__in=ids
    )
    recorded: dict[int, dict[str, Refund]] = {}
    for row in Refund.objects.filter(payment_id__in=ids).order_by("pk"):
        recorded.setdefault(row.payment_id, {})[row.refund_reference] = row
    return RefundRecords(list(wanted.select_for_update(no_key=True).order_by("pk")), recorded)


def _is_about_refunds(update: PaymentUpdate, payment: Payment) -> bool:
    """The closing of a paid payment counts too: it is a reversal, unless a refund of it is under way."""
    closed = update.kind is UpdateKind.CLOSED and payment.is_paid
    return closed or update.kind in _ABOUT_REFUNDS


@dataclass(frozen=True, slots=True)
class RefundRows:
    """The record of a refund, and the earlier one that held its money until now, already shortened.

    Without `new` the earlier one is all of it, and has taken its number.
    """

    new: Refund | None
    changed: Refund | None = None


def refund_rows(
    update: PaymentUpdate, payment: Payment, known: KnownRefunds, risen: Decimal
) -> RefundRows | None:
    """Return the record of this refund, once `risen` (yuan) has been added to the payment's sum; None: nothing new.

    A provider's sum may hold refunds that it has not reported one by one: each gets a row of its own amount when it
    is reported, never more in all than went back.
    """
    # Alipay repeats the trade's number where we sent none; others may send none at all.
    number = update.refund_reference or f"to {update.refunded_total or payment.refunded_amount}"
    if number in known.recorded:
        return None
    amount = min(_own_amount(update, known, risen), payment.refunded_amount - known.explained)
    same = known.unnumbered_row_of(update) if amount <= ZERO else None
    if same is not None:
        # Its amount is known to be its own now: it holds no other refund's money.
        same.refund_reference, same.is_unnumbered, same.reached_total = number, False, None
        return RefundRows(None, same)
    holder = known.holder_of(update) if amount <= ZERO else None
    if holder is not None:
        amount = known.share_of(update, holder)
        holder.amount -= amount
    if amount <= ZERO:
        return None
    is_difference = update.refund_amount is None and known.named is None
    new = Refund(
        payment_id=payment.pk,
        refund_reference=number,
        is_unnumbered=not update.refund_reference,
        amount=amount,
        reached_total=(update.refunded_total or payment.refunded_amount) if is_difference else None,
        refunded_at=update.refunded_at,
    )
    return RefundRows(new, holder)


def _own_amount(update: PaymentUpdate, known: KnownRefunds, risen: Decimal) -> Decimal:
    if known.named:
        return known.named.amount
    if not update.refund_reference and risen <= known.live:
        return ZERO  # requests under way explain it; the provider will report them by their numbers
    if update.refund_amount or risen or update.refunded_total is None:
        return update.refund_amount or risen
    below = [row.reached_total for row in known.recorded.values() if row.reached_total is not None]
    return update.refunded_total - max((t for t in below if t < update.refunded_total), default=ZERO)


def apply_request_effects(effects: Sequence[tuple[RequestEffect, datetime]]) -> None:
    """Make the transitions, each at its time (UTC), and write the requests: one UPDATE a state. A request stands once."""
    groups: dict[str, list[RefundRequest]] = {}
    for effect, at in effects:
        groups.setdefault(str(effect.request.status), []).append(effect.request)
        effect.make(at)
    for source, changed in sorted(groups.items()):
        count = bulk.update_rows(RefundRequest, changed, _WRITTEN, guard={"status": source})
        if count != len(changed):
            raise RuntimeError(f"{count} of {len(changed)} locked refund requests were changed")
