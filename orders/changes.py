"""The changes that the orders' door applies: what each requires of a locked order, what it sets, what history says.

A change is plain data. `orders.lifecycle.apply` checks it, makes it on the instance and writes the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, Protocol

from orders import machine
from orders.history.lines import Actor, Evidence, Fact
from orders.machine import Action
from orders.models import Order, OrderEvent, OrderStatus
from ordersite.lib.money import ZERO
from ordersite.queue import outbox

Kind = OrderEvent.EventKind
# The enabled rows of the machine: source status, action, trigger.
Rules = Set[tuple[str, str, str]]

EVENTS: Mapping[Action, str] = {
    Action.PAY: "order.paid",
    Action.SHIP: "order.shipped",
    Action.COMPLETE: "order.completed",
    Action.CLOSE: "order.closed",
    Action.REVIVE: "order.revived",
    Action.REFUND: "order.refunded",
}
_GOING_ON = (OrderStatus.PAID, OrderStatus.SHIPPED)
_MOVED: Mapping[Action, tuple[str, ...]] = {
    Action.PAY: ("status", "paid_at", "closing_at"),
    Action.SHIP: ("status", "shipped_at"),
    Action.COMPLETE: ("status", "completed_at"),
    Action.CLOSE: ("status", "closed_at", "closing_at"),
    Action.REVIVE: ("status", "paid_at", "closed_at"),
    Action.REFUND: ("status", "refunded_at", "refunded_amount"),
}
# States in which an action has nothing left to do: repeating it is answered ALREADY.
_REACHED: Mapping[Action, frozenset[str]] = {
    Action.PAY: frozenset(
        {OrderStatus.PAID, OrderStatus.SHIPPED, OrderStatus.COMPLETED, OrderStatus.REFUNDED}
    ),
    Action.SHIP: frozenset({OrderStatus.SHIPPED, OrderStatus.COMPLETED}),
    Action.COMPLETE: frozenset({OrderStatus.COMPLETED}),
    Action.CLOSE: frozenset({OrderStatus.CLOSED}),
    Action.REVIVE: frozenset({OrderStatus.PAID, OrderStatus.SHIPPED, OrderStatus.COMPLETED}),
    Action.REFUND: frozenset({OrderStatus.REFUNDED}),
}
_KNOWN_EDGES = frozenset((row.source, row.action) for row in machine.ROWS)


class Result(StrEnum):
    DONE = "done"
    ALREADY = "already"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one change. `code` names a refusal: unknown_order, order_closed, held, trigger_off …"""

    order_id: int
    result: Result
    code: str = ""


class Change(Protocol):
    """A change of one order. `columns` are those that `make` sets on the instance."""

    @property
    def order_id(self) -> int: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    def check(self, order: Order, rules: Rules) -> Outcome:
        """Decide by the locked order as the changes before this one have left it; nothing is set."""

    def make(self, order: Order, now: datetime) -> Fact:
        """Set the columns on the instance and return the fact for the order's history. `now` is UTC."""

    def event(self, order: Order, now: datetime) -> outbox.Event | None:
        """The event to publish, if there is one."""


class _Silent:
    """Base of changes that can always be made and publish nothing."""

    __slots__ = ()
    order_id: int

    def check(self, order: Order, rules: Rules) -> Outcome:
        return Outcome(self.order_id, Result.DONE)

    def event(self, order: Order, now: datetime) -> outbox.Event | None:
        return None


@dataclass(frozen=True, slots=True)
class Move:
    """Fires `action` on an order by `trigger`. `at` (UTC) is when it happened outside; None means now."""

    order_id: int
    action: Action
    trigger: str
    actor: Actor
    evidence: Evidence | None = None
    reason: str = ""
    at: datetime | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return _MOVED[self.action]

    def check(self, order: Order, rules: Rules) -> Outcome:
        code = self._refusal(order, rules)
        if not code:
            return Outcome(self.order_id, Result.DONE)
        reached = order.status in _REACHED[self.action]
        return Outcome(self.order_id, Result.ALREADY if reached else Result.REFUSED, code)

    def _refusal(self, order: Order, rules: Rules) -> str:
        if (order.status, self.action, self.trigger) not in rules:
            known = (order.status, self.action) in _KNOWN_EDGES
            return "trigger_off" if known else f"order_{order.status}"
        if self.action is Action.SHIP and order.is_stopped:
            return "held"
        if self.action is Action.CLOSE and order.payment_started_at and not order.closing_at:
            return "provider_not_asked"
        return ""

    def make(self, order: Order, now: datetime) -> Fact:
        source, at = str(order.status), self.at or now
        getattr(order, self.action)(at)
        return Fact(
            kind=Kind.TRANSITION,
            trigger=self.trigger,
            actor=self.actor,
            at=at,
            from_status=source,
            to_status=str(order.status),
            evidence=self.evidence,
            reason=self.reason,
        )

    def event(self, order: Order, now: datetime) -> outbox.Event:
        payload = {"trigger": self.trigger, "number": order.number}
        return outbox.Event(EVENTS[self.action], self.order_id, now, payload)


@dataclass(frozen=True, slots=True)
class RequestClose:
    """Sets `closing_at` on a pending order that has a payment attempt; payments then queries and closes the attempt."""

    columns: ClassVar[tuple[str, ...]] = ("closing_at",)
    order_id: int
    trigger: str
    actor: Actor
    reason: str = ""

    def check(self, order: Order, rules: Rules) -> Outcome:
        if order.status != OrderStatus.PENDING:
            return Outcome(self.order_id, Result.REFUSED, f"order_{order.status}")
        if not order.payment_started_at:
            return Outcome(self.order_id, Result.REFUSED, "payment_not_started")
        return Outcome(self.order_id, Result.ALREADY if order.closing_at else Result.DONE)

    def make(self, order: Order, now: datetime) -> Fact:
        order.closing_at = now
        return Fact(Kind.CLOSE_REQUESTED, self.trigger, self.actor, now, reason=self.reason)

    def event(self, order: Order, now: datetime) -> outbox.Event:
        payload = {
            "trigger": self.trigger,
            "actor_kind": self.actor.kind,
            "actor_id": self.actor.id,
            "reason": self.reason,
        }
        return outbox.Event("order.close_requested", self.order_id, now, payload)


def _may_go_on(order: Order, now: datetime) -> outbox.Event | None:
    """The event of an order that nothing stops any more; of a partly refunded one the rest may have been refunded."""
    if order.is_stopped or order.status not in _GOING_ON:
        return None
    if order.refunded_amount > ZERO:
        return _partly_refunded(order, now)
    return outbox.Event("order.released", order.pk, now) if order.status == OrderStatus.PAID else None


def _partly_refunded(order: Order, now: datetime) -> outbox.Event:
    return outbox.Event("order.partly_refunded", order.pk, now, {"number": order.number})


def _must_stay(order: Order, now: datetime) -> outbox.Event | None:
    """The event of a paid order that a hold or a refund under way stops."""
    return outbox.Event("order.stopped", order.pk, now) if order.status == OrderStatus.PAID else None


@dataclass(frozen=True, slots=True)
class PartialRefund(_Silent):
    """Raises an order's refunded sum to `total` (yuan, of all refunds so far); never lowers it. `at` is UTC."""

    columns: ClassVar[tuple[str, ...]] = ("refunded_amount",)
    order_id: int
    total: Decimal
    actor: Actor
    evidence: Evidence
    at: datetime

    def check(self, order: Order, rules: Rules) -> Outcome:
        risen = self.total > order.refunded_amount
        return Outcome(self.order_id, Result.DONE if risen else Result.ALREADY)

    def make(self, order: Order, now: datetime) -> Fact:
        order.refunded_amount = self.total
        return Fact(
            Kind.PARTIAL_REFUND, machine.REFUND_CONFIRMED, self.actor, self.at, evidence=self.evidence
        )

    def event(self, order: Order, now: datetime) -> outbox.Event | None:
        # A completed order goes nowhere any more, but its buyer and its shop hear of the money.
        is_done = order.status == OrderStatus.COMPLETED
        return _partly_refunded(order, now) if is_done else _may_go_on(order, now)


@dataclass(frozen=True, slots=True)
class KeepOut(_Silent):
    """Counts the payment that has just paid the order alone: money of other attempts, which it had refused, is surplus.

    Comes after the `Move` that pays. `refunded` is what has gone back of that payment (yuan), `evidence` names the
    other one: what had gone back of it is the order's no more.
    """

    columns: ClassVar[tuple[str, ...]] = ("refunded_amount",)
    order_id: int
    refunded: Decimal
    actor: Actor
    evidence: Evidence

    def check(self, order: Order, rules: Rules) -> Outcome:
        is_paid = order.status == OrderStatus.PAID
        return Outcome(self.order_id, Result.DONE if is_paid else Result.REFUSED)

    def make(self, order: Order, now: datetime) -> Fact:
        order.refunded_amount = self.refunded
        return Fact(Kind.NOTE, "payment_surplus", self.actor, now, evidence=self.evidence)


@dataclass(frozen=True, slots=True)
class _RefundsPending(_Silent):
    """Adds `amount` (yuan) to `refunds_pending`, or takes it off. `evidence` names the refund request."""

    columns: ClassVar[tuple[str, ...]] = ("refunds_pending",)
    kind: ClassVar[Kind]
    trigger: ClassVar[str]
    sign: ClassVar[int]
    order_id: int
    amount: Decimal
    actor: Actor
    evidence: Evidence
    reason: str = ""

    def make(self, order: Order, now: datetime) -> Fact:
        order.refunds_pending += self.sign * self.amount
        return Fact(self.kind, self.trigger, self.actor, now, evidence=self.evidence, reason=self.reason)


@dataclass(frozen=True, slots=True)
class ReserveRefund(_RefundsPending):
    """Adds a requested refund to `refunds_pending`: while that is above zero the order does not ship.

    `amount` is zero for money that the order never counted: then only a history line is written. The caller checks
    under the payment's lock that so much was paid.
    """

    kind = Kind.REFUND_REQUESTED
    trigger = machine.REFUND_REQUESTED
    sign = 1

    def event(self, order: Order, now: datetime) -> outbox.Event | None:
        return _must_stay(order, now)


@dataclass(frozen=True, slots=True)
class ReleaseRefund(_RefundsPending):
    """Takes an ended refund request, successful or not, off `refunds_pending`."""

    kind = Kind.REFUND_ENDED
    trigger = machine.REFUND_ENDED
    sign = -1

    def event(self, order: Order, now: datetime) -> outbox.Event | None:
        return _may_go_on(order, now)


@dataclass(frozen=True, slots=True)
class Hold(_Silent):
    """Stops an order from shipping until `ReleaseHold`.

    `reason` is a person's words, or a code of `orders.labels.HOLD_REASONS` where a rule holds; `evidence` then names
    the review.
    """

    columns: ClassVar[tuple[str, ...]] = ("held", "hold_reason")
    order_id: int
    actor: Actor
    reason: str
    evidence: Evidence | None = None

    def check(self, order: Order, rules: Rules) -> Outcome:
        return Outcome(self.order_id, Result.ALREADY if order.held else Result.DONE)

    def make(self, order: Order, now: datetime) -> Fact:
        order.held, order.hold_reason = True, self.reason[:200]
        return Fact(Kind.HOLD, "hold", self.actor, now, evidence=self.evidence, reason=self.reason)

    def event(self, order: Order, now: datetime) -> outbox.Event | None:
        return _must_stay(order, now)


class HoldUnshipped(Hold):
    """Stops an order from shipping that has not left: one that is shipped, closed or refunded stays as it is."""

    __slots__ = ()

    def check(self, order: Order, rules: Rules) -> Outcome:
        if order.status not in (OrderStatus.PENDING, OrderStatus.PAID):
            return Outcome(self.order_id, Result.ALREADY)
        return Hold.check(self, order, rules)


@dataclass(frozen=True, slots=True)
class ReleaseHold(_Silent):
    """Lets a held order ship again."""

    columns: ClassVar[tuple[str, ...]] = ("held", "hold_reason")
    order_id: int
    actor: Actor
    reason: str

    def check(self, order: Order, rules: Rules) -> Outcome:
        return Outcome(self.order_id, Result.DONE if order.held else Result.ALREADY)

    def make(self, order: Order, now: datetime) -> Fact:
        order.held, order.hold_reason = False, ""
        return Fact(Kind.RELEASE, "release", self.actor, now, reason=self.reason)

    def event(self, order: Order, now: datetime) -> outbox.Event | None:
        return _may_go_on(order, now)


@dataclass(frozen=True, slots=True)
class NoteWaybill(_Silent):
    """Writes that a parcel of the order got a waybill number: `evidence.id` is carrier and number, `at` is UTC."""

    columns: ClassVar[tuple[str, ...]] = ()
    order_id: int
    actor: Actor
    evidence: Evidence
    at: datetime

    def make(self, order: Order, now: datetime) -> Fact:
        return Fact(Kind.WAYBILL, machine.WAREHOUSE, self.actor, self.at, evidence=self.evidence)


@dataclass(frozen=True, slots=True)
class Note(_Silent):
    """Writes a line into the order's history and changes nothing else."""

    columns: ClassVar[tuple[str, ...]] = ()
    order_id: int
    trigger: str
    actor: Actor
    evidence: Evidence | None = None
    reason: str = ""

    def make(self, order: Order, now: datetime) -> Fact:
        return Fact(Kind.NOTE, self.trigger, self.actor, now, evidence=self.evidence, reason=self.reason)
