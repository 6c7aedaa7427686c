"""A signature on the way back: nobody's until a person says whose, whatever the carrier repeats."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from logistics.carriers.types import TrackingStatus
from logistics.dispatch.route import Applied, apply_route
from logistics.models import Shipment, ShipmentException
from logistics.tests.builders import build_shipment, event, route_of
from logistics.tests.people import build_agent
from logistics.tracking.stalled import find_stalled
from orders.history.verify import verify_history
from orders.models import OrderEvent

pytestmark = pytest.mark.django_db

HOURS = timedelta(hours=2)
BACK = event(300, TrackingStatus.RETURNING, "退回中")
SIGNED = event(600, TrackingStatus.DELIVERED, "已签收")
LATER = event(700, TrackingStatus.IN_TRANSIT, "扫描")
FIRST = event(60, TrackingStatus.DELIVERED, "买家签收")


@pytest.fixture
def agent() -> Client:
    return build_agent()


def outcome() -> tuple[str, str, str]:
    parcel = Shipment.objects.select_related("order").get()
    return str(parcel.status), parcel.tracking_status, str(parcel.order.status)


def decide(agent: Client, code: str) -> str:
    case = ShipmentException.objects.get(kind="signed_back")
    address = reverse("admin:logistics_shipmentexception_do", args=[case.pk, code])
    return agent.post(address, {"reason": "快递公司说的"}, follow=True).content.decode()


def test_it_is_kept_and_shown_and_a_case(agent: Client) -> None:
    parcel = build_shipment()

    assert apply_route(parcel, route_of(BACK, SIGNED), next_check_in=HOURS) == Applied(2)
    apply_route(parcel, route_of(BACK, SIGNED, LATER), next_check_in=HOURS)

    assert outcome() == ("moving", "returning", "shipped")
    case = ShipmentException.objects.get()
    page = agent.get(reverse("admin:logistics_shipmentexception_change", args=[case.pk])).content.decode()
    assert "退回途中被签收" in page
    assert "向快递公司问清是谁签收的" in page
    card = Client().get(f"/track/{parcel.order.tracking_token}/").content.decode()
    assert "已签收" in card
    assert "退回中" in card
    assert "包裹正在退回" in card
    order_page = agent.get(reverse("admin:orders_order_change", args=[parcel.order_id])).content.decode()
    assert {"已退回到店", "买家已收到"} <= set(re.findall(r"[\u4e00-\u9fff]+", order_page))


def test_after_a_delivery_it_moves_nothing() -> None:
    parcel = build_shipment()
    apply_route(parcel, route_of(FIRST), next_check_in=HOURS)

    apply_route(parcel, route_of(FIRST, BACK, SIGNED), next_check_in=HOURS)

    assert outcome() == ("delivered", "returning", "completed")
    assert ShipmentException.objects.get().kind == "signed_back"


def test_it_is_back(agent: Client) -> None:
    parcel = build_shipment()
    apply_route(parcel, route_of(BACK, SIGNED), next_check_in=HOURS)

    decide(agent, "back")
    apply_route(parcel, route_of(BACK, SIGNED), next_check_in=HOURS)

    assert outcome() == ("returned", "returned", "shipped")
    assert ShipmentException.objects.open().get().kind == "returned"
    assert OrderEvent.objects.filter(trigger="signature_decided", actor_id="agent").count() == 1
    verify_history()


def test_the_buyer_has_it(agent: Client) -> None:
    parcel = build_shipment()
    apply_route(parcel, route_of(BACK, SIGNED), next_check_in=HOURS)

    decide(agent, "kept")
    apply_route(parcel, route_of(BACK, SIGNED, LATER), next_check_in=HOURS)

    assert outcome() == ("delivered", "delivered", "completed")
    assert Shipment.objects.get().delivered_at == SIGNED.at
    assert not ShipmentException.objects.open().exists()
    done = OrderEvent.objects.get(to_status="completed")
    assert (done.actor_kind, done.actor_id) == ("staff", "agent")
    assert "没有什么要判断的" in decide(agent, "back")


def test_carrier_says_it_itself() -> None:
    parcel = build_shipment()
    apply_route(parcel, route_of(BACK, SIGNED), next_check_in=HOURS)
    back = event(900, TrackingStatus.RETURNED, "退回签收")

    apply_route(parcel, route_of(BACK, SIGNED, back), next_check_in=HOURS)
    find_stalled()

    assert outcome() == ("returned", "returned", "shipped")
    assert ShipmentException.objects.open().get().kind == "returned"


def test_parcel_is_not_stalled_besides() -> None:
    parcel = build_shipment()
    apply_route(parcel, route_of(BACK, SIGNED), next_check_in=HOURS)
    Shipment.objects.update(shipped_at=SIGNED.at)

    find_stalled()

    assert ShipmentException.objects.get().kind == "signed_back"
