"""Defines the order's state machine as one table: each of the 13 rows is an edge and a trigger that may fire it.

The rows belong to the code; staff only switch them on and off (`orders.models.TransitionRule`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orders.models import OrderStatus as S


class Action(StrEnum):
    """A transition of an order. The value is the name of the transition method and stands in `TransitionRule.action`."""

    PAY = "pay"
    SHIP = "ship"
    COMPLETE = "complete"
    CLOSE = "close"
    REVIVE = "revive"
    REFUND = "refund"


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
    Row(S.PENDING, Action.PAY, S.PAID, NOTIFICATION),
    Row(S.PENDING, Action.PAY, S.PAID, QUERY),
    Row(S.PENDING, Action.PAY, S.PAID, STATEMENT),
    Row(S.PENDING, Action.PAY, S.PAID, MANUAL),
    Row(S.PAID, Action.SHIP, S.SHIPPED, WAREHOUSE),
    Row(S.SHIPPED, Action.COMPLETE, S.COMPLETED, CARRIER),
    Row(S.PENDING, Action.CLOSE, S.CLOSED, TIMEOUT),
    Row(S.PENDING, Action.CLOSE, S.CLOSED, BUYER_CANCEL),
    Row(S.PENDING, Action.CLOSE, S.CLOSED, STAFF_CANCEL),
    Row(S.CLOSED, Action.REVIVE, S.PAID, LATE_PAYMENT),
    Row(S.PAID, Action.REFUND, S.REFUNDED, REFUND_CONFIRMED),
    Row(S.SHIPPED, Action.REFUND, S.REFUNDED, REFUND_CONFIRMED),
    Row(S.COMPLETED, Action.REFUND, S.REFUNDED, REFUND_CONFIRMED),
)

TARGETS: dict[Action, str] = {row.action: row.target for row in ROWS}
