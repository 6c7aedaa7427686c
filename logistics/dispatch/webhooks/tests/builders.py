"""Builders of warehouses that are sent their instructions, by the sandbox's cloud warehouse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from logistics.dispatch.instructions.tests.test_instructions import run_events
from logistics.dispatch.webhooks.send import push_dispatches
from logistics.models import Dispatch, DispatchWebhook, Warehouse
from logistics.tests.builders import build_paid
from logistics.warehouses.save import save_announced
from orders.models import Order
from orders.tests.builders import build_merchant
from sandbox.tests.running import Running

REGION = "浙江省"


def build_cloud(box: Running, slug: str = "cloud", **more: Any) -> Warehouse:
    """Build a warehouse whose push address is the sandbox's."""
    data = {
        "name": slug,
        "kind": "cloud",
        "adapter": "push",
        "push_url": f"{box.url}/cloud/push",
        "secret": (box.folder / "webhook_secret").read_text().strip(),
        "silence_minutes": 30,
        **more,
    }
    return save_announced(slug, merchant=build_merchant(), data=data).warehouse


def build_instructed(*, cups: int = 1) -> tuple[Order, Dispatch]:
    """Build a paid order and route it; nothing is sent yet."""
    order = build_paid(cups=cups)
    run_events()
    return order, Dispatch.objects.get(order=order)


def send() -> int:
    """Send what is due, and what its answers bring about."""
    tried = push_dispatches(seconds=2)
    run_events()
    return tried


def send_again() -> int:
    """Send what waits, as if its pause were over, and the circuit closed."""
    DispatchWebhook.objects.filter(next_try_at__isnull=False).update(next_try_at=timezone.now())
    Warehouse.objects.update(failures_in_a_row=0, next_call_at=None)
    return send()


def let_pass(minutes: int) -> None:
    """Let the answers of all open instructions be due so many minutes sooner."""
    by = timedelta(minutes=minutes)
    Dispatch.objects.filter(answer_due_at__isnull=False).update(answer_due_at=F("answer_due_at") - by)
    DispatchWebhook.objects.update(created_at=F("created_at") - by)


def message_of(dispatch: Dispatch, event: str = "dispatch.created") -> DispatchWebhook:
    return DispatchWebhook.objects.get(dispatch=dispatch, event=event)


def at_warehouse(box: Running, dispatch: Dispatch) -> Any:
    """The instruction as the warehouse has it; None where it never came."""
    return next((row for row in box.state["instructions"] if row["id"] == dispatch.pk), None)
