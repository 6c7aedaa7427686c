"""Reminds warehouses that have confirmed no parcel of their instruction in time, then has a person look. By the clock.

An instruction is handed out, or sent, once more after its warehouse's minutes of silence; after as many again a case says
what to do. A cancellation that the warehouse has not taken for so long is a case at once: the goods may be leaving.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from logistics import cases
from logistics.dispatch.instructions import answers, reserve
from logistics.dispatch.instructions.route import may_leave
from logistics.dispatch.webhooks import queue, trouble
from logistics.models import Dispatch, DispatchWebhook, ShipmentException, Warehouse, WebhookEvent
from orders import lifecycle

BATCH = 200


def find_silent_dispatches() -> int:
    """Remind of what is due and open cases; returns how many instructions and cancellations there were."""
    found = 0
    while (number := _look_at_batch()) == BATCH:
        found += number
    return found + number + _report_cancellations()


def _look_at_batch() -> int:
    """Work on the instructions whose answers have been due longest, at most BATCH; returns how many."""
    now = timezone.now()
    due = Dispatch.objects.open().filter(answer_due_at__lte=now)
    with transaction.atomic():
        picked = dict(due.order_by("answer_due_at", "pk").values_list("pk", "order_id")[:BATCH])
        orders = lifecycle.lock(picked.values())
        rows = due.filter(pk__in=picked).lock_in_order()
        staying = [row for row in rows if not may_leave(orders[row.order_id])]
        for row in staying:
            row.cancel()
        reserve.end(staying, at=now)
        going = [row for row in rows if row.is_open]
        _remind([row for row in going if row.reminded_at is None], now)
        _give_up([row for row in going if row.answer_due_at is not None and row.answer_due_at <= now])
        reserve.write(going)
    return len(picked)


def _remind(rows: Sequence[Dispatch], now: datetime) -> None:
    """Have the warehouses told once more; one of the push form keeps what it has accepted."""
    is_pull = set(
        Warehouse.objects.filter(
            pk__in={row.warehouse_id for row in rows}, adapter=Warehouse.Adapter.PULL
        ).values_list("pk", flat=True)
    )
    for row in rows:
        row.reminded_at = now
        if row.warehouse_id in is_pull and row.sent_at is not None:
            row.remind()
    answers.wait_for(rows, now)
    queue.repeat(rows)


def _give_up(rows: Sequence[Dispatch]) -> None:
    """Wait no longer, and open a case for each."""
    webhooks = DispatchWebhook.objects.filter(
        dispatch_id__in=[row.pk for row in rows], event=WebhookEvent.CREATED
    )
    by_dispatch = {one.dispatch_id: one for one in webhooks}
    for row in rows:
        row.answer_due_at = None
    cases.open_goods_cases([_case(row, by_dispatch.get(row.pk)) for row in rows])


def _case(row: Dispatch, webhook: DispatchWebhook | None) -> cases.GoodsCase:
    detail = dict(trouble.detail_of(webhook)) if webhook else {}
    if row.sent_at is not None:
        detail["sent_at"] = row.sent_at.isoformat()
    return cases.GoodsCase(
        kind=ShipmentException.Kind.DISPATCH_UNANSWERED,
        order_id=row.order_id,
        warehouse_id=row.warehouse_id,
        detail=detail,
    )


def _report_cancellations() -> int:
    """Open a case for each cancellation that its warehouse has not taken in its time; returns how many."""
    now, found = timezone.now(), 0
    for warehouse in Warehouse.objects.filter(adapter=Warehouse.Adapter.PUSH).order_by("pk"):
        overdue = DispatchWebhook.objects.filter(
            warehouse=warehouse,
            next_try_at__isnull=False,
            event=WebhookEvent.CANCELLED,
            reported_at__isnull=True,
            created_at__lte=now - timedelta(minutes=warehouse.silence_minutes),
        )
        with transaction.atomic():
            picked = dict(overdue.order_by("next_try_at").values_list("pk", "order_id")[:BATCH])
            lifecycle.lock(picked.values())
            webhooks = overdue.filter(pk__in=picked).lock_in_order()
            trouble.open_cancel_cases(webhooks, now)
            queue.write(webhooks)
        found += len(webhooks)
    return found
