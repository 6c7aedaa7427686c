"""The public tracking page and its QR code."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from logistics.carriers.types import CityStrip, RouteEvent, TrackingStatus
from logistics.dispatch.route import apply_route
from logistics.models import Shipment
from logistics.tests.builders import (
    build_account,
    build_paid,
    build_shipment,
    build_travelling,
    confirm,
    event,
    parcel_of,
    route_of,
)
from orders.models import Order
from orders.tests.builders import build_order, build_order_in

pytestmark = pytest.mark.django_db

URL = "https://poll.example.com/query.do"


def page(order: Order, *, language: str = "en") -> str:
    client = Client()
    client.cookies["django_language"] = language
    answer = client.get(f"/track/{order.tracking_token}/")
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("pending", "Waiting for payment"),
        ("paid", "The warehouse is packing"),
        ("closed", "The order is closed"),
        ("refunded", "The order is refunded"),
    ],
)
def test_order_without_parcels(status: str, text: str) -> None:
    assert text in page(build_order_in(status))


def test_pending_order_leads_to_its_payment() -> None:
    waiting, paid, overdue = build_order(), build_order_in("paid"), build_order(due_in=timedelta(seconds=-1))
    shown = [f"/pay/order/{order.tracking_token}/" in page(order) for order in (waiting, paid, overdue)]
    assert shown == [True, False, False]


def test_route_is_shown_newest_first() -> None:
    parcel = build_travelling()
    Shipment.objects.update(insured_value="500.00")
    html = page(parcel.order)
    for text in ("In transit", "YT1234567890123", "YTO", "深圳", "杭州", "insured", "¥500.00"):
        assert text in html
    way = html[html.index('class="journey"') :]
    assert way.index("快件离开深圳转运中心") < way.index("快件已被揽收")


def test_way_is_drawn_from_the_events() -> None:
    parcel = build_travelling()
    steps = [
        RouteEvent(at=at, status=TrackingStatus.IN_TRANSIT, text=f"【{city}】到达", location=location)
        for at, city, location in (
            (timezone.now() - timedelta(hours=3), "武汉市", ""),
            (timezone.now() - timedelta(hours=2), "", "湖南,长沙市"),
        )
    ]
    apply_route(parcel, route_of(*steps), next_check_in=timedelta(hours=2))

    html = page(parcel.order)

    caption = re.sub(r"<[^>]+>", "", html[html.index("<figcaption>") : html.index("</figcaption>")])
    assert caption == "深圳→杭州→武汉→长沙(now here)⇢杭州(goes here)"
    assert (html.count("route-leg-done"), html.count("route-leg-ahead")) == (3, 1)
    assert 'class="strip"' not in html


def test_unknown_cities_are_a_plain_strip() -> None:
    parcel = build_shipment()
    step = RouteEvent(
        at=timezone.now(), status=TrackingStatus.IN_TRANSIT, text="到达", location="华东分拨中心"
    )
    cities = CityStrip(origin="某镇", current="", destination="某乡")
    apply_route(parcel, route_of(step, cities=cities), next_check_in=timedelta(hours=2))

    html = page(parcel.order)

    assert ("某镇" in html, 'class="strip"' in html, "<figure" in html) == (True, True, False)


def test_carrier_that_answers_no_more_is_said() -> None:
    parcel, now = build_travelling(), timezone.now()
    silent = {"last_checked_at": now - timedelta(hours=25), "last_poll_at": now, "last_problem": "busy"}
    shown = []

    for columns in ({"last_checked_at": now}, silent, {"capped_until": now + timedelta(hours=3)}):
        Shipment.objects.update(next_check_at=now + timedelta(hours=2), **columns)
        shown.append(page(parcel.order, language="zh-hans"))

    assert ["已不再回答这个单号" in html for html in shown] == [False, True, False]
    assert ["今天不再回答这个单号" in html for html in shown] == [False, False, True]
    next_at = timezone.localtime(now + timedelta(hours=2)).strftime("%m-%d %H:%M")
    assert [f"约 {next_at} 自动查询" in html for html in shown] == [True, True, False]


def test_nothing_personal_is_shown() -> None:
    html = page(build_travelling().order)
    for secret in ("13800138000", "8000", "王小明", "文三路"):
        assert secret not in html


def test_partly_shipped_order_announces_more() -> None:
    order = build_paid(cups=2)
    confirm(order.merchant, parcel_of(order, cups=1))
    assert "another parcel" in page(order)


def test_text_of_a_carrier_is_escaped() -> None:
    parcel = build_shipment()
    way = route_of(event(0, TrackingStatus.IN_TRANSIT, "<script>alert(1)</script>"))
    apply_route(parcel, way, next_check_in=timedelta(hours=2))
    assert "<script>alert(1)" not in page(parcel.order)


@pytest.mark.parametrize("token", ["A" * 24, "short", "../../etc/passwd", "x" * 400])
@pytest.mark.parametrize("tail", ["", "qr.svg"])
def test_unknown_token_is_404(token: str, tail: str) -> None:
    build_shipment()
    assert Client().get(f"/track/{token}/{tail}").status_code == 404
    assert Client().post(f"/track/{token}/").status_code == 404


def test_not_cached_indexed_or_referred() -> None:
    answer = Client().get(f"/track/{build_paid().tracking_token}/")
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_constant_number_of_queries() -> None:
    counted = []

    for parcels in (1, 3):
        order = build_paid(cups=4)
        for _ in range(parcels):
            confirm(order.merchant, parcel_of(order, cups=1))
        with CaptureQueriesContext(connection) as queries:
            page(order)
        counted.append(len(queries))

    assert counted[0] == counted[1]
    # Six for what is true of the order: money, requests, the cases of two apps, and what keeps its goods from leaving.
    assert counted[0] <= 11


def test_qr_code_depends_on_the_address(settings: Any) -> None:
    order = build_paid()
    answer = Client().get(f"/track/{order.tracking_token}/qr.svg")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/svg+xml")
    settings.PUBLIC_BASE_URL = "https://another.example.com"
    assert Client().get(f"/track/{order.tracking_token}/qr.svg").content != answer.content


def test_refresh_keeps_the_minimum_interval() -> None:
    build_account(URL)
    parcel = build_travelling()
    later = timezone.now() + timedelta(hours=2)
    Shipment.objects.update(next_check_at=later, last_poll_at=timezone.now() - timedelta(minutes=29))

    assert "Refresh</button>" not in page(parcel.order)
    assert Client().post(f"/track/{parcel.order.tracking_token}/").status_code == 302
    assert Shipment.objects.get().next_check_at == later

    Shipment.objects.update(last_poll_at=timezone.now() - timedelta(minutes=31))

    assert "Refresh</button>" in page(parcel.order)

    client = Client(enforce_csrf_checks=True)

    assert client.post(f"/track/{parcel.order.tracking_token}/").status_code == 403

    Client().post(f"/track/{parcel.order.tracking_token}/")

    moved = Shipment.objects.get().next_check_at
    assert moved is not None
    assert moved <= timezone.now()
    assert "Asking the carrier" in page(parcel.order)


@pytest.mark.parametrize(
    ("wanted", "goes"),
    [("/shop/orders/", "/shop/orders/"), ("https://evil.example/", None), ("//evil.example", None)],
)
def test_refresh_redirects_to_own_pages_only(wanted: str, goes: str | None) -> None:
    order = build_paid()
    path = f"/track/{order.tracking_token}/"
    assert Client().post(path, {"next": wanted}).headers["Location"] == (goes or path)


def test_answer_without_news_is_not_news() -> None:
    parcel = build_travelling()
    now = timezone.now()
    Shipment.objects.update(
        last_checked_at=now, last_poll_at=now, last_event_at=now - timedelta(minutes=16), last_problem=""
    )

    shown = page(parcel.order, language="zh-hans")

    assert ("刚刚查询过快递" in shown, "最近一条动态：16" in shown) == (True, True)
    assert "刚刚更新" not in shown


def test_query_without_an_answer_is_said() -> None:
    parcel = build_travelling()
    now = timezone.now()
    Shipment.objects.update(
        last_checked_at=now - timedelta(minutes=40), last_poll_at=now, last_problem="busy: HTTP 502"
    )

    shown = page(parcel.order, language="zh-hans")

    polled = timezone.localtime(now).strftime("%H:%M")
    assert f"{polled} 查询没有应答" in shown
    assert "40 分钟前查询过快递" in shown.replace("\xa0", " ")
