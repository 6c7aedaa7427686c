"""Tracking links: how often they may be opened, when they end, and what they never show."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from secrets import token_urlsafe
from typing import Any

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from logistics import pages
from logistics.buyer_texts import for_buyers
from logistics.carriers.types import TrackingStatus
from logistics.dispatch.route import apply_route
from logistics.models import Shipment
from logistics.tests.builders import build_paid, build_shipment, build_travelling, event, route_of
from orders.models import Order
from orders.tests.builders import build_order, build_order_in
from ordersite.server import request_rate

pytestmark = pytest.mark.django_db

NAME, PHONE, STREET = "金丝雀甲乙", "13912345678", "灯笼街99号"
ENDS = {"completed": "completed_at", "closed": "closed_at", "refunded": "refunded_at"}


def paths(order: Order) -> list[str]:
    page = f"/track/{order.tracking_token}/"
    return [page, f"{page}qr.svg", f"{page}state/"]


@pytest.fixture
def still_minute(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """One minute that does not end, and a cache that answers however busy the machine is."""
    in_memory = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {"default": {"BACKEND": in_memory, "LOCATION": token_urlsafe(8)}}
    monkeypatch.setattr(request_rate.time, "time", lambda: 1_000_000_000.0)


@pytest.mark.parametrize("status", ENDS)
def test_link_ends_some_days_after_its_order(status: str, settings: Any) -> None:
    settings.TRACKING_LINK_DAYS = 3
    order = build_order_in(status)
    column, ended_at = ENDS[status], timezone.now() - timedelta(days=3)

    Order.objects.filter(pk=order.pk).update(**{column: ended_at + timedelta(minutes=1)})
    before = [Client().get(path).status_code for path in paths(order)]
    Order.objects.filter(pk=order.pk).update(**{column: ended_at})
    answers = [Client().get(path) for path in paths(order)]

    assert before == [200, 200, 200]
    assert [answer.status_code for answer in answers] == [410, 410, 410]
    assert {answer.headers["X-Robots-Tag"] for answer in answers} == {"noindex, nofollow"}
    assert "链接已失效" in answers[0].content.decode()
    assert order.number not in answers[0].content.decode()


def test_ended_link_polls_nothing(settings: Any) -> None:
    parcel = build_shipment()
    Order.objects.filter(pk=parcel.order_id).update(status="refunded", refunded_at=timezone.now())
    settings.TRACKING_LINK_DAYS = 0
    before = Shipment.objects.get()

    assert Client().post(paths(parcel.order)[0]).status_code == 410

    assert Shipment.objects.get().next_check_at == before.next_check_at


def test_open_order_has_a_link_without_end(settings: Any) -> None:
    settings.TRACKING_LINK_DAYS = 0
    orders = [build_order(), build_order_in("paid"), build_travelling().order]
    assert [Client().get(paths(order)[0]).status_code for order in orders] == [200, 200, 200]


def test_sixty_views_a_minute_and_address(still_minute: None) -> None:
    page, qr, state = paths(build_paid())
    here, there = Client(REMOTE_ADDR="203.0.113.7"), Client(REMOTE_ADDR="203.0.113.8")

    answers = [here.get(path) for path in [page, qr, state] * 21]

    assert [answer.status_code for answer in answers] == [200] * 60 + [429] * 3
    assert answers[-3].headers["Retry-After"] == "20"
    assert answers[-3].headers["X-Robots-Tag"] == "noindex, nofollow"
    assert "请一分钟后再打开" in answers[-3].content.decode()
    assert here.post(page).status_code == 429
    assert there.get(page).status_code == 200


def test_views_begin_anew_each_minute(still_minute: None, monkeypatch: pytest.MonkeyPatch) -> None:
    page, here = paths(build_paid())[0], Client(REMOTE_ADDR="203.0.113.7")
    statuses = []

    for minute in (0, 60):
        monkeypatch.setattr(request_rate.time, "time", lambda now=minute: 1_000_000_000.0 + now)
        statuses += [here.get(page).status_code for _view in range(61)]

    assert Counter(statuses) == {200: 120, 429: 2}


def test_ten_thousand_guesses_are_refused(still_minute: None) -> None:
    build_shipment()
    request = RequestFactory().get("/track/x/", REMOTE_ADDR="203.0.113.7")
    statuses: Counter[int] = Counter()

    with CaptureQueriesContext(connection) as queries:
        for _guess in range(10_000):
            try:
                statuses[pages.track(request, token_urlsafe(18)).status_code] += 1
            except pages.Http404:
                statuses[404] += 1

    assert statuses == {404: 60, 429: 9_940}
    assert len(queries) == 60


def test_guess_never_differs_from_a_wrong_address() -> None:
    token = build_shipment().order.tracking_token
    guesses = [token[:-1] + "!", token.swapcase(), token[:-1], f"{token}A", token[::-1]]
    answers = [Client().get(f"/track/{guess}/") for guess in guesses]
    assert {(answer.status_code, len(answer.content)) for answer in answers} == {
        (404, len(answers[0].content))
    }


def test_personal_data_in_texts_of_couriers_is_hidden() -> None:
    order = build_paid()
    Order.objects.update(buyer_name=NAME, buyer_phone=PHONE, street=STREET)
    parcel = build_shipment(order=Order.objects.get(pk=order.pk))
    texts = [
        f"【杭州市】快件正在派送，派件员：王师傅，电话：{PHONE}，收件人：{NAME}",
        f"已送达 {STREET}，联系电话 139 1234 5678，派件员 +86 13712349876",
        f"签收人：{NAME}",
    ]
    steps = [event(minute, TrackingStatus.OUT_FOR_DELIVERY, text) for minute, text in enumerate(texts)]
    apply_route(parcel, route_of(*steps), next_check_in=timedelta(hours=2))

    shown = [Client().get(path).content.decode() for path in paths(order)]

    assert "金***乙" in shown[0] or "金*乙" in shown[0]
    for secret in (NAME, PHONE, STREET, "139 1234 5678", "13712349876", "12345678"):
        assert [secret in text for text in shown] == [False] * 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("派件员电话：13712349876", "派件员电话：137****9876"),
        ("签收人：王小明", "签收人：王*明"),
        ("已放至文三路 1 号门口", "已放至…门口"),
        ("已放至文三路1号门口", "已放至…门口"),
        ("网点电话：0571-88886666，客服 95338", "网点电话：0571-88886666，客服 95338"),
        ("运单 YT1234567890123 已揽收", "运单 YT1234567890123 已揽收"),
        ("", ""),
    ],
)
def test_text_for_buyers(text: str, shown: str) -> None:
    assert for_buyers(text, build_order()) == shown


def test_state_changes_with_what_the_page_says(still_minute: None) -> None:
    parcel = build_travelling()
    state = paths(parcel.order)[2]

    def version() -> str:
        answer = Client().get(state)
        assert list(answer.json()) == ["version"]
        return str(answer.json()["version"])

    first = version()
    again = version()
    step = event(90, TrackingStatus.OUT_FOR_DELIVERY, "快件正在派送")
    apply_route(parcel, route_of(step), next_check_in=timedelta(hours=2))
    moved = version()
    Order.objects.update(refunds_pending="1.00")

    assert first == again
    assert len({first, moved, version()}) == 3


def test_state_is_two_queries_and_the_pages_own() -> None:
    parcel = build_travelling()
    page, _qr, state = paths(parcel.order)
    with CaptureQueriesContext(connection) as queries:
        version = Client().get(state).json()["version"]
    assert len(queries) == 2
    assert f'data-version="{version}"' in Client().get(page).content.decode()


def test_finished_order_is_not_looked_at_again() -> None:
    shown = [Client().get(paths(build_order_in(status))[0]).content.decode() for status in ("paid", "closed")]
    assert [" data-final" in html for html in shown] == [False, True]
