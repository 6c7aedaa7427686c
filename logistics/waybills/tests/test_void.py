"""A waybill cancelled at the carrier whose parcel is there already: order and parcel stay, a case says what to do."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from logistics.dispatch.renumber import change_number
from logistics.models import Shipment, ShipmentException, WaybillOrder
from logistics.tests.builders import build_paid
from logistics.tests.people import build_agent
from logistics.tracking.stalled import find_stalled
from logistics.waybills.resolve import resolve_waybills
from logistics.waybills.tests.builders import build_reserved, build_small_account, make_due
from logistics.waybills.tests.small_carrier import SmallCarrier
from orders.history.lines import Actor
from orders.models import Order, OrderEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent() -> Client:
    return build_agent()


@pytest.fixture
def waybill(carrier: SmallCarrier) -> WaybillOrder:
    build_small_account(carrier)
    made = build_reserved(build_paid())
    resolve_waybills()
    return WaybillOrder.objects.get(pk=made.pk)


def cancel(agent: Client, waybill: WaybillOrder) -> str:
    address = reverse("admin:logistics_waybillorder_do", args=[waybill.pk, "void"])
    return agent.post(address, {"reason": "发错仓"}, follow=True).content.decode()


def case_page(agent: Client) -> str:
    case = ShipmentException.objects.get()
    return agent.get(reverse("admin:logistics_shipmentexception_change", args=[case.pk])).content.decode()


def test_order_and_parcel_stay(agent: Client, carrier: SmallCarrier, waybill: WaybillOrder) -> None:
    cancel(agent, waybill)

    resolve_waybills()

    assert (Order.objects.get().status, Shipment.objects.get().status) == ("shipped", "shipped")
    assert carrier.calls.count("cancel") == 1
    assert carrier.wanted_numbers == set()
    assert "改用其他单号" in case_page(agent)
    assert OrderEvent.objects.filter(trigger="waybill_cancelled").count() == 1
    page = agent.get(reverse("admin:logistics_waybillorder_change", args=[waybill.pk])).content.decode()
    assert "已在快递公司取消" in page
    assert agent.get(reverse("admin:logistics_waybillorder_label", args=[waybill.pk])).status_code == 404


def test_new_number_ends_the_case(agent: Client, waybill: WaybillOrder) -> None:
    cancel(agent, waybill)
    resolve_waybills()
    assert find_stalled().resolved == 0

    parcel = Shipment.objects.get()
    change_number(parcel.pk, carrier="sf", number="SF1234567890", actor=Actor("staff", "li"), reason="x")

    assert find_stalled().resolved == 1


def test_refusal_is_a_case_and_changes_nothing(
    agent: Client, carrier: SmallCarrier, waybill: WaybillOrder
) -> None:
    carrier.faults["cancel"] = ["已揽收不可取消"]
    cancel(agent, waybill)

    resolve_waybills()

    page = case_page(agent)
    assert "快递公司没有取消" in page
    assert "已揽收不可取消" in page
    after = WaybillOrder.objects.get()
    assert (after.is_printable, after.next_try_at) == (True, None)


def test_lost_answer_is_tried_again(agent: Client, carrier: SmallCarrier, waybill: WaybillOrder) -> None:
    carrier.faults["cancel"] = ["lost"]
    cancel(agent, waybill)
    resolve_waybills()
    assert not ShipmentException.objects.exists()

    make_due()
    resolve_waybills()

    assert ShipmentException.objects.get().kind == "waybill_void"


def test_scanned_parcel_is_left_alone(agent: Client, carrier: SmallCarrier, waybill: WaybillOrder) -> None:
    Shipment.objects.update(status="moving")

    assert "包裹已在快递公司手里" in cancel(agent, waybill)

    assert resolve_waybills() == 0
    assert "cancel" not in carrier.calls
