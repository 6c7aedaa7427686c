"""Ends orders of which a part was delivered and the money of the rest has gone back.

A refund names no products, only a sum. It stands for the rest of an order where that is beyond doubt: a part of the
order has been sent, and what has gone back is to the fen what the goods cost that the buyer will not get. Any other sum
(a discount, a damaged cup) refunds no line, and all that is left may still ship.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from logistics import cases
from logistics.models import Shipment, ShipmentLine, ShipmentStatus
from orders import lifecycle, machine
from orders.changes import Move, Result
from orders.history.lines import SYSTEM, Evidence
from orders.machine import Action
from orders.models import Order, OrderLine, OrderStatus
from ordersite.lib.money import ZERO
from ordersite.queue.relay import Answer, Delivered

_GOING_ON = (OrderStatus.PAID, OrderStatus.SHIPPED)


@dataclass(slots=True)
class Whereabouts:
    """What the goods of an order cost (yuan), that are not sent, or have come back."""

    unsent: Decimal = ZERO
    returned: Decimal = ZERO
    delivered_at: datetime | None = None  # the last delivery (UTC)
    is_partly_sent: bool = False
    has_parcel_under_way: bool = False

    def is_rest(self, refunded: Decimal) -> bool:
        """Whether this sum (yuan) is the worth of what was not sent, with or without what has come back."""
        rest = (self.unsent, self.unsent + self.returned)
        return self.is_partly_sent and self.unsent > ZERO and refunded in rest

    def is_all_settled(self, refunded: Decimal) -> bool:
        """Whether every line is delivered or refunded, and at least one is delivered."""
        missing = self.unsent + self.returned
        is_arrived = self.delivered_at is not None and not self.has_parcel_under_way
        return is_arrived and missing > ZERO and refunded == missing


def whereabouts_of(order_ids: Iterable[int]) -> dict[int, Whereabouts]:
    """Where the goods of these locked orders are, by order id. Three queries."""
    ids = sorted(set(order_ids))
    found = {order_id: Whereabouts() for order_id in ids}
    for parcel in Shipment.objects.filter(order_id__in=ids).only("order_id", "status", "delivered_at"):
        _note_parcel(found[parcel.order_id], parcel)
    sent: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    contents = ShipmentLine.objects.filter(shipment__order_id__in=ids)
    for line_id, status, quantity in contents.values_list("order_line_id", "shipment__status", "quantity"):
        sent[line_id][status] += quantity
    for line in OrderLine.objects.filter(order_id__in=ids):
        _add(found[line.order_id], line, sent[line.pk])
    return found


def _note_parcel(where: Whereabouts, parcel: Shipment) -> None:
    where.is_partly_sent = True
    where.has_parcel_under_way |= parcel.is_under_way
    if parcel.status == ShipmentStatus.DELIVERED and parcel.delivered_at is not None:
        where.delivered_at = max(where.delivered_at or parcel.delivered_at, parcel.delivered_at)


def _add(where: Whereabouts, line: OrderLine, sent: Mapping[str, int]) -> None:
    where.unsent += line.unit_price * (line.quantity - sum(sent.values()))
    where.returned += line.unit_price * sent.get(ShipmentStatus.RETURNED, 0)


def handle_partly_refunded(events: Sequence[Delivered]) -> Sequence[Answer]:
    """Ship and complete these orders where the rest was refunded. Runs in the relay's transaction, perhaps again."""
    orders = lifecycle.lock({event.subject_id for event in events})
    end_refunded(orders)
    return [None] * len(events)


def end_refunded(orders: Mapping[int, Order]) -> int:
    """Make the moves of these locked orders that their refunds bring about; returns how many were made."""
    waiting = {
        pk: order for pk, order in orders.items() if order.status in _GOING_ON and order.refunded_amount
    }
    if not waiting:
        return 0
    where = whereabouts_of(waiting)
    moves = [move for pk, order in waiting.items() for move in _moves(order, where[pk])]
    outcomes = lifecycle.apply(waiting, moves)
    cases.resolve_about_sending({one.order_id for one in outcomes if one.result is Result.DONE})
    return sum(outcome.result is Result.DONE for outcome in outcomes)


def _moves(order: Order, where: Whereabouts) -> list[Move]:
    """A refund that is under way may change the sum: the order waits for its end."""
    if order.is_stopped:
        return []
    is_sent = order.status == OrderStatus.SHIPPED
    moves = []
    if not is_sent and where.is_rest(order.refunded_amount):
        moves.append(_move(order, Action.SHIP))
        is_sent = True
    if is_sent and where.is_all_settled(order.refunded_amount):
        moves.append(_move(order, Action.COMPLETE))
    return moves


def _move(order: Order, action: Action) -> Move:
    evidence = Evidence("refunded", str(order.refunded_amount))
    return Move(order.pk, action, machine.REFUND_CONFIRMED, SYSTEM, evidence)
