"""Closing unpaid orders: by time, in two lanes, and by a person's wish.

Lane 1: orders without a payment attempt close at once. Lane 2: orders with one are handed to payments, which ask and
close at the provider first; they close through the same door when the provider has answered.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Min, Q, QuerySet
from django.utils import timezone

from orders import errors, lifecycle, machine
from orders.changes import Move, RequestClose, Result
from orders.history.lines import SYSTEM, Actor
from orders.machine import Action
from orders.models import Merchant, Order, OrderStatus
from ordersite.queue.claims import SQLITE_PAUSE_SECONDS

BATCH = 1_000
CLOSED = "closed"
ASKING = "asking"
# What the lane at the providers does in a second when they answer; payments paces itself by the same number.
ASKED_PER_SECOND = 20

_Key = tuple[datetime, int]
_Treat = Callable[[list[int]], int]


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many orders wait for a provider's answer, since when (UTC) and for about how many seconds more."""

    waiting: int
    oldest_at: datetime | None
    seconds: int


def close_overdue(*, now: datetime | None = None) -> int:
    """Close what is overdue and hand over what was tried; returns how many orders were closed or handed over.

    Drains any backlog in batches of BATCH and bounded memory. Several may run at once: each skips what another holds.
    """
    moment = now or timezone.now()
    untried = Order.objects.filter(payment_started_at__isnull=True)
    tried = Order.objects.filter(payment_started_at__isnull=False, closing_at__isnull=True)
    return _drain(untried, moment, _close) + _drain(tried, moment, _hand_over)


def _drain(lane: QuerySet[Order], moment: datetime, treat: _Treat) -> int:
    """A backlog is walked by two threads that skip each other's rows: one judges and hashes while PostgreSQL writes
    what the other has sent. It takes two thirds of the time of one (measured)."""
    if not _is_backlog(lane, moment):
        return _walk(lane, moment, treat)
    with ThreadPoolExecutor(max_workers=1) as helper:
        other = helper.submit(_walk_apart, lane, moment, treat)
        return _walk(lane, moment, treat) + other.result()


def _is_backlog(lane: QuerySet[Order], moment: datetime) -> bool:
    """Several batches are due, and another connection can see and lock them."""
    if connection.in_atomic_block or not connection.features.has_select_for_update_skip_locked:
        return False
    return bool(_due(lane, moment).values_list("pk")[2 * BATCH : 2 * BATCH + 1])


def _walk_apart(lane: QuerySet[Order], moment: datetime, treat: _Treat) -> int:
    """The walk in a thread of its own, whose connection nobody would close otherwise."""
    try:
        return _walk(lane, moment, treat)
    finally:
        connection.close()


def _walk(lane: QuerySet[Order], moment: datetime, treat: _Treat) -> int:
    treated = 0
    for batch_count in _batches(lane, moment, treat):
        treated += batch_count
        if connection.vendor == "sqlite":
            time.sleep(SQLITE_PAUSE_SECONDS)
    return treated


def _batches(lane: QuerySet[Order], moment: datetime, treat: _Treat) -> Iterator[int]:
    """One transaction a batch, walked by keyset: from the start again, each batch would pass all the dead rows of
    those before it, and one order that refuses would be met for ever."""
    after: _Key | None = None
    while True:
        with transaction.atomic():
            keys = _take(lane, moment, after)
            count = treat([pk for _due, pk in keys]) if keys else 0
        if not keys:
            return
        after = keys[-1]
        yield count


def _take(lane: QuerySet[Order], moment: datetime, after: _Key | None) -> list[_Key]:
    rows = _due(lane, moment)
    if after:
        due, pk = after
        rows = rows.filter(close_due_at__gte=due).exclude(Q(close_due_at=due, pk__lte=pk))
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True, no_key=True)
    return list(rows.values_list("close_due_at", "pk")[:BATCH])


def _due(lane: QuerySet[Order], moment: datetime) -> QuerySet[Order]:
    return lane.filter(status=OrderStatus.PENDING, close_due_at__lte=moment).order_by("close_due_at", "pk")


def _close(ids: list[int]) -> int:
    orders = lifecycle.lock(ids)
    moves = [Move(pk, Action.CLOSE, machine.TIMEOUT, SYSTEM) for pk in orders]
    return sum(outcome.result is Result.DONE for outcome in lifecycle.apply(orders, moves))


def _hand_over(ids: list[int]) -> int:
    orders = lifecycle.lock(ids)
    requests = [RequestClose(pk, machine.TIMEOUT, SYSTEM) for pk in orders]
    return sum(outcome.result is Result.DONE for outcome in lifecycle.apply(orders, requests))


def cancel(number: str, *, reason: str, actor: Actor, trigger: str, merchant: Merchant | None = None) -> str:
    """Close an unpaid order by a person's wish: CLOSED, or ASKING while a provider has to be asked first.

    Asking again changes nothing. Raises unknown_order (also for another merchant's), already_paid, or the door's
    refusal (trigger_off). `trigger` is machine.BUYER_CANCEL or STAFF_CANCEL.
    """
    found = Order.objects.filter(number=number, **({"merchant": merchant} if merchant else {}))
    with transaction.atomic():
        pk = found.values_list("pk", flat=True).first()
        order = lifecycle.lock([pk]).get(pk) if pk else None
        if order is None:
            raise errors.unknown_order(number)
        return _cancel(order, Move(order.pk, Action.CLOSE, trigger, actor, reason=reason))


def _cancel(order: Order, move: Move) -> str:
    if order.status == OrderStatus.CLOSED:
        return CLOSED
    if order.status != OrderStatus.PENDING:
        raise errors.already_paid(order.number)
    if order.payment_started_at:
        lifecycle.apply_one(order, RequestClose(order.pk, move.trigger, move.actor, move.reason))
        return ASKING
    outcome = lifecycle.apply_one(order, move)
    if outcome.result is Result.REFUSED:
        raise errors.refused(outcome.code, order.number)
    return CLOSED


def lane_estimate() -> Estimate:
    """What waits in the second lane, for the page that says how long it will take."""
    waiting = Order.objects.filter(closing_at__isnull=False)
    count = waiting.count()
    oldest_at = waiting.aggregate(oldest=Min("closing_at"))["oldest"]
    return Estimate(count, oldest_at, math.ceil(count / ASKED_PER_SECOND))
