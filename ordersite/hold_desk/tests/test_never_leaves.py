"""A held order never leaves the warehouse: every way out is tried, over HTTP, by hand, in bulk and by the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from logistics.dispatch.instructions import by_hand, route
from logistics.dispatch.instructions.silence import find_silent_dispatches
from logistics.dispatch.instructions.tests.builders import build_pull, count, run_events
from logistics.dispatch.instructions.tests.test_instructions import ack, fetch, report
from logistics.models import Dispatch, Shipment, Stock, WaybillOrder
from logistics.tests.builders import build_account, build_paid, new_number
from orders import closing, lifecycle, machine
from orders.changes import Move
from orders.history.lines import SYSTEM, Actor
from orders.history.verify import verify_history
from orders.machine import Action
from orders.models import HoldReview, Order
from orders.tests.calls import build_caller, post_json
from ordersite.admin.bulk_operations import OPERATIONS
from ordersite.bulk_jobs.models import BulkRow
from ordersite.bulk_jobs.run import run_bulk_jobs
from ordersite.hold_desk.tests.builders import hold, member
from ordersite.lib.errors import DomainError
from ordersite.queue import outbox
from sandbox.tests.nobody import nobody

pytestmark = pytest.mark.django_db
BOARD, ORDERS = "/admin/logistics/dispatch/", "/admin/orders/order/"
STAFF = Actor("staff", "x")
Way = Callable[[Order, Dispatch], object]


def erp() -> Client:
    return build_caller(scopes=("shipments:write",))


def confirm_by_erp(order: Order, _row: Dispatch) -> object:
    parcel = {"order": order.number, "warehouse": "hz", "carrier": "yto", "tracking_number": new_number()}
    answer = post_json(erp(), "/api/v1/shipments/confirm/", {"confirmations": [parcel]})
    return answer.json()["results"][0]["code"]


def order_a_waybill(order: Order, _row: Dispatch) -> object:
    body = {"carrier": "sf", "account": "k100", "warehouse": "hz"}
    path = f"/api/v1/orders/{order.number}/waybills/"
    return post_json(erp(), path, body, **{"idempotency-key": "w1"}).json()["code"]


def pull_by_warehouse(_order: Order, _row: Dispatch) -> object:
    return fetch("hz")


def acknowledge(_order: Order, row: Dispatch) -> object:
    return ack({"id": row.pk, "ok": True})


def report_stock(_order: Order, _row: Dispatch) -> object:
    codes = report("hz", {"cup-1": 9})
    run_events()
    return codes


def press(path: str, **form: object) -> object:
    """Press a button of the back office all the same, for the page may have been open before; whether it says why not."""
    page = member("supervisor").post(path, {"reason": "please", **form})
    text = page.content.decode()
    said = (
        "(it is held)",
        "The order is held; it must not ship",
        "The order is held, or a refund of it is under way",
    )
    return any(words in text for words in said)


def route_again_on_board(_order: Order, row: Dispatch) -> object:
    return press(f"{BOARD}{row.pk}/do/again/")


def move_on_board(_order: Order, row: Dispatch) -> object:
    return press(f"{BOARD}{row.pk}/do/move/", warehouse=str(build_pull("far", "广东省").pk))


def instruct_on_order_page(order: Order, _row: Dispatch) -> object:
    return press(f"{ORDERS}{order.pk}/do/dispatch/", warehouse=str(build_pull("far", "广东省").pk))


def waybill_on_order_page(order: Order, row: Dispatch) -> object:
    account = build_account(f"{nobody()}/query", slug="other").pk
    form = {"carrier": "sf", "account": str(account), "warehouse": str(row.warehouse_id)}
    return press(f"{ORDERS}{order.pk}/do/waybill/", **form)


def route_in_bulk(order: Order, _row: Dispatch) -> object:
    chosen = {"action": "route_again", "_selected_action": [str(order.pk)]}
    form = {"bulk_start": "1", "select_across": "0", "reason": "please"}
    member("supervisor").post(ORDERS, {**chosen, **form})
    run_bulk_jobs(OPERATIONS)
    return BulkRow.objects.values_list("result", "code").get()


def route_by_door(order: Order, _row: Dispatch) -> object:
    return refusal_of(partial(by_hand.route_again, order.pk, actor=STAFF, reason="x"))


def send_by_hand(order: Order, row: Dispatch) -> object:
    return refusal_of(partial(by_hand.send_from, row.warehouse, order.pk, actor=STAFF, reason="x"))


def refusal_of(act: Callable[[], object]) -> str:
    try:
        act()
    except DomainError as refused:
        return refused.code
    return ""


def publish_events(order: Order, _row: Dispatch) -> object:
    """As an automation or a late relay would: every event that makes logistics instruct warehouses."""
    names = ("order.paid", "order.released", "order.revived", "order.partly_refunded", "dispatch.ended")
    with transaction.atomic():
        outbox.publish(
            [outbox.Event(name, order.pk, timezone.now(), {"number": order.number}) for name in names]
        )
    run_events()
    return Dispatch.objects.open().count()


def instruct_directly(order: Order, _row: Dispatch) -> object:
    with transaction.atomic():
        locked = lifecycle.lock([order.pk])
        return route.may_leave(locked[order.pk])


def fire_the_transition(order: Order, _row: Dispatch) -> object:
    move = Move(order.pk, Action.SHIP, machine.WAREHOUSE, SYSTEM)
    with transaction.atomic():
        return lifecycle.apply(lifecycle.lock([order.pk]), [move])[0].code


def let_the_clock_run(_order: Order, _row: Dispatch) -> object:
    find_silent_dispatches()
    closing.close_overdue()
    run_events()
    return Dispatch.objects.open().count()


# Each way out, and what it answers for a held order.
WAYS: Mapping[Way, object] = {
    confirm_by_erp: "held",
    order_a_waybill: "held",
    pull_by_warehouse: [],
    acknowledge: ["cancelled"],
    report_stock: ["ok"],
    route_again_on_board: True,
    move_on_board: True,
    instruct_on_order_page: True,
    waybill_on_order_page: True,
    route_in_bulk: ("failed", "held"),
    route_by_door: "held",
    send_by_hand: "held",
    publish_events: 0,
    instruct_directly: False,
    fire_the_transition: "held",
    let_the_clock_run: 0,
}


@pytest.fixture
def instructed() -> tuple[Order, Dispatch]:
    """A paid order whose warehouse is instructed; the shop has a carrier account for waybills too."""
    warehouse = build_pull("hz", "浙江省")
    count(warehouse, "cup-1", 5)
    build_account(f"{nobody()}/query")
    order = build_paid(cups=2)
    run_events()
    return order, Dispatch.objects.get()


def assert_nothing_left(order: Order) -> None:
    after = Order.objects.get(pk=order.pk)
    assert (after.status, after.held, after.shipped_at) == ("paid", True, None)
    assert (Shipment.objects.count(), WaybillOrder.objects.count()) == (0, 0)
    assert HoldReview.objects.get().state == "open"


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_held_order_stays(way: Way, instructed: tuple[Order, Dispatch]) -> None:
    order, row = instructed
    hold(order)
    run_events()

    answer = way(order, row)

    assert answer == WAYS[way]
    assert_nothing_left(order)
    assert not Dispatch.objects.open().exists()
    assert Stock.objects.get(product_id="cup-1").reserved == 0


@pytest.mark.parametrize("way", [confirm_by_erp, pull_by_warehouse], ids=lambda way: way.__name__)
def test_not_even_before_the_warehouse_knows(way: Way, instructed: tuple[Order, Dispatch]) -> None:
    order, row = instructed
    hold(order)

    assert way(order, row) == WAYS[way]

    assert_nothing_left(order)


def test_all_ways_in_a_row(instructed: tuple[Order, Dispatch]) -> None:
    order, row = instructed
    hold(order)
    run_events()
    for way in (confirm_by_erp, route_by_door, publish_events, fire_the_transition, let_the_clock_run):
        assert way(order, row) == WAYS[way], way.__name__
    assert_nothing_left(order)
    verify_history()


def test_once_released_it_leaves(instructed: tuple[Order, Dispatch]) -> None:
    order, _row = instructed
    review = hold(order)
    run_events()
    member("supervisor").post(f"/admin/orders/holdreview/{review.pk}/do/release/", {"reason": "ok"})
    run_events()

    assert len(fetch("hz")) == 1
    assert confirm_by_erp(order, _row) == "ok"
    assert Order.objects.get(pk=order.pk).status == "shipped"
