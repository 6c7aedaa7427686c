"""The pages of the log of calls and of an account's health: what happened is seen in one look, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_httpserver import HTTPServer

from logistics.accounts import save_account
from logistics.carriers import registry
from logistics.models import CarrierAccount, CarrierCall
from logistics.tests.builders import build_account, build_parcels, build_shipment
from logistics.tracking.account_health import Calls, health_of
from logistics.tracking.run import poll_tracking
from logistics.tracking.tests.fake_many import ManyAtOnce, ManySide
from orders.models import Order
from orders.tests.builders import build_merchant
from ordersite.outside_accounts.web_calls import QUERIES_OF_AN_ACCOUNT, web_calls

pytestmark = pytest.mark.django_db
LOG = "/admin/logistics/carriercall/"
ACCOUNT = "/admin/logistics/carrieraccount/"


@pytest.fixture
def root(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Iterator[ManySide]:
    monkeypatch.setattr(registry, "CARRIERS", {**registry.CARRIERS, "yto": ManyAtOnce()})
    with HTTPServer(threaded=True) as server:
        yield ManySide(server)


@pytest.fixture
def account(many: ManySide) -> CarrierAccount:
    data = {"query_url": many.url, "key": "KEY-OF-MANY"}
    return save_account("many", carrier="yto", merchant=build_merchant(), data=data).account


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def call(account: CarrierAccount, **values: Any) -> CarrierCall:
    usual = {"operation": "query", "subject": "YT1", "http_status": 200, "result": "ok", "duration_ms": 100}
    return CarrierCall.objects.create(account=account, **{**usual, **values})


def test_order_parcel_and_account_lead_to_the_log(
    root: Client, many: ManySide, account: CarrierAccount
) -> None:
    parcel = build_shipment()
    many.states = {parcel.tracking_number: "nothing_found"}
    poll_tracking()

    for address in (
        f"/admin/orders/order/{parcel.order_id}/change/",
        f"/admin/logistics/shipment/{parcel.pk}/change/",
    ):
        shown = page(root, address)
        assert "HTTP 200 · 快递公司暂无该运单号的信息" in shown
        assert f'href="{LOG}?q={parcel.tracking_number}"' in shown
    assert f'href="{LOG}?account={account.pk}"' in page(root, f"{ACCOUNT}{account.pk}/change/")


def test_people_without_the_right_see_no_link(
    client: Client, many: ManySide, account: CarrierAccount
) -> None:
    parcel = build_shipment()
    poll_tracking()
    user = User.objects.create_user("someone", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_order", "view_shipment"]))
    client.force_login(user)

    assert LOG not in page(client, f"/admin/orders/order/{parcel.order_id}/change/")
    assert client.get(LOG).status_code == 403


def test_search_and_filters_find_the_calls(root: Client) -> None:
    parcel = build_shipment()
    Order.objects.filter(pk=parcel.order_id).update(number="20261122-ABCD-EFGH")
    one, two = build_account("http://127.0.0.1:9/q"), build_account("http://127.0.0.1:9/q", slug="two")
    good = call(one, subject="SF0000000001", order=parcel.order)
    bad = call(two, subject="R0000000002", operation="create_waybill", result="unknown", http_status=None)
    links = {row.pk: f'href="{LOG}{row.pk}/change/' for row in (good, bad)}

    def found(query: str) -> set[int]:
        shown = page(root, LOG + query)
        return {pk for pk, link in links.items() if link in shown}

    assert found("") == {good.pk, bad.pk}
    assert found("?q=SF0000000001") == found("?q=20261122-ABCD-EFGH") == {good.pk}
    assert found(f"?q=%23{bad.pk}") == found("?q=R0000000002") == {bad.pk}
    assert found(f"?account={two.pk}") == found("?operation=create_waybill") == {bad.pk}
    assert found("?result=failed") == {bad.pk}
    assert found("?result=usable") == {good.pk}
    assert found("?q=nothing-like-it") == set()


@pytest.mark.postgres
@pytest.mark.parametrize("operation", ["subscribe", "query"])
def test_list_of_an_operation_reads_a_page_by_index(root: Client, operation: str) -> None:
    account = build_account("http://127.0.0.1:9/q")
    rows = [
        CarrierCall(account=account, operation="subscribe" if n % 1000 == 0 else "query", result="ok")
        for n in range(20_000)
    ]
    CarrierCall.objects.bulk_create(rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE logistics_carriercall")

    with CaptureQueriesContext(connection) as queries:
        page(root, f"{LOG}?operation={operation}")

    listed = [one["sql"] for one in queries if "ORDER BY" in one["sql"] and "carriercall" in one["sql"]]
    assert listed
    for sql in listed:
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + sql)
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "carrier_call_of_operation" in plan or operation == "query"
        assert "Seq Scan on logistics_carriercall" not in plan


def test_call_of_several_parcels_shows_its_bodies_on_each(
    root: Client, many: ManySide, account: CarrierAccount
) -> None:
    build_parcels(2, build_shipment(), prefix="B")
    poll_tracking()

    for row in CarrierCall.objects.all():
        shown = page(root, f"{LOG}{row.pk}/change/")
        others = CarrierCall.objects.exclude(pk=row.pk)
        assert all(f'href="{LOG}{other.pk}/change/"' in shown for other in others)
        assert "&quot;numbers&quot;" in shown
        assert "KEY-OF-MANY" not in shown


def test_health_counts_hour_and_day(account: CarrierAccount) -> None:
    now = timezone.now()
    for minutes, result, ms in [
        (5, "ok", 100),
        (10, "nothing_found", 200),
        (20, "busy", 3000),
        (90, "ok", 400),
    ]:
        call(account, at=now - timedelta(minutes=minutes), result=result, duration_ms=ms)
    call(account, at=now - timedelta(days=2), result="fault")
    build_shipment()

    health = health_of(account, now)

    assert health.last_hour == Calls(number=3, usable=2, median_ms=200, p95_ms=3000, is_all=True)
    assert health.last_day == Calls(number=4, usable=3, median_ms=200, p95_ms=3000, is_all=True)
    assert health.parcels == 1


def test_health_asks_a_fixed_number_of_queries(account: CarrierAccount) -> None:
    counted = []
    for _more in range(2):
        for n in range(5):
            call(account, subject=f"YT{n}")
            build_shipment()
        with CaptureQueriesContext(connection) as queries:
            health_of(account)
        counted.append(len(queries))
    assert counted == [3, 3]


def test_trial_says_that_all_is_right(root: Client, many: ManySide, account: CarrierAccount) -> None:
    CarrierAccount.objects.update(
        is_active=False, failures_in_a_row=5, next_call_at=timezone.now() + timedelta(hours=1)
    )

    shown = root.post(f"{ACCOUNT}{account.pk}/do/try/", follow=True).content.decode()

    assert "地址、密钥和签名都正确" in shown
    assert len(many.calls) == 1
    row = CarrierCall.objects.get()
    assert (row.operation, row.result, row.http_status) == ("try_connection", "ok", 200)
    account.refresh_from_db()
    assert (account.is_circuit_open, account.is_active) == (False, False)
    assert account.last_answer_at is not None


def test_trial_shows_the_carriers_words(root: Client, many: ManySide, account: CarrierAccount) -> None:
    many.poison = {"YT0000000000"}

    shown = root.post(f"{ACCOUNT}{account.pk}/do/try/", follow=True).content.decode()

    assert "HTTP 400" in shown
    assert "地址、密钥和签名都正确" not in shown
    assert CarrierCall.objects.get().result == "refused"
    account.refresh_from_db()
    assert account.last_answer_at is None


def test_trial_waits_for_no_slot(root: Client, many: ManySide, account: CarrierAccount) -> None:
    slots = [web_calls().query(account) for _slot in range(QUERIES_OF_AN_ACCOUNT)]
    for slot in slots:
        slot.__enter__()
    try:
        shown = root.post(f"{ACCOUNT}{account.pk}/do/try/", follow=True).content.decode()
    finally:
        for slot in slots:
            slot.__exit__(None, None, None)

    assert "请过一秒再试" in shown
    assert many.calls == []
    assert not CarrierCall.objects.exists()


def test_two_trials_in_a_second_are_one_call(root: Client, many: ManySide, account: CarrierAccount) -> None:
    for _click in range(2):
        root.post(f"{ACCOUNT}{account.pk}/do/try/")
    assert len(many.calls) == 1


def test_account_without_a_harmless_call_has_no_button(
    root: Client, many: ManySide, account: CarrierAccount
) -> None:
    assert "/do/try/" in page(root, f"{ACCOUNT}{account.pk}/change/")
    registry.CARRIERS["yto"].operations = frozenset()
    assert "/do/try/" not in page(root, f"{ACCOUNT}{account.pk}/change/")
