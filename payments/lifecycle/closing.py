"""Marks attempts to be closed at their providers and closes orders that wait for it.

`payments.polling.poll` queries and closes attempts that carry `close_wanted_at`; then their orders close. The history
line close_requested keeps trigger, actor and reason, so that any process on any machine can finish the work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from orders import lifecycle
from orders.changes import Move, Result
from orders.history.lines import Actor
from orders.machine import Action
from orders.models import Order, OrderEvent, OrderStatus
from ordersite.database.locking import update_in_order
from ordersite.queue.relay import Answer, Delivered
from ordersite.queue.wakeups import wake
from payments.cases import desk
from payments.models import Payment

WAITS_LONG = timedelta(minutes=2)
SWEEP_BATCH = 500
QUERY_TASK = "payments.ask_providers"


def handle_close_requested(events: Sequence[Delivered]) -> Sequence[Answer]:
    """Mark the open attempts of these orders to be closed; close orders without one. Runs in the relay's transaction."""
    orders = lifecycle.lock({event.subject_id for event in events})
    closing = [order.pk for order in orders.values() if order.closing_at]
    mark_for_closing(closing)
    lifecycle.apply(orders, close_moves(orders))
    return [None] * len(events)


def handle_order_paid(events: Sequence[Delivered]) -> Sequence[Answer]:
    """Mark the other attempts of paid orders to be closed: an order takes no second payment.

    Cases that the payment has answered are resolved before, since that locks orders.
    """
    paid = {event.subject_id for event in events}
    desk.resolve_healed(paid)
    mark_for_closing(paid)
    return [None] * len(events)


def handle_order_closed(events: Sequence[Delivered]) -> Sequence[Answer]:
    """Mark the attempts left to closed orders to be closed: a closed order takes no payment."""
    mark_for_closing({event.subject_id for event in events})
    return [None] * len(events)


def mark_for_closing(order_ids: Iterable[int]) -> int:
    """Mark the undecided attempts of these orders to be closed, and query them now; return how many are new.

    Call inside a transaction.
    """
    now = timezone.now()
    attempts = Payment.objects.of_orders(order_ids).undecided().not_closing()
    marked = update_in_order(attempts, close_wanted_at=now, next_query_at=now)
    if marked:
        transaction.on_commit(partial(wake, QUERY_TASK))
    return marked


def finish_closing() -> int:
    """Close the orders that have waited for it longer than WAITS_LONG; return how many were closed now.

    Their event may be parked, or the rule was switched off when their last attempt closed.
    """
    closed, after = 0, 0
    waiting = Order.objects.filter(status=OrderStatus.PENDING, closing_at__lt=timezone.now() - WAITS_LONG)
    while ids := list(waiting.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:SWEEP_BATCH]):
        with transaction.atomic():
            orders = lifecycle.lock(ids)
            mark_for_closing(pk for pk, order in orders.items() if order.closing_at)
            outcomes = lifecycle.apply(orders, close_moves(orders))
        closed += sum(outcome.result is Result.DONE for outcome in outcomes)
        after = ids[-1]
    return closed


def close_moves(orders: Mapping[int, Order], *, without: Sequence[int] = ()) -> list[Move]:
    """Build moves for those locked orders that wait to be closed and have neither an undecided attempt nor money.

    `without`: primary keys of attempts that are being closed in this transaction. Two queries whatever the number of
    orders; trigger and actor are those of the latest request to close.
    """
    closing = [pk for pk, order in orders.items() if order.is_waiting_to_close]
    if not closing:
        return []
    attempts = Payment.objects.of_orders(closing).blocking_close().exclude(pk__in=without)
    held_up = set(attempts.values_list("order_id", flat=True))
    free = [pk for pk in closing if pk not in held_up]
    lines = OrderEvent.objects.filter(order_id__in=free, kind=OrderEvent.EventKind.CLOSE_REQUESTED).order_by(
        "seq"
    )
    latest = {line.order_id: line for line in lines}
    return [_move(latest[pk]) for pk in free if pk in latest]


def _move(line: OrderEvent) -> Move:
    return Move(
        order_id=line.order_id,
        action=Action.CLOSE,
        trigger=line.trigger,
        actor=Actor(line.actor_kind, line.actor_id),
    )
