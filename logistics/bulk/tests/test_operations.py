"""Routing many orders again: each by the rules, in a person's name, with its own result."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from logistics.bulk.operations import OPERATIONS, ROUTE_AGAIN
from logistics.dispatch.instructions import by_hand
from logistics.dispatch.instructions.tests.builders import build_pull, count, run_events
from logistics.dispatch.instructions.tests.test_instructions import STAFF, assert_reserved_is_instructed
from logistics.models import Dispatch, ShipmentException
from logistics.tests.builders import build_paid
from orders.changes import Hold
from orders.models import Order, OrderEvent, OrderEventText
from orders.tests.builders import apply_changes
from ordersite.bulk_jobs.models import BulkJob, BulkRow
from ordersite.bulk_jobs.operations import table_of
from ordersite.bulk_jobs.run import run_bulk_jobs
from ordersite.bulk_jobs.start import start

pytestmark = pytest.mark.django_db
PASTED = "/admin/bulk_jobs/bulkjob/add/"
REASON = "new stock has come"


def member(role: str) -> User:
    user = User.objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


def route_all(*orders: Order) -> list[tuple[str, str]]:
    """Run one job on these orders; returns the result and code of each."""
    subjects = ROUTE_AGAIN.find([order.number for order in orders])
    job = start(ROUTE_AGAIN, subjects, started_by=member("operations"), reason=REASON)
    run_bulk_jobs(table_of(OPERATIONS))
    return list(BulkRow.objects.filter(job=job).order_by("position").values_list("result", "code"))


def stuck_order(warehouse_slug: str = "near") -> Order:
    """A paid order whose goods its only warehouse does not have, with its case."""
    count(build_pull(warehouse_slug, "浙江省"), "cup-1", 0)
    order = build_paid(cups=2)
    run_events()
    return order


def test_a_routed_order_has_a_line_of_history() -> None:
    order = stuck_order()
    count(build_pull("far", "浙江省"), "cup-1", 5)

    assert route_all(order) == [("done", "")]

    assert Dispatch.objects.get().warehouse.slug == "far"
    assert not ShipmentException.objects.open().exists()
    line = OrderEvent.objects.filter(order_id=order.pk).latest("seq")
    assert (line.trigger, line.actor_kind, line.actor_id) == (by_hand.ROUTED, "staff", "operations")
    assert OrderEventText.objects.get(order_id=order.pk, seq=line.seq).text == REASON
    run_events()
    assert Dispatch.objects.count() == 1
    assert_reserved_is_instructed()


def test_an_order_without_goods_keeps_its_case() -> None:
    order = stuck_order()

    assert route_all(order) == [("skipped", "no_goods")]

    assert ShipmentException.objects.open().get().kind == "out_of_stock"


def test_orders_that_are_not_routed_say_why() -> None:
    build_pull("near", "浙江省")
    routed, held = build_paid(), build_paid()
    apply_changes(Hold(held.pk, STAFF, "brushing"))
    run_events()

    assert route_all(routed, held) == [("skipped", "nothing_left"), ("failed", "held")]

    assert list(Dispatch.objects.values_list("order_id", flat=True)) == [routed.pk]


def test_a_shop_without_such_warehouses_is_refused() -> None:
    order = build_paid()

    assert route_all(order) == [("failed", "no_warehouse")]

    assert not OrderEvent.objects.filter(order_id=order.pk, trigger=by_hand.ROUTED).exists()


def test_pasted_numbers_need_a_reason(client: Client) -> None:
    client.force_login(member("operations"))
    order = stuck_order()
    pasted = {"operation": "route_again", "numbers": order.number}

    asked = client.post(PASTED, pasted)
    assert asked.status_code == 200
    assert not BulkJob.objects.exists()
    client.post(PASTED, {**pasted, "reason": REASON})

    assert BulkJob.objects.get().reason == REASON
    run_bulk_jobs(table_of(OPERATIONS))
    assert BulkRow.objects.get().code == "no_goods"


def test_finance_may_not_route(client: Client) -> None:
    client.force_login(member("finance"))
    order = stuck_order()

    client.post(PASTED, {"operation": "route_again", "numbers": order.number, "reason": REASON})

    assert not BulkJob.objects.exists()
