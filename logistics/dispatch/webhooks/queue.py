"""Queues what warehouses of the push form are told: with each instruction, with its end, and once more where it is silent.

The callers hold the locks of the orders and the instructions.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from django.db import transaction
from django.utils import timezone

from logistics.models import Dispatch, DispatchStatus, DispatchWebhook, Warehouse, WebhookEvent, WebhookStatus
from ordersite.database import bulk
from ordersite.queue import wakeups

TASK = "logistics.push_dispatches"
# The refusal of an instruction that a person took from its warehouse; all others are the warehouse's own.
TAKEN_AWAY = "rerouted"
_COLUMNS = (
    "status", "is_reminder", "may_be_taken", "attempts", "failures", "last_result", "last_status", "last_words",
    "last_try_at", "next_try_at", "settled_at", "reported_at", "leased_until",
)  # fmt: skip


def announce(dispatches: Sequence[tuple[int, int, int]], warehouses: Mapping[int, Warehouse]) -> None:
    """Queue `dispatch.created` for new instructions (id, order id, warehouse id) to warehouses of the push form."""
    pushed = {pk for pk, row in warehouses.items() if row.adapter == Warehouse.Adapter.PUSH}
    now = timezone.now()
    rows = [
        _message(pk, order_id, warehouse_id, WebhookEvent.CREATED, now)
        for pk, order_id, warehouse_id in sorted(dispatches)
        if warehouse_id in pushed
    ]
    _insert(rows)


def note_ended(rows: Sequence[Dispatch]) -> None:
    """Stop what was to be sent of instructions that have just ended; queue `dispatch.cancelled` where it must be known.

    It must be where the warehouse may have taken the instruction and neither refused it nor sent all of it.
    """
    ended = {row.pk: row for row in rows}
    created = DispatchWebhook.objects.filter(dispatch_id__in=ended, event=WebhookEvent.CREATED)
    webhooks = created.lock_in_order()
    now = timezone.now()
    waiting = [one for one in webhooks if one.is_waiting]
    for one in waiting:
        one.drop(now)
    write(waiting)
    cancelled = [one for one in webhooks if one.may_be_taken and _needs_cancelling(ended[one.dispatch_id])]
    _insert(
        [
            _message(one.dispatch_id, one.order_id, one.warehouse_id, WebhookEvent.CANCELLED, now)
            for one in cancelled
        ]
    )


def _needs_cancelling(row: Dispatch) -> bool:
    is_taken_away = row.status == DispatchStatus.REFUSED and row.refusal == TAKEN_AWAY
    return bool(row.status == DispatchStatus.CANCELLED or is_taken_away)


def repeat(rows: Sequence[Dispatch]) -> None:
    """Send the instructions of these rows once more, under the same ids; one that still waits to be sent goes on."""
    created = DispatchWebhook.objects.filter(
        dispatch_id__in=[row.pk for row in rows],
        event=WebhookEvent.CREATED,
        status__in=(WebhookStatus.TAKEN, WebhookStatus.GIVEN_UP),
    )
    webhooks = created.lock_in_order()
    now = timezone.now()
    for one in webhooks:
        one.repeat(now)
        one.is_reminder = one.may_be_taken
    write(webhooks)
    if webhooks:
        transaction.on_commit(partial(wakeups.wake, TASK))


def write(webhooks: Sequence[DispatchWebhook]) -> None:
    """Write the states of these locked messages."""
    if bulk.update_rows(DispatchWebhook, webhooks, _COLUMNS) != len(webhooks):
        raise RuntimeError("a locked message was not changed")


def _message(
    dispatch_id: int, order_id: int, warehouse_id: int, event: WebhookEvent, now: datetime
) -> DispatchWebhook:
    return DispatchWebhook(
        dispatch_id=dispatch_id,
        order_id=order_id,
        warehouse_id=warehouse_id,
        event=event,
        webhook_id=f"msg_{secrets.token_hex(12)}",
        created_at=now,
        next_try_at=now,
    )


def _insert(rows: Sequence[DispatchWebhook]) -> None:
    if rows:
        bulk.insert_rows(DispatchWebhook, rows)
        transaction.on_commit(partial(wakeups.wake, TASK))
