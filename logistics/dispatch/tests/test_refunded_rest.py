"""Delivered and refunded goods together end an order; a sum that is not the worth of the rest refunds no line."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from logistics.carriers.types import TrackingStatus
from logistics.dispatch.route import apply_route
from logistics.models import Shipment
from logistics.tests.builders import build_paid, confirm, event, parcel_in, parcel_of, route_of
from orders.changes import PartialRefund, ReleaseRefund, ReserveRefund
from orders.history.lines import SYSTEM, Evidence
from orders.models import Order, OrderEvent, TransitionRule
from orders.tests.builders import apply_changes
from orders.truth.sentence import truth_of
from ordersite import relay

pytestmark = pytest.mark.django_db
PROOF = Evidence("query", "R1")


def send(order: Order, cups: int) -> Shipment:
    return parcel_in(confirm(order.merchant, parcel_of(order, cups=cups))[0])


def arrive(parcel: Shipment, status: TrackingStatus = TrackingStatus.DELIVERED) -> None:
    apply_route(parcel, route_of(event(60, status, "到了")), next_check_in=timedelta(hours=2))


def give_back(order: Order, total: str) -> None:
    apply_changes(PartialRefund(order.pk, Decimal(total), SYSTEM, PROOF, timezone.now()))
    relay.run_relay()


def moves(order: Order) -> list[tuple[str, str]]:
    lines = OrderEvent.objects.filter(order=order, kind="transition").order_by("seq")
    return [(line.to_status, line.trigger) for line in lines if line.to_status not in ("pending", "paid")]


def test_delivered_and_refunded_complete_it() -> None:
    order = build_paid(cups=2)
    arrive(send(order, 1))
    assert moves(order) == []

    give_back(order, "10.00")

    assert moves(order) == [("shipped", "refund_confirmed"), ("completed", "refund_confirmed")]
    fresh = Order.objects.get(pk=order.pk)
    assert (fresh.shipped_at is not None, truth_of(fresh).code) == (True, "completed")


def test_rest_refunded_before_the_parcel_arrives() -> None:
    order = build_paid(cups=3)
    parcel = send(order, 1)

    give_back(order, "20.00")

    assert moves(order) == [("shipped", "refund_confirmed")]
    assert confirm(order.merchant, parcel_of(order))[0].code == "over_shipped"
    arrive(parcel)
    assert moves(order)[1:] == [("completed", "carrier")]


def test_rest_refunded_before_the_first_parcel() -> None:
    order = build_paid(cups=2)
    give_back(order, "10.00")
    assert moves(order) == []

    parcel = send(order, 1)

    assert moves(order) == [("shipped", "refund_confirmed")]
    assert confirm(order.merchant, parcel_of(order))[0].code == "over_shipped"
    arrive(parcel)
    assert moves(order)[1:] == [("completed", "carrier")]


def test_one_parcel_comes_back() -> None:
    """Given two parcels of which one was returned and refunded, the order is complete whichever comes last."""
    order = build_paid(cups=2)
    first, second = send(order, 1), send(order, 1)
    arrive(first, TrackingStatus.RETURNED)
    give_back(order, "10.00")
    assert moves(order) == [("shipped", "warehouse")]

    arrive(second)

    assert moves(order)[1:] == [("completed", "refund_confirmed")]


def test_returned_parcel_is_refunded_last() -> None:
    order = build_paid(cups=2)
    first, second = send(order, 1), send(order, 1)
    arrive(second)
    arrive(first, TrackingStatus.RETURNED)

    give_back(order, "10.00")

    assert moves(order)[1:] == [("completed", "refund_confirmed")]


@pytest.mark.parametrize("total", ["9.99", "5.00", "19.00"])
def test_other_sum_refunds_no_line(total: str) -> None:
    order = build_paid(cups=2)
    arrive(send(order, 1))

    give_back(order, total)

    assert moves(order) == []
    assert confirm(order.merchant, parcel_of(order))[0].code == "ok"


def test_sum_for_an_unsent_order_stops_nothing() -> None:
    order = build_paid(cups=2)
    give_back(order, "10.00")
    assert confirm(order.merchant, parcel_of(order))[0].code == "ok"
    assert moves(order) == [("shipped", "warehouse")]


def test_waits_for_a_refund_under_way() -> None:
    order = build_paid(cups=2)
    arrive(send(order, 1))
    apply_changes(ReserveRefund(order.pk, Decimal("1.00"), SYSTEM, PROOF))
    give_back(order, "10.00")
    assert (moves(order), confirm(order.merchant, parcel_of(order))[0].code) == ([], "held")

    apply_changes(ReleaseRefund(order.pk, Decimal("1.00"), SYSTEM, PROOF))
    relay.run_relay()

    assert moves(order) == [("shipped", "refund_confirmed"), ("completed", "refund_confirmed")]


@pytest.mark.parametrize("action", ["ship", "complete"])
def test_switched_off_it_stays(action: str) -> None:
    TransitionRule.objects.filter(action=action, trigger="refund_confirmed").update(is_enabled=False)
    order = build_paid(cups=2)
    arrive(send(order, 1))

    give_back(order, "10.00")

    assert moves(order) == ([] if action == "ship" else [("shipped", "refund_confirmed")])
