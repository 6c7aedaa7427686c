"""The order's state machine as one table: 13 rows, each an edge and who may fire it. Staff only switch rows."""

from __future__ import annotations

from dataclasses import dataclass

from orders.models import OrderStatus as S


@dataclass(frozen=True, slots=True)
class Row:
    source: str
    action: str
    target: str
    trigger: str


# Triggers that mean «the money is at the provider».
NOTIFICATION = "notification"
QUERY = "query"
STATEMENT = "statement"
MANUAL = "manual"
# The others.
WAREHOUSE = "warehouse"
CARRIER = "carrier"
TIMEOUT = "timeout"
BUYER_CANCEL = "buyer_cancel"
STAFF_CANCEL = "staff_cancel"
LATE_PAYMENT = "late_payment"
REFUND_CONFIRMED = "refund_confirmed"
# Lines beside the machine: money is asked back, and that wish has ended.
REFUND_REQUESTED = "refund_requested"
REFUND_ENDED = "refund_ended"

ROWS: tuple[Row, ...] = (
    Row(S.PENDING, "pay", S.PAID, NOTIFICATION),
    Row(S.PENDING, "pay", S.PAID, QUERY),
    Row(S.PENDING, "pay", S.PAID, STATEMENT),
    Row(S.PENDING, "pay", S.PAID, MANUAL),
    Row(S.PAID, "ship", S.SHIPPED, WAREHOUSE),
    Row(S.SHIPPED, "complete", S.COMPLETED, CARRIER),
    Row(S.PENDING, "close", S.CLOSED, TIMEOUT),
    Row(S.PENDING, "close", S.CLOSED, BUYER_CANCEL),
    Row(S.PENDING, "close", S.CLOSED, STAFF_CANCEL),
    Row(S.CLOSED, "revive", S.PAID, LATE_PAYMENT),
    Row(S.PAID, "refund", S.REFUNDED, REFUND_CONFIRMED),
    Row(S.SHIPPED, "refund", S.REFUNDED, REFUND_CONFIRMED),
    Row(S.COMPLETED, "refund", S.REFUNDED, REFUND_CONFIRMED),
)

TARGETS: dict[str, str] = {row.action: row.target for row in ROWS}
