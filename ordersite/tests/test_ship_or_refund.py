"""The warehouse and the refund desk at one order: nothing leaves while a refund of it is under way."""

from __future__ import annotations

import threading
from decimal import Decimal
from functools import partial

import pytest

from logistics.dispatch.confirm import Confirmation, confirm_shipments
from logistics.models import Shipment
from logistics.tests.builders import ERP, build_paid, build_warehouse, parcel_of
from orders.models import Order, OrderEvent
from orders.tests.web import at_once
from payments.models import Payment
from payments.refunds.request import request_refund
from payments.refunds.tests.builders import refundable
from payments.tests.builders import build_payment


def paid_order(cups: int = 2) -> tuple[Order, Payment]:
    account = refundable()
    order = build_paid(merchant=account.merchant, cups=cups)
    return order, build_payment(account, order=order, status="paid")


def requested_refund(payment: Payment) -> str:
    return str(request_refund(payment.pk, Decimal("1.00"), actor_user=None, reason="race").status)


def ship(order: Order, row: Confirmation) -> str:
    return confirm_shipments(order.merchant, [row], actor=ERP)[0].code


def left_after_request(order: Order) -> bool:
    """Whether a parcel left after the request, by the gapless numbers of the order's history."""
    lines = list(OrderEvent.objects.filter(order=order).order_by("seq").values_list("kind", flat=True))
    return "waybill" in lines[lines.index("refund_requested") :]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_read_before_lock_lets_a_parcel_leave() -> None:
    order, payment = paid_order()
    looked, requested = threading.Event(), threading.Event()

    def ship_unguarded() -> None:
        row = parcel_of(order)
        stopped = Order.objects.get(pk=order.pk).is_stopped
        looked.set()
        requested.wait(10)
        if not stopped:
            Shipment.objects.create(
                order=order, merchant=order.merchant, carrier=row.carrier, tracking_number=row.tracking_number,
                warehouse=build_warehouse(order.merchant), shipped_at=order.created_at,
            )  # fmt: skip

    def request() -> None:
        looked.wait(10)
        requested_refund(payment)
        requested.set()

    at_once([ship_unguarded, request])
    assert (Order.objects.get(pk=order.pk).is_stopped, Shipment.objects.count()) == (True, 1)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_no_parcel_leaves_after_the_request() -> None:
    for _round in range(8):
        order, payment = paid_order()
        row = parcel_of(order)
        shipped, requested = at_once([partial(ship, order, row), partial(requested_refund, payment)])
        assert (shipped in {"ok", "held"}, requested) == (True, "approved")
        assert left_after_request(order) is False
        assert Shipment.objects.filter(order=order).exists() is (shipped == "ok")


@pytest.mark.django_db
def test_the_rest_of_a_half_shipped_order_stays() -> None:
    order, payment = paid_order(cups=2)
    assert confirm_shipments(order.merchant, [parcel_of(order, cups=1)], actor=ERP)[0].code == "ok"
    requested_refund(payment)
    assert confirm_shipments(order.merchant, [parcel_of(order)], actor=ERP)[0].code == "held"
    assert (Shipment.objects.count(), Order.objects.get(pk=order.pk).status) == (1, "paid")
