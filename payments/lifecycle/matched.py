"""Makes a payment paid, closed or refunded, as was decided about an update; the update may also match no payment.

A matched update carries its locked rows and turns its decision into changes of order, payment, refund and request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from orders import machine
from orders.changes import Change, HoldUnshipped, KeepOut, Move, PartialRefund, ReleaseRefund
from orders.history.lines import Actor, Evidence
from orders.labels import REFUNDED_AT_PROVIDER
from orders.machine import Action
from orders.models import Order, OrderStatus
from ordersite.lib.money import ZERO
from payments.cases.open import Case
from payments.lifecycle import refunds
from payments.lifecycle.case_details import case_of
from payments.lifecycle.decide import (
    FRESH,
    RETRY_AFTER,
    SURPLUS,
    Decision,
    Effect,
    RaiseRefunded,
    SettleRefunded,
)
from payments.lifecycle.others import Others
from payments.lifecycle.refunds import KnownRefunds, RefundRows, RequestAction
from payments.lifecycle.updates import Outcome, PaymentUpdate, UpdateResult
from payments.models import Payment
from payments.provider_calls.throttle import PROVIDERS
from payments.providers.types import UpdateKind

_NO_OTHERS = Others()
# A plan that is no query's lease.
_AFTER_LEASE = timedelta(seconds=1)


@dataclass(slots=True)
class UnmatchedUpdate:
    """An update whose reference names none of our payments, and the decision about it."""

    update: PaymentUpdate
    decision: Decision

    @property
    def result(self) -> UpdateResult:
        return UpdateResult(self.decision.outcome, retry_after=_retry_after(self.decision))

    def case(self, outcome: Outcome) -> Case:
        """The case of an outcome that needs a person."""
        return case_of(self.update, None, outcome)


@dataclass(slots=True)
class MatchedUpdate:
    """An update of one of our payments with its locked rows, and the decision about it.

    `actor` is named in the history; `others` hold money of the order as well; `risen` is by how much (yuan) the payment's
    refunded sum rises.
    """

    update: PaymentUpdate
    payment: Payment
    order: Order
    refunds: KnownRefunds
    actor: Actor
    decision: Decision
    others: Others = _NO_OTHERS
    risen: Decimal = ZERO

    @property
    def result(self) -> UpdateResult:
        return UpdateResult(
            self.decision.outcome, self.payment.pk, self.payment.order_id, _retry_after(self.decision)
        )

    def order_changes(self) -> list[Change]:
        """The changes that this update asks of its order, one after another. Surplus money was never the order's."""
        effect = self.decision.effect
        changes: list[Change] = []
        if effect in (Effect.SETTLE, Effect.PAY_ORDER) or isinstance(effect, SettleRefunded):
            changes.append(self._move(Action.PAY, self.update.trigger, self.update.at))
            if self.others.attempts and self.order.status == OrderStatus.PENDING:
                changes.append(self._keep_out())
        if not self._is_money_of_order:
            return changes
        if isinstance(effect, RaiseRefunded | SettleRefunded) and effect.total:
            changes.append(self._refund(effect.total))
        if self.decision.holds:
            changes.append(HoldUnshipped(self.order.pk, self.actor, REFUNDED_AT_PROVIDER))
        return changes

    @property
    def _is_money_of_order(self) -> bool:
        """Whether the order counts this money, or will: one that is paid by another attempt, or closed, takes none."""
        if self.payment.is_settled:
            return not self.payment.is_surplus
        return bool(self.order.status == OrderStatus.PENDING)

    def _refund(self, total: Decimal) -> Change:
        """The order is refunded with the last of all money that it took; until then the refunds of its attempts add up."""
        at = self.update.refunded_at
        # This payment makes the money of the others surplus, in the same visit.
        others = _NO_OTHERS if isinstance(self.decision.effect, SettleRefunded) else self.others
        if total == self.payment.amount and others.kept <= ZERO:
            return self._move(Action.REFUND, machine.REFUND_CONFIRMED, at)
        both = min(total + others.refunded, self.order.total_amount)
        return PartialRefund(self.order.pk, both, self.actor, self.update.evidence, at)

    def _keep_out(self) -> KeepOut:
        evidence = Evidence("payment", self.others.attempts[0].reference)
        return KeepOut(self.order.pk, self.payment.refunded_amount, self.actor, evidence)

    def _move(self, action: Action, trigger: str, at: datetime) -> Move:
        return Move(self.order.pk, action, trigger, self.actor, self.update.evidence, at=at)

    def release(self) -> ReleaseRefund | None:
        """The change that ends the order's waiting for the refund request that this update ends."""
        effect = self.decision.request
        return effect.release(self.actor, self.update.evidence) if effect and effect.ends else None

    @property
    def returns_surplus(self) -> bool:
        """Whether it gives the last of a surplus payment back."""
        effect, payment = self.decision.effect, self.payment
        return payment.is_surplus and isinstance(effect, RaiseRefunded) and effect.total == payment.amount

    def change_payment(self, now: datetime) -> bool:
        """Make the decided transition on the instance; returns whether the payment has to be written."""
        effect = self.decision.effect
        if effect is Effect.SETTLE:
            self._settle()
            return True
        if isinstance(effect, SettleRefunded):
            self._settle_refunded(effect, now)
            return True
        if effect is Effect.CLOSE:
            self.payment.close(self.update.at)
            return True
        if isinstance(effect, RaiseRefunded):
            self._raise_refunded(effect.total)
            return True
        if effect is Effect.QUERY_LATER:
            return self._query_at((self.payment.paid_at or now) + FRESH)
        return effect is Effect.QUERY and self._query_at(self._soonest(now))

    def _settle(self) -> None:
        payment = self.payment
        payment.settle(self.update.at)
        payment.provider_reference = self.update.provider_reference or payment.provider_reference
        payment.is_surplus = self.decision.outcome in SURPLUS

    def _settle_refunded(self, effect: SettleRefunded, now: datetime) -> None:
        """An answer to a query has said all that the provider can say; after a notification it is queried."""
        self._settle()
        if effect.total is not None:
            self._raise_refunded(effect.total)
        elif self.wants_query:
            self.payment.next_query_at = now

    @property
    def wants_query(self) -> bool:
        """Whether its provider is to be queried as soon as possible."""
        effect = self.decision.effect
        if isinstance(effect, SettleRefunded):
            return effect.total is None and self.update.trigger == machine.NOTIFICATION
        return effect is Effect.QUERY

    def _raise_refunded(self, total: Decimal) -> None:
        self.risen = total - self.payment.refunded_amount
        self.payment.refunded_amount = total
        if total == self.payment.amount:
            self.payment.refund()

    def _soonest(self, now: datetime) -> datetime:
        """Not while somebody may be querying at this moment, whose answer may be older than this update."""
        last_query = self.payment.last_query_at
        is_over = last_query is None or now - last_query > PROVIDERS.lease
        return now if last_query is None or is_over else last_query + PROVIDERS.lease + _AFTER_LEASE

    def _query_at(self, at: datetime) -> bool:
        """Have it queried by then. While a query lasts, `next_query_at` is its lease, which is no plan: it is replaced."""
        payment = self.payment
        lease = payment.last_query_at + PROVIDERS.lease if payment.last_query_at else None
        if payment.next_query_at and payment.next_query_at <= at and payment.next_query_at != lease:
            return False
        payment.next_query_at = at
        return True

    def refund_rows(self) -> RefundRows | None:
        """The refund to put on record, after the payment was changed; also where its sum has not risen.

        An overtaken notification reports by its own number what a later sum held already.
        """
        repeated = self.update.kind is UpdateKind.REFUND and self.decision.outcome is Outcome.DUPLICATE
        request = self.decision.request
        confirmed = request is not None and request.action is RequestAction.SUCCEED
        if not (self.risen or repeated or confirmed):
            return None
        return refunds.refund_rows(self.update, self.payment, self.refunds, self.risen)

    def case(self, outcome: Outcome) -> Case:
        """The case of an outcome that needs a person, after the payment was changed."""
        return case_of(self.update, self.payment, outcome, risen=self.risen)


def _retry_after(decision: Decision) -> timedelta | None:
    return RETRY_AFTER if decision.outcome is Outcome.WAITING else None
