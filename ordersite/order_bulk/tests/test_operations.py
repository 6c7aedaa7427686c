"""Holding, releasing and closing many orders: each by its own state, in a person's name, with its own result."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from logistics.dispatch.instructions.tests.builders import build_pull, run_events
from logistics.models import Dispatch
from logistics.tests.builders import build_paid, build_shipment
from orders.changes import Hold
from orders.history.lines import Actor
from orders.models import Order, OrderEvent, OrderEventText
from orders.tests.builders import apply_changes, build_order
from ordersite.admin.bulk_operations import OPERATIONS
from ordersite.bulk_jobs.models import BulkJob, BulkRow
from ordersite.bulk_jobs.operations import Operation
from ordersite.bulk_jobs.run import run_bulk_jobs
from ordersite.bulk_jobs.start import start
from ordersite.order_bulk.operations import CLOSE_ORDERS, HOLD_ORDERS, RELEASE_ORDERS

pytestmark = pytest.mark.django_db
PASTED = "/admin/bulk_jobs/bulkjob/add/"
REASON = "疑似刷单，先拦下"


def member(role: str) -> User:
    user = User.objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


def run(operation: Operation, *orders: Order) -> list[tuple[str, str]]:
    """Run one job on these orders; returns the result and code of each."""
    subjects = operation.find([order.number for order in orders])
    job = start(operation, subjects, started_by=member("supervisor"), reason=REASON)
    run_bulk_jobs(OPERATIONS)
    return list(BulkRow.objects.filter(job=job).order_by("position").values_list("result", "code"))


def hold(order: Order) -> Order:
    apply_changes(Hold(order.pk, Actor("staff", "wang"), "look"))
    return order


def is_held(order: Order) -> bool:
    return Order.objects.get(pk=order.pk).held


def last_line(order: Order) -> tuple[str, str, str, str]:
    """Kind, actor and reason of the newest line of history."""
    line = OrderEvent.objects.filter(order_id=order.pk).latest("seq")
    text = OrderEventText.objects.get(order_id=order.pk, seq=line.seq).text
    return line.kind, line.actor_kind, line.actor_id, text


def test_what_has_not_left_is_held() -> None:
    build_pull("hz", "浙江省")
    paid, waiting, held, gone = build_paid(), build_order(), hold(build_paid()), build_shipment().order
    run_events()

    results = run(HOLD_ORDERS, paid, waiting, held, gone)

    assert results == [("done", ""), ("done", ""), ("skipped", "already_held"), ("failed", "order_shipped")]
    assert [is_held(order) for order in (paid, waiting, held, gone)] == [True, True, True, False]
    assert last_line(paid) == ("hold", "staff", "supervisor", REASON)
    run_events()
    assert Dispatch.objects.get(order=paid).status == "cancelled"


def test_held_orders_are_released_and_may_ship() -> None:
    build_pull("hz", "浙江省")
    held, free = hold(build_paid()), build_paid()
    run_events()

    assert run(RELEASE_ORDERS, held, free) == [("done", ""), ("skipped", "not_held")]

    assert not is_held(held)
    assert last_line(held) == ("release", "staff", "supervisor", REASON)
    run_events()
    assert Dispatch.objects.open().filter(order=held).exists()


def test_only_unpaid_orders_are_closed() -> None:
    unpaid, tried, paid = build_order(), build_order(), build_paid()
    closed = build_order()
    Order.objects.filter(pk=tried.pk).update(payment_started_at=timezone.now())
    Order.objects.filter(pk=closed.pk).update(status="closed")

    results = run(CLOSE_ORDERS, unpaid, tried, paid, closed)

    assert results == [
        ("done", "closed"), ("done", "close_requested"), ("failed", "already_paid"), ("skipped", "already_closed"),
    ]  # fmt: skip
    states = dict(Order.objects.values_list("pk", "status"))
    assert [states[order.pk] for order in (unpaid, tried, paid)] == ["closed", "pending", "paid"]
    assert Order.objects.get(pk=tried.pk).closing_at is not None


@pytest.mark.parametrize("operation", [HOLD_ORDERS, RELEASE_ORDERS, CLOSE_ORDERS])
def test_a_viewer_starts_none_of_them(client: Client, operation: Operation) -> None:
    client.force_login(member("viewer"))
    order = build_order()
    data: dict[str, Any] = {"action": operation.key, "_selected_action": [order.pk], "bulk_start": "1"}

    client.post("/admin/orders/order/", {**data, "reason": REASON})
    client.post(PASTED, {"operation": operation.key, "numbers": order.number, "reason": REASON})

    assert not BulkJob.objects.exists()


def test_an_action_on_the_list_asks_for_the_reason(client: Client) -> None:
    client.force_login(member("supervisor"))
    order = build_order()
    data = {"action": "hold_orders", "_selected_action": [str(order.pk)], "bulk_start": "1"}

    assert client.post("/admin/orders/order/", data).status_code == 200
    assert not BulkJob.objects.exists()
    client.post("/admin/orders/order/", {**data, "reason": REASON})

    assert BulkJob.objects.get().reason == REASON


def test_the_results_are_read_in_a_spreadsheet(client: Client) -> None:
    client.cookies["django_language"] = "zh-hans"
    client.force_login(member("supervisor"))
    held = hold(build_order())
    numbers = f"{held.number}\n=1+1"
    client.post(PASTED, {"operation": "hold_orders", "numbers": numbers, "reason": REASON})
    run_bulk_jobs(OPERATIONS)
    job = BulkJob.objects.get()
    address = reverse("admin:bulk_jobs_bulkjob_results", args=[job.pk])

    page = client.get(reverse("admin:bulk_jobs_bulkjob_change", args=[job.pk])).content.decode()
    answer: Any = client.get(address)
    text = b"".join(answer.streaming_content).decode()

    assert address in page
    assert answer.headers["Content-Disposition"] == f'attachment; filename="bulk-job-{job.pk}.csv"'
    assert text.startswith("\ufeff")
    head, first, second = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    assert head[:4] == ["序号", "单号", "处理结果", "原因"]
    assert first[:5] == ["1", held.number, "跳过", "订单已被拦截。", "already_held"]
    assert second[:3] == ["2", "'=1+1", "失败"]
    assert second[4] == "not_found"
