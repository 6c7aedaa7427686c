"""What a person does to instructions: route again, take back, choose the warehouse; never for an order that must stay."""

from __future__ import annotations

import pytest

from logistics.dispatch.instructions import by_hand
from logistics.dispatch.instructions.tests.test_instructions import (
    STAFF,
    ack,
    assert_reserved_is_instructed,
    build_pull,
    count,
    fetch,
    run_events,
)
from logistics.models import Dispatch, ShipmentException, Stock, Warehouse
from logistics.tests.builders import build_paid
from orders.changes import Hold
from orders.models import Merchant, Order, OrderEvent
from orders.tests.builders import apply_changes
from ordersite.lib.errors import DomainError

pytestmark = pytest.mark.django_db


def states() -> list[tuple[str, str]]:
    return list(Dispatch.objects.order_by("pk").values_list("warehouse__slug", "status"))


def routed(*slugs: str, cups: int = 2) -> tuple[Order, Dispatch, list[Warehouse]]:
    """A paid order, routed to the first of these warehouses."""
    warehouses = [build_pull(slug, "浙江省", priority=n) for n, slug in enumerate(slugs)]
    order = build_paid(cups=cups)
    run_events()
    return order, Dispatch.objects.get(), warehouses


def test_another_warehouse_gets_the_goods() -> None:
    order, row, (near, far) = routed("near", "far")
    count(near, "cup-1", 5)
    count(far, "cup-1", 2)

    by_hand.send_from(far, order.pk, dispatch_id=row.pk, actor=STAFF, reason="nearer to the truck")

    assert states() == [("near", "cancelled"), ("far", "waiting")]
    assert Dispatch.objects.get(warehouse=far).reasons["by"] == STAFF.id
    assert dict(Stock.objects.values_list("warehouse__slug", "reserved")) == {"near": 0, "far": 2}
    assert_reserved_is_instructed()
    line = OrderEvent.objects.filter(order_id=order.pk).latest("seq")
    assert (line.trigger, line.actor_id) == ("dispatch_moved", STAFF.id)
    run_events()
    assert len(states()) == 2


def test_a_warehouse_without_the_goods_is_refused() -> None:
    order, row, (_near, far) = routed("near", "far")
    count(far, "cup-1", 1)

    with pytest.raises(DomainError, match="stock_missing"):
        by_hand.send_from(far, order.pk, dispatch_id=row.pk, actor=STAFF, reason="x")

    assert states() == [("near", "waiting")]
    assert_reserved_is_instructed()


def test_two_instructions_become_one() -> None:
    cups, lids = build_pull("cups", "浙江省"), build_pull("lids", "浙江省")
    for warehouse, product, number in ((cups, "lid-1", 0), (lids, "cup-1", 0)):
        count(warehouse, product, number)
    order = build_paid(cups=2, lids=1)
    run_events()
    assert len(states()) == 2
    count(lids, "cup-1", 9)

    by_hand.send_from(
        lids, order.pk, dispatch_id=Dispatch.objects.get(warehouse=cups).pk, actor=STAFF, reason="x"
    )

    open_one = Dispatch.objects.open().get()
    assert open_one.warehouse_id == lids.pk
    assert dict(open_one.lines.values_list("product_id", "quantity")) == {"cup-1": 2, "lid-1": 1}
    assert_reserved_is_instructed()


def test_what_is_taken_back_stays_until_somebody_routes_it() -> None:
    order, row, _warehouses = routed("near")

    by_hand.cancel(row.pk, actor=STAFF, reason="the buyer rang up")
    run_events()

    assert states() == [("near", "cancelled")]
    assert_reserved_is_instructed()
    with pytest.raises(DomainError, match="not_open"):
        by_hand.cancel(row.pk, actor=STAFF, reason="x")
    assert by_hand.is_uninstructed(order)
    assert by_hand.route_again(order.pk, actor=STAFF, reason="goes after all") == 1
    assert states() == [("near", "cancelled"), ("near", "waiting")]
    with pytest.raises(DomainError, match="nothing_left"):
        by_hand.route_again(order.pk, actor=STAFF, reason="x")


def test_a_refused_order_is_routed_again() -> None:
    order, _row, _warehouses = routed("near")
    assert ack({"id": fetch("near")[0]["id"], "ok": False, "code": "damaged", "message": "纸箱破损"}) == [
        "ok"
    ]
    assert ShipmentException.objects.open().get().kind == "dispatch_refused"

    assert by_hand.route_again(order.pk, actor=STAFF, reason="new boxes are there") == 1

    assert states() == [("near", "refused"), ("near", "waiting")]
    assert not ShipmentException.objects.open().exists()
    run_events()
    assert len(states()) == 2
    assert_reserved_is_instructed()


def test_a_held_order_is_never_sent() -> None:
    order, row, (near,) = routed("near")
    apply_changes(Hold(order.pk, STAFF, "brushing"))
    run_events()
    assert states() == [("near", "cancelled")]

    with pytest.raises(DomainError, match="held"):
        by_hand.route_again(order.pk, actor=STAFF, reason="x")
    with pytest.raises(DomainError, match="held"):
        by_hand.send_from(near, order.pk, dispatch_id=row.pk, actor=STAFF, reason="x")

    assert states() == [("near", "cancelled")]
    assert_reserved_is_instructed()


def test_another_shops_warehouse_is_refused() -> None:
    order, row, _warehouses = routed("near")
    other = Merchant.objects.create(slug="other", name="other")
    foreign = Warehouse.objects.create(merchant=other, slug="x", name="x", adapter="pull")

    with pytest.raises(DomainError, match="wrong_warehouse"):
        by_hand.send_from(foreign, order.pk, dispatch_id=row.pk, actor=STAFF, reason="x")

    assert states() == [("near", "waiting")]
