"""The only door for the state of orders. Everybody else asks here, in batches; a single change is a batch of one.

    with transaction.atomic():
        orders = lock(ids)                      # one statement; judging comes after it, never inside it
        outcomes = fire(orders, moves)          # history, outbox and state in this same transaction

Lock order everywhere: orders, then payments or shipments, then lines, each by primary key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from django.utils import timezone

from orders import machine
from orders.history import lines
from orders.history.lines import SYSTEM, Actor, Evidence, Fact
from orders.models import Order, OrderEvent, TransitionRule
from orders.models import OrderStatus as S
from ordersite.database import bulk
from ordersite.queue import outbox

__all__ = ["SYSTEM", "Actor", "Evidence", "Move", "Outcome", "Result", "fire", "lock"]

_JUDGED = (
    "id", "number", "merchant_id", "buyer_id", "status", "held", "currency", "total_amount", "refunded_amount",
    "created_at", "close_due_at", "payment_started_at", "closing_at", "paid_at", "shipped_at", "completed_at",
    "closed_at", "refunded_at", "refunds_pending", "history_seq", "history_hash", "is_important",
)  # fmt: skip
# Columns that each action writes besides the status and the head of the history.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "pay": ("paid_at", "closing_at"),
    "ship": ("shipped_at",),
    "complete": ("completed_at",),
    "close": ("closed_at", "closing_at"),
    "revive": ("paid_at", "closed_at"),
    "refund": ("refunded_at", "refunded_amount"),
}
_HEAD = ("status", "history_seq", "history_hash")
# States in which an action has nothing left to do: a repeated request is answered «already».
_REACHED: dict[str, frozenset[str]] = {
    "pay": frozenset({S.PAID, S.SHIPPED, S.COMPLETED, S.REFUNDED}),
    "ship": frozenset({S.SHIPPED, S.COMPLETED}),
    "complete": frozenset({S.COMPLETED}),
    "close": frozenset({S.CLOSED}),
    "revive": frozenset({S.PAID, S.SHIPPED, S.COMPLETED}),
    "refund": frozenset({S.REFUNDED}),
}
EVENTS = {
    "pay": "order.paid",
    "ship": "order.shipped",
    "complete": "order.completed",
    "close": "order.closed",
    "revive": "order.revived",
    "refund": "order.refunded",
}


class Result(StrEnum):
    DONE = "done"
    ALREADY = "already"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Move:
    """A wish: fire `action` on an order by `trigger`. `at` (UTC) is when it happened outside; empty means now."""

    order_id: int
    action: str
    trigger: str
    actor: Actor
    evidence: Evidence | None = None
    reason: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a move. `code` names a refusal: unknown_order, order_closed, not_paid, held, trigger_off …"""

    order_id: int
    result: Result
    code: str = ""


def lock(ids: Iterable[int]) -> dict[int, Order]:
    """Lock these orders by primary key for the rest of the transaction; unknown ids are simply not in the answer."""
    rows = (
        Order.objects.select_for_update(no_key=True)
        .filter(pk__in=sorted(set(ids)))
        .only(*_JUDGED)
        .order_by("pk")
    )
    return {order.pk: order for order in rows}


def fire(orders: Mapping[int, Order], moves: Sequence[Move]) -> list[Outcome]:
    """Judge and make the moves on locked orders: a constant number of statements, an outcome a move, in their order.

    An order may stand in a batch once: ValueError otherwise, since one UPDATE would apply one of two silently.
    """
    if len({move.order_id for move in moves}) != len(moves):
        raise ValueError("an order stands twice in one batch")
    rules = enabled_rules()
    outcomes = [_judge(orders.get(move.order_id), move, rules) for move in moves]
    passed = [move for move, outcome in zip(moves, outcomes, strict=True) if outcome.result is Result.DONE]
    if passed:
        _make(orders, passed)
    return outcomes


def enabled_rules() -> frozenset[tuple[str, str, str]]:
    """The permitted rows, read each time (13 rows, 150 us): every process is right at once."""
    rows = TransitionRule.objects.filter(is_enabled=True).values_list("from_status", "action", "trigger")
    return frozenset(rows)


def _judge(order: Order | None, move: Move, rules: frozenset[tuple[str, str, str]]) -> Outcome:
    if order is None:
        return Outcome(move.order_id, Result.REFUSED, "unknown_order")
    code = _refusal(order, move, rules)
    if not code:
        return Outcome(move.order_id, Result.DONE)
    if order.status in _REACHED[move.action]:
        return Outcome(move.order_id, Result.ALREADY, code)
    return Outcome(move.order_id, Result.REFUSED, code)


def _refusal(order: Order, move: Move, rules: frozenset[tuple[str, str, str]]) -> str:
    if (order.status, move.action, move.trigger) not in rules:
        known = any(r.source == order.status and r.action == move.action for r in machine.ROWS)
        return "trigger_off" if known else f"order_{order.status}"
    if move.action == "ship" and order.is_stopped:
        return "held"
    if move.action == "close" and order.payment_started_at and not order.closing_at:
        return "provider_not_asked"
    return ""


def _make(orders: Mapping[int, Order], moves: Sequence[Move]) -> None:
    now = timezone.now()
    facts: list[tuple[Order, Fact]] = []
    groups: dict[tuple[str, str], list[Order]] = {}
    for move in moves:
        order, source = orders[move.order_id], orders[move.order_id].status
        getattr(order, move.action)(move.at or now)
        facts.append((order, _fact(move, source, str(order.status), now)))
        groups.setdefault((source, move.action), []).append(order)
    written = lines.chain(facts, now=now)
    for (source, action), changed in groups.items():
        count = bulk.update_rows(Order, changed, (*_HEAD, *_COLUMNS[action]), guard={"status": source})
        if count != len(changed):
            raise RuntimeError(f"{action}: {count} of {len(changed)} locked orders were changed")
    written.save()
    outbox.publish(
        [
            outbox.Event(
                EVENTS[move.action],
                move.order_id,
                now,
                {"trigger": move.trigger, "number": orders[move.order_id].number},
            )
            for move in moves
        ]
    )


def _fact(move: Move, source: str, target: str, now: datetime) -> Fact:
    return Fact(
        kind=OrderEvent.Kind.TRANSITION,
        trigger=move.trigger,
        actor=move.actor,
        at=move.at or now,
        from_status=source,
        to_status=target,
        evidence=move.evidence,
        reason=move.reason,
    )


def record(orders: Sequence[Order], facts: Sequence[Fact], *, columns: Sequence[str] = ()) -> None:
    """Write a line for each locked order and, with it, the named columns that the caller has set on the instances.

    An order may stand here more than once (several parcels): each time is a line, its head is written once.
    """
    written = lines.chain(list(zip(orders, facts, strict=True)), now=timezone.now())
    heads = list({order.pk: order for order in orders}.values())
    count = bulk.update_rows(Order, heads, ("history_seq", "history_hash", *columns))
    if count != len(heads):
        raise RuntimeError(f"{count} of {len(heads)} locked orders were changed")
    written.save()


def start_payment(order: Order, *, at: datetime) -> str:
    """Note on a locked order that money is being collected; returns a refusal code or an empty string.

    The time of the latest attempt counts; `closing_at` set means that no new attempt may begin.
    """
    if order.status != S.PENDING:
        return f"order_{order.status}"
    if order.closing_at:
        return "order_closing"
    if not order.payment_started_at:
        order.payment_started_at = at
        bulk.update_rows(Order, [order], ("payment_started_at",))
    return ""


def request_close(orders: Sequence[Order], *, trigger: str, actor: Actor, reason: str = "") -> list[Order]:
    """Set `closing_at` on locked pending orders that have a payment attempt, and tell payments to ask and close.

    Returns the orders that were marked now; those already marked stay as they are.
    """
    now = timezone.now()
    marked = [o for o in orders if o.status == S.PENDING and o.payment_started_at and not o.closing_at]
    for order in marked:
        order.closing_at = now
    fact = Fact(kind=OrderEvent.Kind.CLOSE_REQUESTED, trigger=trigger, actor=actor, at=now, reason=reason)
    if marked:
        record(marked, [fact] * len(marked), columns=["closing_at"])
        payload = {"trigger": trigger, "actor_kind": actor.kind, "actor_id": actor.id, "reason": reason}
        outbox.publish([outbox.Event("order.close_requested", o.pk, now, payload) for o in marked])
    return marked


def give_up_closing(orders: Sequence[Order]) -> None:
    """Take `closing_at` back from locked pending orders: a person decided that they stay open."""
    for order in orders:
        order.closing_at = None
    bulk.update_rows(Order, orders, ("closing_at",))


@dataclass(frozen=True, slots=True)
class PartialRefund:
    """Part of the money went back: `total` is the sum of all of it so far, in yuan, `at` (UTC) when it happened."""

    order: Order
    total: Decimal
    actor: Actor
    evidence: Evidence
    at: datetime


def note_refunds(refunds: Sequence[PartialRefund]) -> None:
    """Raise the refunded sums of locked orders, each once in a batch; the states stay. Never lowers a sum."""
    risen = [refund for refund in refunds if refund.total > refund.order.refunded_amount]
    if not risen:
        return
    for refund in risen:
        refund.order.refunded_amount = refund.total
    facts = [_refund_fact(refund) for refund in risen]
    record([refund.order for refund in risen], facts, columns=["refunded_amount"])


def _refund_fact(refund: PartialRefund) -> Fact:
    return Fact(
        kind=OrderEvent.Kind.PARTIAL_REFUND,
        trigger=machine.REFUND_CONFIRMED,
        actor=refund.actor,
        at=refund.at,
        evidence=refund.evidence,
    )


def note_refund(
    order: Order, *, refunded_total: Decimal, actor: Actor, evidence: Evidence, at: datetime
) -> None:
    """The same for one order."""
    note_refunds([PartialRefund(order, refunded_total, actor, evidence, at)])


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money of a locked order that is asked back, or no longer is; `amount` is yuan, zero for money that the order
    never counted: then it is a line of history and nothing more. `evidence` names the request."""

    order: Order
    amount: Decimal
    actor: Actor
    evidence: Evidence
    reason: str = ""


def reserve_refund(reservation: Reservation) -> None:
    """Raise the sum that is asked back of a locked order: while it is above zero the order does not ship.

    Whether so much was paid is the caller's to judge, under the lock of the payment.
    """
    reservation.order.refunds_pending += reservation.amount
    _note_reservations([reservation], OrderEvent.Kind.REFUND_REQUESTED, machine.REFUND_REQUESTED)


def release_refunds(reservations: Sequence[Reservation]) -> None:
    """Lower that sum for requests that have ended, well or not; an order may stand here more than once."""
    for reservation in reservations:
        reservation.order.refunds_pending -= reservation.amount
    if reservations:
        _note_reservations(reservations, OrderEvent.Kind.REFUND_ENDED, machine.REFUND_ENDED)


def _note_reservations(reservations: Sequence[Reservation], kind: OrderEvent.Kind, trigger: str) -> None:
    now = timezone.now()
    facts = [
        Fact(kind=kind, trigger=trigger, actor=one.actor, at=now, evidence=one.evidence, reason=one.reason)
        for one in reservations
    ]
    record([one.order for one in reservations], facts, columns=["refunds_pending"])


def hold(order: Order, *, actor: Actor, reason: str) -> bool:
    """Hold a locked order: it does not ship until released. Returns False when it is held already."""
    if order.held:
        return False
    order.held, order.hold_reason = True, reason[:200]
    fact = Fact(kind=OrderEvent.Kind.HOLD, trigger="hold", actor=actor, at=timezone.now(), reason=reason)
    record([order], [fact], columns=["held", "hold_reason"])
    return True


def release(order: Order, *, actor: Actor, reason: str) -> bool:
    """Release a locked, held order. Returns False when it is not held."""
    if not order.held:
        return False
    order.held, order.hold_reason = False, ""
    fact = Fact(
        kind=OrderEvent.Kind.RELEASE, trigger="release", actor=actor, at=timezone.now(), reason=reason
    )
    record([order], [fact], columns=["held", "hold_reason"])
    return True


def note_waybills(
    orders: Sequence[Order], evidences: Sequence[Evidence], *, actor: Actor, at: datetime
) -> None:
    """A line for each locked order that a parcel was given a waybill number (`evidence.id` is carrier and number)."""
    facts = [
        Fact(kind=OrderEvent.Kind.WAYBILL, trigger=machine.WAREHOUSE, actor=actor, at=at, evidence=evidence)
        for evidence in evidences
    ]
    record(orders, facts)
