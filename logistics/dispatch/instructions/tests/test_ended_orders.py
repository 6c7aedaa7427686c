"""Cases about the sending of an order end with the order; those of goods that may have left stay."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone, translation

from logistics import cases
from logistics.cases import GoodsCase, Kind, OrderCase
from logistics.dispatch.instructions.tests.builders import build_pull, count, run_events
from logistics.dispatch.instructions.tests.test_instructions import STAFF
from logistics.models import ShipmentException, Warehouse
from logistics.tests.builders import build_paid, confirm, parcel_of
from orders import machine
from orders.changes import Hold, PartialRefund
from orders.history.lines import SYSTEM, Evidence
from orders.labels import note_label
from orders.models import Order
from orders.tests.builders import apply_changes, move
from ordersite.queue import outbox

pytestmark = pytest.mark.django_db
STAYING = {Kind.CANCEL_UNANSWERED, Kind.WAYBILL_UNKNOWN, Kind.WAYBILL_UNWANTED, Kind.NUMBER_MISSING}


def open_kinds() -> set[str]:
    return set(ShipmentException.objects.open().values_list("kind", flat=True))


def build_case_of_each_kind() -> Order:
    """A paid order with an open case of each kind that is about no parcel of it."""
    order = build_paid()
    warehouse = Warehouse.objects.get(merchant=order.merchant)
    with_warehouse = (Kind.DISPATCH_REFUSED, Kind.DISPATCH_UNANSWERED, Kind.CANCEL_UNANSWERED)
    of_order = (Kind.OUT_OF_STOCK, Kind.WAYBILL_REFUSED, *(STAYING - {Kind.CANCEL_UNANSWERED}))
    with transaction.atomic():
        cases.open_goods_cases(
            [GoodsCase(kind=kind, order_id=order.pk, warehouse_id=warehouse.pk) for kind in with_warehouse]
        )
        cases.open_order_cases([OrderCase(kind, order.pk) for kind in of_order])
    return order


def end(order: Order, how: str) -> None:
    if how == "refunded":
        move(order, "refund", machine.REFUND_CONFIRMED)
    else:  # no door closes what was paid: rows that somebody changed by hand
        Order.objects.filter(pk=order.pk).update(status="closed")
        with transaction.atomic():
            outbox.publish([outbox.Event("order.closed", order.pk, timezone.now())])
    run_events()


@pytest.mark.parametrize("how", ["refunded", "closed"])
def test_cases_about_sending_end_with_the_order(how: str) -> None:
    order = build_case_of_each_kind()

    end(order, how)

    assert open_kinds() == STAYING
    ended = ShipmentException.objects.filter(resolved_at__isnull=False)
    assert {(case.resolution, case.resolved_by) for case in ended} == {(cases.NOTHING_TO_SEND, None)}
    with translation.override("zh-hans"):
        assert note_label(ended[0].resolution) == "订单已没有要发的货"


def test_another_order_keeps_its_cases() -> None:
    stuck, refunded = build_paid(), build_paid()
    with transaction.atomic():
        cases.open_order_cases([OrderCase(Kind.OUT_OF_STOCK, one.pk) for one in (stuck, refunded)])

    end(refunded, "refunded")

    assert ShipmentException.objects.open().get().order_id == stuck.pk


def test_a_held_order_keeps_its_cases() -> None:
    order = build_case_of_each_kind()
    before = open_kinds()

    apply_changes(Hold(order.pk, STAFF, "look"))
    run_events()

    assert open_kinds() == before


def test_a_rest_that_is_refunded_needs_no_goods() -> None:
    count(build_pull("hz", "浙江省"), "cup-1", 0)
    order = build_paid(cups=2)
    confirm(order.merchant, parcel_of(order, cups=1))
    run_events()
    assert open_kinds() == {Kind.OUT_OF_STOCK}

    apply_changes(PartialRefund(order.pk, Decimal("10.00"), SYSTEM, Evidence("query", "R1"), timezone.now()))
    run_events()

    assert open_kinds() == set()
