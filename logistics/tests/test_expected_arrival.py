"""The arrival that the carrier expects: kept, shown to all readers, silent where it is not known or over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from logistics.carriers.types import TrackingStatus
from logistics.dispatch.route import apply_route
from logistics.models import Shipment
from logistics.tests.builders import build_travelling, event, route_of
from orders.models import MerchantMember

pytestmark = pytest.mark.django_db
MOVING = event(120, TrackingStatus.IN_TRANSIT, "快件到达【武汉转运中心】")


def expect(parcel: Shipment, hours: int) -> str:
    """The carrier says it again; returns what the pages shall show."""
    at = timezone.now() + timedelta(hours=hours)
    apply_route(parcel, replace(route_of(MOVING), estimated_at=at), next_check_in=timedelta(hours=2))
    return f"{timezone.localtime(at):%m-%d %H:%M}"


def shown(parcel: Shipment) -> list[bool]:
    """Whether it is said on the tracking page, the merchant's page and the order's page of staff."""
    member, root = User.objects.create_user("shop"), User.objects.create_superuser("root")
    MerchantMember.objects.create(merchant=parcel.order.merchant, user=member)
    said = []
    for user, path in (
        (None, f"/track/{parcel.order.tracking_token}/"),
        (member, f"/shop/orders/{parcel.order.number}/"),
        (root, f"/admin/orders/order/{parcel.order_id}/change/"),
    ):
        client = Client()
        client.cookies["django_language"] = "zh-hans"
        if user:
            client.force_login(user)
        page = client.get(path).content.decode()
        said.append("预计" in page)
    return said


def test_said_on_every_page_while_it_is_ahead() -> None:
    parcel = build_travelling()
    moment = expect(parcel, 30)

    assert shown(parcel) == [True, True, True]
    assert (
        f"预计 {moment} 送达"
        in Client()
        .get(f"/track/{parcel.order.tracking_token}/", headers={"accept-language": "zh-hans"})
        .content.decode()
    )


def test_silent_where_the_carrier_says_nothing() -> None:
    assert shown(build_travelling()) == [False, False, False]


def test_an_answer_without_it_keeps_it() -> None:
    parcel = build_travelling()
    expect(parcel, 30)
    apply_route(parcel, route_of(MOVING), next_check_in=timedelta(hours=2))

    assert Shipment.objects.get().estimated_at is not None


def test_buyers_are_not_shown_what_has_passed() -> None:
    parcel = build_travelling()
    expect(parcel, -1)

    assert shown(parcel)[:2] == [False, False]


def test_gone_once_signed_also_if_it_is_said_again() -> None:
    parcel = build_travelling()
    expect(parcel, 30)
    signed = event(900, TrackingStatus.DELIVERED, "已签收")
    apply_route(parcel, route_of(signed), next_check_in=None)
    expect(parcel, 40)

    assert Shipment.objects.get().estimated_at is None
    assert shown(parcel) == [False, False, False]
