"""Closing attempts at the provider: `payments.polling.poll` queries and closes them, then their orders close.

Attempts that wait to be closed carry `close_wanted_at`. Who wanted it and why stands in the order's history
(the close_requested line), so that whoever finishes the work, on whatever machine, can say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from orders import lifecycle
from orders.history.lines import Actor
from orders.lifecycle import Move
from orders.models import Order, OrderEvent, OrderStatus
from ordersite.queue.relay import Answer, Delivered
from ordersite.queue.wakeups import hint
from payments.models import Payment, PaymentStatus
from payments.models.payment import UNDECIDED

WAITS_LONG = timedelta(minutes=2)
SWEEP_BATCH = 500
ASK_HINT = "payments.ask_providers"
# What keeps an order from being closed: an attempt that may still be paid, or money that a switched-off rule kept out.
_HOLDS_UP = (*UNDECIDED, PaymentStatus.PAID)


def handle_close_requested(events: Sequence[Delivered]) -> Sequence[Answer]:
    """Have the open attempts of these orders closed; orders without one close at once. Runs in the relay's transaction."""
    orders = lifecycle.lock({event.subject_id for event in events})
    closing = [order.pk for order in orders.values() if order.closing_at]
    want_closed(closing)
    lifecycle.fire(orders, close_moves(orders))
    return [None] * len(events)


def handle_order_paid(events: Sequence[Delivered]) -> Sequence[Answer]:
    """A paid order takes no second payment: its other attempts are closed at their providers."""
    want_closed({event.subject_id for event in events})
    return [None] * len(events)


def handle_order_closed(events: Sequence[Delivered]) -> Sequence[Answer]:
    """A closed order takes no payment: whatever attempt is left is closed at its provider."""
    want_closed({event.subject_id for event in events})
    return [None] * len(events)


def want_closed(order_ids: Iterable[int]) -> int:
    """Mark the undecided attempts of these orders as to be closed, to be asked for now; returns how many are new."""
    now = timezone.now()
    attempts = Payment.objects.filter(
        order_id__in=sorted(set(order_ids)), status__in=UNDECIDED, close_wanted_at__isnull=True
    )
    marked = attempts.update(close_wanted_at=now, next_query_at=now)
    if marked:
        transaction.on_commit(partial(hint, ASK_HINT))
    return marked


def finish_closing() -> int:
    """Take up again the orders that wait to be closed for more than WAITS_LONG; returns how many were closed now.

    Their event may lie parked, or the rule was switched off in the moment when their last attempt closed.
    """
    closed, after = 0, 0
    waiting = Order.objects.filter(status=OrderStatus.PENDING, closing_at__lt=timezone.now() - WAITS_LONG)
    while ids := list(waiting.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:SWEEP_BATCH]):
        with transaction.atomic():
            orders = lifecycle.lock(ids)
            want_closed(pk for pk, order in orders.items() if order.closing_at)
            outcomes = lifecycle.fire(orders, close_moves(orders))
        closed += sum(outcome.result is lifecycle.Result.DONE for outcome in outcomes)
        after = ids[-1]
    return closed


def close_moves(orders: Mapping[int, Order]) -> list[Move]:
    """Moves that close those of the locked orders that wait for it and have neither an undecided attempt nor money.

    Two queries whatever the number; the trigger and the actor are those of the latest request to close.
    """
    closing = [pk for pk, order in orders.items() if order.status == OrderStatus.PENDING and order.closing_at]
    if not closing:
        return []
    attempts = Payment.objects.filter(order_id__in=closing, status__in=_HOLDS_UP)
    held_up = set(attempts.values_list("order_id", flat=True))
    free = [pk for pk in closing if pk not in held_up]
    lines = OrderEvent.objects.filter(order_id__in=free, kind=OrderEvent.Kind.CLOSE_REQUESTED).order_by("seq")
    latest = {line.order_id: line for line in lines}
    return [_move(latest[pk]) for pk in free if pk in latest]


def _move(line: OrderEvent) -> Move:
    return Move(
        order_id=line.order_id,
        action="close",
        trigger=line.trigger,
        actor=Actor(line.actor_kind, line.actor_id),
    )
