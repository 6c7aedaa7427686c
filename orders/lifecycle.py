"""The only door for the state of orders: locks them, applies changes to them, writes orders, history and outbox.

    with transaction.atomic():
        orders = lock(ids)                      # one statement; nothing is decided inside it
        outcomes = apply(orders, changes)       # decide, change and write, in this same transaction

A caller visits the door once in a transaction with all its changes; a single change is a batch of one.
Lock order everywhere: orders, then payments or shipments, then lines, each by primary key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from orders.changes import Change, Move, Outcome, Result, Rules
from orders.history import lines
from orders.history.lines import Fact
from orders.models import Order, OrderStatus, TransitionRule
from ordersite.database import bulk
from ordersite.queue import outbox

# What the changes read and write; a column that is missing here would be loaded order by order.
_COLUMNS = (
    "id", "number", "merchant_id", "buyer_id", "status", "held", "hold_reason", "currency", "total_amount",
    "refunded_amount", "created_at", "close_due_at", "payment_started_at", "closing_at", "paid_at", "shipped_at",
    "completed_at", "closed_at", "refunded_at", "refunds_pending", "history_seq", "history_hash", "is_important",
    "province",
)  # fmt: skip
_HEAD = ("history_seq", "history_hash")


def lock(ids: Iterable[int]) -> dict[int, Order]:
    """Lock these orders by primary key for the rest of the transaction; unknown ids are missing from the result."""
    rows = (
        Order.objects.select_for_update(no_key=True)
        .filter(pk__in=sorted(set(ids)))
        .only(*_COLUMNS)
        .order_by("pk")
    )
    return {order.pk: order for order in rows}


def apply(orders: Mapping[int, Order], changes: Sequence[Change]) -> list[Outcome]:
    """Apply the changes to locked orders, one after another; return an outcome for each, in their order.

    Several changes of one order see each other: each is checked against what those before it have left. A refused
    change leaves nothing, the others stand. Call inside the transaction that holds the locks. Raises RuntimeError
    when a locked order was changed elsewhere.

    A constant number of statements whatever the batch: the rules (if a `Move` is among the changes), one UPDATE for
    each old state, history lines, their texts, outbox.
    """
    has_moves = any(isinstance(change, Move) for change in changes)
    visit = _Visit(orders, enabled_rules() if has_moves else frozenset(), timezone.now())
    outcomes = [visit.attempt(change) for change in changes]
    visit.write()
    return outcomes


def apply_one(order: Order, change: Change) -> Outcome:
    """Apply one change to one locked order."""
    return apply({order.pk: order}, [change])[0]


def enabled_rules() -> Rules:
    """The enabled rows of the machine. Read each time (15 rows, 150 us): a switch works at once in every process."""
    rows = TransitionRule.objects.filter(is_enabled=True).values_list("from_status", "action", "trigger")
    return frozenset(rows)


@dataclass(slots=True)
class _Visit:
    """What the changes of one batch have done to the instances and what remains to be written."""

    orders: Mapping[int, Order]
    rules: Rules
    now: datetime
    sources: dict[int, str] = field(default_factory=dict)  # changed order → its state in the database
    columns: dict[str, set[tuple[str, ...]]] = field(default_factory=dict)  # such a state → columns to write
    facts: list[tuple[Order, Fact]] = field(default_factory=list)
    events: list[outbox.Event] = field(default_factory=list)

    def attempt(self, change: Change) -> Outcome:
        order = self.orders.get(change.order_id)
        if order is None:
            return Outcome(change.order_id, Result.REFUSED, "unknown_order")
        outcome = change.check(order, self.rules)
        if outcome.result is Result.DONE:
            self._make(order, change)
        return outcome

    def _make(self, order: Order, change: Change) -> None:
        source = self.sources.setdefault(change.order_id, str(order.status))
        self.columns.setdefault(source, set()).add(change.columns)
        self.facts.append((order, change.make(order, self.now)))
        if event := change.event(order, self.now):
            self.events.append(event)

    def write(self) -> None:
        """Write each changed order once, guarded by its old state, then history and outbox."""
        if not self.facts:
            return
        written = lines.chain(self.facts, now=self.now)
        for source, groups in sorted(self.columns.items()):
            columns = sorted({column for group in groups for column in group})
            changed = [self.orders[pk] for pk, state in self.sources.items() if state == source]
            count = bulk.update_rows(Order, changed, (*_HEAD, *columns), guard={"status": source})
            if count != len(changed):
                raise RuntimeError(f"{count} of {len(changed)} locked orders were changed ({source})")
        written.save()
        outbox.publish(self.events)


def start_payment(order: Order, *, at: datetime) -> str:
    """Set `payment_started_at` on a locked order; returns a refusal code or an empty string.

    The time of the first attempt counts; `closing_at` set means that no new attempt may begin.
    """
    if order.status != OrderStatus.PENDING:
        return f"order_{order.status}"
    if order.closing_at:
        return "order_closing"
    if not order.payment_started_at:
        order.payment_started_at = at
        bulk.update_rows(Order, [order], ("payment_started_at",))
    return ""
