"""The payment door: the only code that settles, closes and refunds payments, from whatever source an update comes.

Notifications, queries, statements and manual settlements all arrive as payment updates. A batch costs a constant
number of statements: find the payments, lock the orders, lock the payments, decide, visit the orders' door once, write.
`decide` judges an update; `matched` and `refunds` change the rows.

A batch holds at most one update for each order: one UPDATE would apply one of two silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from orders import lifecycle
from orders.changes import Change, KeepOut, Move, Result
from orders.history.lines import Actor
from ordersite.database import bulk
from ordersite.queue import wakeups
from payments.cases.desk import resolve_refunded
from payments.cases.open import open_cases
from payments.lifecycle import closing, refunds
from payments.lifecycle.case_details import case_of_kept_out
from payments.lifecycle.decide import (
    Effect,
    PaymentContext,
    SettleRefunded,
    decide,
    decide_refusal,
    decide_unmatched,
)
from payments.lifecycle.matched import MatchedUpdate, UnmatchedUpdate
from payments.lifecycle.others import others_of
from payments.lifecycle.updates import PaymentUpdate, UpdateResult
from payments.models import Payment, PaymentAccount, PaymentStatus, Refund
from payments.providers.types import UpdateKind

# Kinds that may settle a payment: a refund proves that it was made.
_PAYING = frozenset({UpdateKind.PAYMENT, UpdateKind.PAID_REFUNDED, UpdateKind.REFUND})
_READ = (
    "id", "order_id", "account_id", "reference", "provider_reference", "amount", "refunded_amount", "is_surplus",
    "currency", "status", "paid_at", "closed_at", "next_query_at", "close_wanted_at", "last_query_at",
)  # fmt: skip
_WRITTEN = (
    "status", "provider_reference", "refunded_amount", "is_surplus", "paid_at", "closed_at", "next_query_at",
    "close_wanted_at",
)  # fmt: skip


def apply_updates(updates: Sequence[PaymentUpdate]) -> list[UpdateResult]:
    """Apply all updates in one transaction, those of one order one after another; return a result each, in their order.

    Applying an update again, or at the same time elsewhere, changes nothing and is answered DUPLICATE.
    """
    results: dict[int, UpdateResult] = {}
    with transaction.atomic():
        left = list(range(len(updates)))
        while left:
            applied = apply_batch([updates[index] for index in left])
            results.update(
                (index, result) for index, result in zip(left, applied, strict=True) if result is not None
            )
            left = [index for index in left if index not in results]
    return [results[index] for index in range(len(updates))]


def apply_batch(updates: Sequence[PaymentUpdate]) -> list[UpdateResult | None]:
    """Apply at most one update for each order; None for those that have to wait for the next batch.

    Call inside a transaction.
    """
    keys = _payment_keys({update.reference for update in updates})
    positions = _one_per_order(updates, keys)
    batch = Batch([updates[position] for position in positions], keys)
    batch.apply()
    results = dict(zip(positions, [entry.result for entry in batch.entries], strict=True))
    return [results.get(position) for position in range(len(updates))]


@dataclass(frozen=True, slots=True)
class PaymentKeys:
    """The order and payment behind a reference. Immutable, so it is read before locking."""

    order_id: int
    payment_id: int


def _payment_keys(references: Iterable[str]) -> dict[str, PaymentKeys]:
    rows = Payment.objects.filter(reference__in=sorted(references)).values_list("reference", "order_id", "pk")
    return {reference: PaymentKeys(order_id, pk) for reference, order_id, pk in rows}


def _one_per_order(updates: Sequence[PaymentUpdate], keys: Mapping[str, PaymentKeys]) -> list[int]:
    """Positions of the updates that go together: the first of each order, and those that match no payment."""
    taken: set[int] = set()
    positions = []
    for position, update in enumerate(updates):
        key = keys.get(update.reference)
        if key is None or key.order_id not in taken:
            positions.append(position)
        if key is not None:
            taken.add(key.order_id)
    return positions


class Batch:
    """Updates, at most one for each order, with their locked rows. `entries` are in the updates' order."""

    def __init__(self, updates: Sequence[PaymentUpdate], keys: Mapping[str, PaymentKeys]) -> None:
        """Lock orders, then payments, then refund requests, each by primary key, and decide about every update."""
        owned = [keys[update.reference] for update in updates if update.reference in keys]
        self.orders = lifecycle.lock(key.order_id for key in owned)
        # The other attempts as well: what they hold decides what a payment or a refund means for the order.
        locked = Payment.objects.select_for_update(no_key=True).of_orders(key.order_id for key in owned)
        attempts = list(locked.only(*_READ).order_by("pk"))
        payments = {payment.reference: payment for payment in attempts if payment.reference in keys}
        self._attempts: dict[int, list[Payment]] = {}
        for payment in attempts:
            self._attempts.setdefault(payment.order_id, []).append(payment)
        self.now = timezone.now()
        self.matched = self._decide(updates, payments)
        matched = iter(self.matched)
        self.kept_out: list[tuple[MatchedUpdate, Payment]] = []
        self.entries: list[MatchedUpdate | UnmatchedUpdate] = [
            next(matched)
            if update.reference in payments
            else UnmatchedUpdate(update, decide_unmatched(update, now=self.now))
            for update in updates
        ]

    def _decide(
        self, updates: Sequence[PaymentUpdate], payments: Mapping[str, Payment]
    ) -> list[MatchedUpdate]:
        accounts = {payment.account_id for payment in payments.values()}
        slugs = PaymentAccount.objects.filter(pk__in=accounts).values_list("pk", "slug")
        actors = {pk: Actor("provider", slug) for pk, slug in slugs}
        holders = _trade_holders(updates)
        records = refunds.load(updates, payments)
        matched = []
        for update in updates:
            payment = payments.get(update.reference)
            if payment is None:
                continue
            trade = (update.account_id, update.provider_reference)
            conflict = holders.get(trade, payment.pk) != payment.pk
            order, known = self.orders[payment.order_id], records.known(update, payment)
            decision = decide(update, PaymentContext(payment, order, conflict, known), now=self.now)
            settles = decision.effect is Effect.SETTLE or isinstance(decision.effect, SettleRefunded)
            if settles and update.provider_reference:
                holders[trade] = payment.pk
            actor = update.actor or actors[payment.account_id]
            others = others_of(payment, self._attempts[payment.order_id])
            matched.append(MatchedUpdate(update, payment, order, known, actor, decision, others))
        return matched

    def apply(self) -> None:
        """Carry out the decisions: orders first, since their refusals change what becomes of the payments."""
        self._change_orders()
        self._change_payments()
        self._write_refunds()
        self._open_cases()
        if any(entry.wants_query for entry in self.matched):
            transaction.on_commit(lambda: wakeups.wake(closing.QUERY_TASK))

    def _change_orders(self) -> None:
        """Take all changes of the orders to their door in one visit; a refused move changes its decision."""
        wanted = [(entry, change) for entry in self.matched for change in entry.order_changes()]
        changes: list[Change] = [change for _entry, change in wanted]
        changes += [release for entry in self.matched if (release := entry.release()) is not None]
        changes += self._closing_moves()
        if returned := [entry.payment.pk for entry in self.matched if entry.returns_surplus]:
            changes += resolve_refunded(returned)
        outcomes = lifecycle.apply(self.orders, changes)
        for (entry, change), outcome in zip(wanted, outcomes, strict=False):
            if isinstance(change, Move) and outcome.result is not Result.DONE:
                entry.decision = decide_refusal(entry.decision, change.action, outcome)
            if isinstance(change, KeepOut) and outcome.result is Result.DONE:
                self.kept_out += [(entry, other) for other in entry.others.attempts]

    def _closing_moves(self) -> list[Move]:
        """An order that waits to be closed closes with its last attempt."""
        closed = [entry for entry in self.matched if entry.decision.effect is Effect.CLOSE]
        waiting = {entry.order.pk: entry.order for entry in closed if entry.order.closing_at}
        return closing.close_moves(waiting, without=[entry.payment.pk for entry in closed])

    def _change_payments(self) -> None:
        """Make the payments' transitions; one guarded UPDATE for each old state."""
        groups: dict[str, list[Payment]] = {}
        for entry in self.matched:
            source = str(entry.payment.status)
            if entry.change_payment(self.now):
                groups.setdefault(source, []).append(entry.payment)
        for _entry, other in self.kept_out:
            other.is_surplus = True
            groups.setdefault(str(other.status), []).append(other)
        for source, changed in sorted(groups.items()):
            count = bulk.update_rows(Payment, changed, _WRITTEN, guard={"status": source})
            if count != len(changed):
                raise RuntimeError(f"{count} of {len(changed)} locked payments were changed ({source})")

    def _write_refunds(self) -> None:
        """Insert a row for each part that went back, and move the refund requests on."""
        found = [rows for entry in self.matched if (rows := entry.refund_rows()) is not None]
        new = [rows.new for rows in found if rows.new is not None]
        new.sort(key=lambda row: (row.payment_id, row.refund_reference))
        bulk.insert_rows(Refund, new, ignore_conflicts=True)
        changed = [rows.changed for rows in found if rows.changed is not None]
        bulk.update_rows(Refund, changed, ("amount", "refund_reference", "is_unnumbered", "reached_total"))
        effects = [(entry.decision.request, entry.update.refunded_at) for entry in self.matched]
        refunds.apply_request_effects([(effect, at) for effect, at in effects if effect is not None])

    def _open_cases(self) -> None:
        cases = [entry.case(outcome) for entry in self.entries for outcome in entry.decision.cases]
        cases += [case_of_kept_out(other, entry.update) for entry, other in self.kept_out if other.is_paid]
        if cases:
            open_cases(cases)


def _trade_holders(updates: Sequence[PaymentUpdate]) -> dict[tuple[int, str], int]:
    """Map account and provider reference to the payment that holds it, for the trades that these updates pay with."""
    numbers = {u.provider_reference for u in updates if u.kind in _PAYING and u.provider_reference}
    rows = Payment.objects.filter(~Q(provider_reference=""), provider_reference__in=sorted(numbers))
    return {
        (account, number): pk
        for account, number, pk in rows.values_list("account_id", "provider_reference", "pk")
    }


def open_attempt(payment_id: int, *, pay_url: str = "", code_url: str = "") -> Payment:
    """Mark that the provider has the attempt, or the buyer its address; one that has moved on meanwhile stays as it is.

    Returns the attempt as it is now, with its order and account.
    """
    with transaction.atomic():
        payment = Payment.objects.lock(payment_id)
        if payment.status == PaymentStatus.CREATED:
            payment.open()
            payment.pay_url = pay_url or payment.pay_url
            payment.code_url = code_url or payment.code_url
            bulk.update_rows(
                Payment, [payment], ("status", "pay_url", "code_url"), guard={"status": PaymentStatus.CREATED}
            )
    return Payment.objects.select_related("account", "order").get(pk=payment_id)
