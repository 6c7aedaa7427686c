"""Defines the order's state machine as one table: each of the 15 rows is an edge and a trigger that may fire it.

The rows belong to the code; staff only switch them on and off (`orders.models.TransitionRule`).
"""

from __future__ import annotations

from dataclasses import dataclass

from orders.actions import Action
from orders.models import OrderStatus


@dataclass(frozen=True, slots=True)
class Row:
    """An edge of the machine and one of its triggers."""

    source: str
    action: Action
    target: str
    trigger: str


# Triggers that prove that the provider has the money.
NOTIFICATION = "notification"
QUERY = "query"
STATEMENT = "statement"
MANUAL = "manual"
# Triggers of the other edges.
WAREHOUSE = "warehouse"
CARRIER = "carrier"
TIMEOUT = "timeout"
BUYER_CANCEL = "buyer_cancel"
STAFF_CANCEL = "staff_cancel"
LATE_PAYMENT = "late_payment"
REFUND_CONFIRMED = "refund_confirmed"
# Triggers of history lines that change no state: a refund was requested, and that request has ended.
REFUND_REQUESTED = "refund_requested"
REFUND_ENDED = "refund_ended"

ROWS: tuple[Row, ...] = (
    Row(OrderStatus.PENDING, Action.PAY, OrderStatus.PAID, NOTIFICATION),
    Row(OrderStatus.PENDING, Action.PAY, OrderStatus.PAID, QUERY),
    Row(OrderStatus.PENDING, Action.PAY, OrderStatus.PAID, STATEMENT),
    Row(OrderStatus.PENDING, Action.PAY, OrderStatus.PAID, MANUAL),
    Row(OrderStatus.PAID, Action.SHIP, OrderStatus.SHIPPED, WAREHOUSE),
    Row(OrderStatus.PAID, Action.SHIP, OrderStatus.SHIPPED, REFUND_CONFIRMED),
    Row(OrderStatus.SHIPPED, Action.COMPLETE, OrderStatus.COMPLETED, CARRIER),
    Row(OrderStatus.SHIPPED, Action.COMPLETE, OrderStatus.COMPLETED, REFUND_CONFIRMED),
    Row(OrderStatus.PENDING, Action.CLOSE, OrderStatus.CLOSED, TIMEOUT),
    Row(OrderStatus.PENDING, Action.CLOSE, OrderStatus.CLOSED, BUYER_CANCEL),
    Row(OrderStatus.PENDING, Action.CLOSE, OrderStatus.CLOSED, STAFF_CANCEL),
    Row(OrderStatus.CLOSED, Action.REVIVE, OrderStatus.PAID, LATE_PAYMENT),
    Row(OrderStatus.PAID, Action.REFUND, OrderStatus.REFUNDED, REFUND_CONFIRMED),
    Row(OrderStatus.SHIPPED, Action.REFUND, OrderStatus.REFUNDED, REFUND_CONFIRMED),
    Row(OrderStatus.COMPLETED, Action.REFUND, OrderStatus.REFUNDED, REFUND_CONFIRMED),
)

TARGETS: dict[Action, str] = {row.action: row.target for row in ROWS}
