"""Closes unpaid orders: when their time is over, or when a person cancels them.

An order without a payment attempt closes at once. For an order with one a close is requested: payments then queries
and closes the attempt at the provider, and closes the order through `orders.lifecycle` once the provider has answered.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import connection, transaction
from django.db.models import Min, Q
from django.utils import timezone

from orders import errors, lifecycle, machine
from orders.changes import Move, RequestClose, Result
from orders.history.lines import SYSTEM, Actor
from orders.machine import Action
from orders.models import Merchant, Order, OrderQuerySet, OrderStatus
from ordersite.database.one_writer import SQLITE_PAUSE_SECONDS

BATCH = 1_000
# About how many attempts payments closes in a second at the providers; only for the estimate.
ATTEMPTS_PER_SECOND = 20

_Key = tuple[datetime, int]


class CancelResult(StrEnum):
    CLOSED = "closed"
    CLOSE_REQUESTED = "close_requested"


@dataclass(frozen=True, slots=True)
class ClosingEstimate:
    """How many orders wait for a provider's answer, since when (UTC), and for about how many seconds more."""

    waiting: int
    oldest_at: datetime | None
    seconds: int


def close_overdue(*, now: datetime | None = None) -> int:
    """Close the overdue orders, or request it; returns how many were closed or requested. `now` is UTC.

    Drains any backlog in batches of BATCH with bounded memory. Several processes may run it at once: each skips the
    rows that another has locked.
    """
    overdue = Order.objects.overdue(now or timezone.now())
    without_attempt = _Overdue(overdue.without_attempt(), _close)
    with_attempt = _Overdue(overdue.with_attempt(), _request_close)
    return without_attempt.drain() + with_attempt.drain()


@dataclass(frozen=True, slots=True)
class _Overdue:
    """Overdue orders and what is done with each batch; `process` takes ids and returns how many it changed."""

    orders: OrderQuerySet
    process: Callable[[list[int]], int]

    def drain(self) -> int:
        """Process all of them; returns how many were changed.

        Two threads share a backlog, skipping each other's rows: one checks and hashes while PostgreSQL writes what
        the other has sent. That takes two thirds of the time of one thread (measured).
        """
        if not self._is_backlog():
            return self._process_all()
        with ThreadPoolExecutor(max_workers=1) as helper:
            other = helper.submit(self._process_in_thread)
            return self._process_all() + other.result()

    def _is_backlog(self) -> bool:
        """Whether more than two batches are due and another connection can see and lock them."""
        if connection.in_atomic_block or not connection.features.has_select_for_update_skip_locked:
            return False
        return bool(self._by_due_time().values_list("pk")[2 * BATCH : 2 * BATCH + 1])

    def _process_in_thread(self) -> int:
        """Process them in a thread of its own, whose connection nothing else would close."""
        try:
            return self._process_all()
        finally:
            connection.close()

    def _process_all(self) -> int:
        changed = 0
        for count in self._batches():
            changed += count
            if connection.vendor == "sqlite":
                time.sleep(SQLITE_PAUSE_SECONDS)
        return changed

    def _batches(self) -> Iterator[int]:
        """Process batch after batch, each in a transaction; yields how many orders each changed.

        The batches follow a keyset: starting over, each would pass the dead rows of all those before it, and an order
        that refuses would be met for ever.
        """
        after: _Key | None = None
        while True:
            with transaction.atomic():
                keys = self._lock_next(after)
                count = self.process([pk for _due, pk in keys]) if keys else 0
            if not keys:
                return
            after = keys[-1]
            yield count

    def _lock_next(self, after: _Key | None) -> list[_Key]:
        rows = self._by_due_time()
        if after:
            due, pk = after
            rows = rows.filter(close_due_at__gte=due).exclude(Q(close_due_at=due, pk__lte=pk))
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True, no_key=True)
        return list(rows.values_list("close_due_at", "pk")[:BATCH])

    def _by_due_time(self) -> OrderQuerySet:
        return self.orders.order_by("close_due_at", "pk")


def _close(ids: list[int]) -> int:
    orders = lifecycle.lock(ids)
    moves = [Move(pk, Action.CLOSE, machine.TIMEOUT, SYSTEM) for pk in orders]
    return sum(outcome.result is Result.DONE for outcome in lifecycle.apply(orders, moves))


def _request_close(ids: list[int]) -> int:
    orders = lifecycle.lock(ids)
    requests = [RequestClose(pk, machine.TIMEOUT, SYSTEM) for pk in orders]
    return sum(outcome.result is Result.DONE for outcome in lifecycle.apply(orders, requests))


def cancel(
    number: str, *, reason: str, actor: Actor, trigger: str, merchant: Merchant | None = None
) -> CancelResult:
    """Close an unpaid order for a person, or request it if a payment was started. Cancelling again changes nothing.

    `trigger` is machine.BUYER_CANCEL or STAFF_CANCEL. Raises `unknown_order` (also for an order of another merchant),
    `already_paid`, or the refusal of the order (trigger_off).
    """
    found = Order.objects.of_merchant(merchant.pk if merchant else None).filter(number=number)
    with transaction.atomic():
        pk = found.values_list("pk", flat=True).first()
        order = lifecycle.lock([pk]).get(pk) if pk else None
        if order is None:
            raise errors.unknown_order(number)
        return _cancel(order, Move(order.pk, Action.CLOSE, trigger, actor, reason=reason))


def _cancel(order: Order, move: Move) -> CancelResult:
    if order.status == OrderStatus.CLOSED:
        return CancelResult.CLOSED
    if order.status != OrderStatus.PENDING:
        raise errors.already_paid(order.number)
    if order.payment_started_at:
        lifecycle.apply_one(order, RequestClose(order.pk, move.trigger, move.actor, move.reason))
        return CancelResult.CLOSE_REQUESTED
    outcome = lifecycle.apply_one(order, move)
    if outcome.result is Result.REFUSED:
        raise errors.refused(outcome.code, order.number)
    return CancelResult.CLOSED


def closing_estimate() -> ClosingEstimate:
    """Estimate how long the orders that wait for a provider's answer will take."""
    waiting = Order.objects.waiting_to_close()
    count = waiting.count()
    oldest_at = waiting.aggregate(oldest=Min("closing_at"))["oldest"]
    return ClosingEstimate(count, oldest_at, math.ceil(count / ATTEMPTS_PER_SECOND))
