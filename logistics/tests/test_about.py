"""What logistics contributes to the pages and the API about an order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from logistics import about
from logistics.carriers.types import TrackingStatus
from logistics.dispatch.route import apply_route
from logistics.models import Shipment
from logistics.tests.builders import build_paid, build_travelling, event, route_of
from orders.models import Order
from orders.tests.builders import build_order_in

pytestmark = pytest.mark.django_db


def test_find_by_waybill_number_or_prefix() -> None:
    parcel = build_travelling()
    assert about.find("YT1234567890123") == [parcel.order_id]
    assert about.find(" yt12345678 90123") == [parcel.order_id]
    assert about.find("YT12345") == [parcel.order_id]
    assert [about.find(term) for term in ("YT9999999", "", "YT1", "%", "王小明", "A" * 60)] == [[]] * 6


def test_parts_take_two_queries() -> None:
    parcel, other = build_travelling(), build_paid()

    with CaptureQueriesContext(connection) as queries:
        parts = about.parts([parcel.order, other])

    assert len(queries) == 2
    assert parts[other.pk] == []
    assert parts[parcel.order_id] == [
        {
            "carrier": "yto",
            "tracking_number": "YT1234567890123",
            "status": "moving",
            "insured_value": None,
            "shipped_at": timezone.localtime(parcel.shipped_at).isoformat(),
            "events": [
                {
                    "at": "2026-11-01T09:00:00+08:00",
                    "status": "picked_up",
                    "text": "快件已被揽收",
                    "location": "杭州市",
                },
                {
                    "at": "2026-11-01T10:00:00+08:00",
                    "status": "in_transit",
                    "text": "快件离开深圳转运中心",
                    "location": "杭州市",
                },
            ],
        }
    ]


def test_panel_and_timeline_agree() -> None:
    parcel = build_travelling()
    item = about.panel(parcel.order).items[0]
    assert item.title.endswith("YT1234567890123")
    assert (item.tone, item.url_id) == ("waiting", parcel.pk)
    details = [entry.detail for entry in about.timeline(parcel.order)]
    assert details == ["快件已被揽收", "快件离开深圳转运中心"]


@pytest.mark.parametrize(
    ("status", "states"),
    [
        ("pending", ["not_applicable"] * 4),
        ("paid", ["not_applicable", "waiting", "not_applicable", "not_applicable"]),
    ],
)
def test_explain_without_parcels(status: str, states: list[str]) -> None:
    assert [link.state for link in about.explain(build_order_in(status))] == states


def test_explain_names_the_first_broken_link() -> None:
    parcel = build_travelling()

    assert [link.state for link in about.explain(parcel.order)[1:]] == ["good", "good", "waiting"]

    Shipment.objects.update(last_problem="misconfigured: 503 验证签名失败")
    broken = about.explain(parcel.order)[2]

    assert (broken.state, broken.cause_code) == ("broken", "carrier_account_unusable")

    signed = event(900, TrackingStatus.DELIVERED, "已签收")
    apply_route(parcel, route_of(signed), next_check_in=timedelta(hours=2))

    assert [link.state for link in about.explain(Order.objects.get(pk=parcel.order_id))[1:]] == [
        "good",
        "good",
        "good",
    ]
