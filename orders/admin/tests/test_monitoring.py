"""The page on monitoring shows what was counted beside what is usual, and leads to the rows behind each number."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from orders.admin.monitoring.chart import Interval, chart_of, round_up
from orders.models import HourCount, Merchant, Order, WatchLimit
from orders.models.monitoring.minutes import minute_of
from orders.monitoring.counting import count
from orders.monitoring.run import watch_orders
from orders.monitoring.tests.history import build_orders, evenly, write_hours
from orders.tests.builders import build_buyer, build_merchant
from ordersite.health.models import Alert
from ordersite.queue.models import AuditEntry

pytestmark = pytest.mark.django_db
PAGE = "/admin/orders/minutecount/"
MINUTE = timedelta(minutes=1)


def person(role: str) -> Client:
    user = User.objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client(headers={"accept-language": "en"})
    client.cookies["django_language"] = "en"
    client.force_login(user)
    return client


def shown(client: Client, query: str = "") -> str:
    answer = client.get(PAGE + query)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", unescape(answer.content.decode()))


@pytest.fixture
def shop() -> Merchant:
    """Four orders in the last minutes, three of them of one buyer and from one address."""
    shop, now = build_merchant(), timezone.now()
    build_orders(shop, [now - 20 * MINUTE])
    build_orders(shop, evenly(now - MINUTE, now, 3), buyer=build_buyer(shop), client_ip="198.51.100.7")
    count(now)
    return shop


def linked_orders(client: Client, html: str, words: str) -> list[int]:
    """The orders behind the link with these words."""
    (address,) = set(re.findall(rf'href="([^"]*)">{re.escape(words)}</a>', html))
    answer = client.get(address)
    assert answer.status_code == 200
    return [order.pk for order in answer.context["cl"].result_list]


def test_a_new_shop_reads_that_it_has_no_baseline(shop: Merchant) -> None:
    html = shown(person("viewer"))

    assert "No baseline yet: two weeks of orders are needed" in html
    assert "Nothing in this time." in html  # nothing was refused


def test_a_shop_without_orders() -> None:
    build_merchant()

    assert "No baseline yet: this shop never had an order." in shown(person("viewer"))


def test_what_is_usual_stands_beside_what_was_counted(shop: Merchant) -> None:
    hour = minute_of(timezone.now()) // 60
    HourCount.objects.all().delete()
    write_hours(shop, dict.fromkeys(range(hour - 8 * 7 * 24, hour), 30))

    html = shown(person("viewer"))

    assert (
        "Usual at this hour: 30 orders an hour, seldom less than 19 or more than 41 (median of 8 weeks)"
        in html
    )
    assert html.count('class="mo-line"') == 1


def test_numbers_lead_to_their_orders(shop: Merchant) -> None:
    client, buyers = person("viewer"), Order.objects.filter(client_ip="198.51.100.7").order_by("-pk")
    same = list(buyers.values_list("pk", flat=True))
    html = shown(client)

    assert linked_orders(client, html, "198.51.100.7") == same
    assert linked_orders(client, html, buyers[0].buyer.outside_id) == same
    every = {pk for url in re.findall(r'href="(/admin/orders/order/\?[^"]*minutes=\d+-\d+)">\d', html)
             for pk in (order.pk for order in client.get(url).context["cl"].result_list)}  # fmt: skip
    assert every == set(Order.objects.values_list("pk", flat=True))


@pytest.mark.parametrize(
    "query", ["minutes=1-x", "minutes=9-1", "address=1:1.1.1.1", "buyer=x:y", "buyer=9:y"]
)
def test_senseless_filters_find_nothing(shop: Merchant, query: str) -> None:
    answer = person("viewer").get(f"/admin/orders/order/?{query}")

    assert answer.status_code == 200
    assert list(answer.context["cl"].result_list) == []


def test_shops_are_chosen(shop: Merchant) -> None:
    other, client = build_merchant("other"), person("viewer")

    assert "Choose a merchant to see what is usual" in shown(client)
    assert 'Orders created <span class="os-second">4</span>' in shown(client)
    assert 'Orders created <span class="os-second">0</span>' in shown(client, f"?merchant={other.pk}")
    for span in ("day", "week"):
        assert 'class="os-second">4</span>' in shown(client, f"?merchant={shop.pk}&span={span}")


def test_an_alert_leads_to_the_page(shop: Merchant) -> None:
    build_orders(shop, [timezone.now()] * 7, client_ip="198.51.100.8", buyer=Order.objects.latest("pk").buyer)
    watch_orders()
    alert, operations = Alert.objects.get(), person("operations")

    page = unescape(operations.get("/admin/health/alert/").content.decode())

    assert f'href="{PAGE}?merchant={shop.pk}"' in page
    assert "10 attempts in 5 minutes, 0 of them refused. An alert from 8." in page
    assert f"/admin/health/alert/{alert.pk}/change/" in shown(operations)


def test_limits_are_changed_with_a_right_and_audited(shop: Merchant) -> None:
    address = "/admin/orders/watchlimit/add/"
    assert person("agent").post(address, {"merchant": shop.pk, "times_usual": 5}).status_code == 403

    answer = person("operations").post(address, {"merchant": shop.pk, "times_usual": 5})

    assert answer.status_code == 302
    assert WatchLimit.objects.get().times_usual == 5
    entry = AuditEntry.objects.get(table_name="orders_watchlimit")
    assert (entry.column_name, entry.old_value, entry.new_value) == ("times_usual", "", "5")
    assert entry.database_user == "staff: operations"


def test_chart_fits_bars_and_band_into_one_scale() -> None:
    start = timezone.now()
    known = [Interval(start, 3, usual=(1, 2, 7)), Interval(start, 9)]

    chart = chart_of([*known, Interval(start, 0, usual=(0, 1, 2))])

    assert (chart.top, chart.total) == (9, 12)
    assert [(bar.y, bar.height) for bar in chart.bars] == [(66.67, 33.33), (0, 100), (100, 0)]
    assert len(chart.lines) == len(chart.bands) == 2


@pytest.mark.parametrize(
    ("value", "top"), [(1, 1), (7, 7), (10, 10), (11, 20), (23, 30), (101, 200), (0.4, 1)]
)
def test_axes_end_at_one_figure(value: float, top: int) -> None:
    assert round_up(value) == top
