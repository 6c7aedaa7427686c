"""The notifications log: found by what support people know, read without what they must not see, by indexes alone."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ordersite.lib.adminkit.raw_call import shown_body
from ordersite.lib.models.by_time import first_since
from payments.models import DeadCall, Payment, PaymentNotification
from payments.notifications.apply import drain_notifications
from payments.notifications.tests.test_plans import multiply, scans
from payments.tests import builders as build

pytestmark = pytest.mark.django_db(transaction=True)
CAPPED = re.compile(r"^SELECT COUNT\(\*\) FROM \(SELECT .* LIMIT 10001\) subquery$")
LOG = "/admin/payments/paymentnotification/"


@pytest.fixture
def staff() -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(User.objects.create_superuser("root"))
    return client


def listed(staff: Client, **filters: Any) -> list[int]:
    page = staff.get(LOG, filters)
    assert page.status_code == 200, filters
    return [row.pk for row in page.context["cl"].result_list]


def two_calls() -> tuple[Payment, Payment]:
    """A payment that was applied yesterday, and a rejected call of now."""
    paid, other = build.build_payment(build.build_alipay()), build.build_payment(build.build_webhook())
    build.post_alipay(build.alipay_body(paid))
    drain_notifications()
    PaymentNotification.objects.update(
        received_at=timezone.now() - timedelta(days=1), remote_address="203.0.113.9"
    )
    body, headers = build.webhook_call(other)
    build.post_webhook(body.replace(b"199.00", b"1.00"), headers)
    return paid, other


def test_each_filter_finds_its_rows(staff: Client) -> None:
    paid, _other = two_calls()
    first, second = PaymentNotification.objects.order_by("pk").values_list("pk", flat=True)
    now = timezone.localtime()
    middle = (now - timedelta(hours=3)).isoformat(timespec="minutes")
    for filters, found in (
        ({}, [second, first]),
        ({"provider": "alipay"}, [first]),
        ({"provider": "wechatpay"}, []),
        ({"verdict__exact": "rejected"}, [second]),
        ({"outcome": "applied"}, [first]),
        ({"outcome": "waiting"}, []),
        ({"order": paid.order.number}, [first]),
        ({"order": "nobody"}, []),
        ({"amount": "¥199.00"}, [first]),
        ({"amount": "199.01"}, []),
        ({"amount": "1e2"}, []),
        ({"sender": "203.0.113.9"}, [first]),
        ({"since": middle}, [second]),
        ({"until": middle}, [first]),
        ({"since": "yesterday"}, []),
        ({"until": "2999-12-31"}, [second, first]),
        ({"until": "9999-12-31T23:59:59"}, []),
        ({"provider": "alipay", "amount": "199", "outcome": "applied"}, [first]),
    ):
        assert listed(staff, **filters) == found, filters


def test_form_is_a_table_with_masked_secrets(staff: Client) -> None:
    payment = build.build_payment(build.build_alipay())
    build.post_alipay(build.alipay_body(payment, subject="保温杯 13800138000", buyer_logon_id="13900139000"))
    page = staff.get(f"{LOG}{build.only_notification().pk}/change/").content.decode()
    assert f"<th>out_trade_no</th><td>{payment.reference}</td>" in page
    assert "<td>保温杯 138****8000</td>" in page
    assert "13900139000" not in page
    sign = bytes(build.only_notification().raw.body).partition(b"sign=")[2][:30].decode()
    assert sign not in page


def test_json_is_indented_with_masked_secrets(staff: Client) -> None:
    build.build_webhook()
    body, headers = build.sign_webhook(
        json.dumps({"type": "x", "data": {"payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9"}}}).encode()
    )
    build.post_webhook(body, headers)
    page = staff.get(f"{LOG}{build.only_notification().pk}/change/").content.decode()
    assert "oUpF8uMuAJO" not in page
    assert headers["webhook-signature"] not in page


@pytest.mark.parametrize("body", [b"", b"\xff\xfe<x>", b"[" * 20_000, b"a=1&b", b"%%%=&=", "é".encode()])
def test_any_body_can_be_looked_at(staff: Client, body: bytes) -> None:
    build.build_alipay()
    build.post_alipay(body)
    assert staff.get(f"{LOG}{build.only_notification().pk}/change/").status_code == 200


def test_pages_link_to_calls_lost_at_the_proxy(staff: Client) -> None:
    at = timezone.now()
    DeadCall.objects.create(at=at, path="/notify/alipay/x/", provider="alipay", status=499, line_digest="1")
    page = staff.get("/admin/payments/deadcall/").content.decode()
    assert 'os-badge os-bad">499 ' in page
    for address in (LOG, "/admin/payments/deadcall/", "/admin/payments/refusedcall/"):
        text = staff.get(address).content.decode()
        assert 'href="/admin/payments/deadcall/"' in text
        assert f'href="{address}" aria-current="page"' in text


@pytest.mark.parametrize(
    ("query", "found"),
    [("provider=alipay", 2), ("provider=unionpay", 0), ("status=499", 1), ("status=404", 0), ("status=x", 2)],
)
def test_calls_lost_at_the_proxy_are_filtered(staff: Client, query: str, found: int) -> None:
    for digest, status in (("1", 499), ("2", 502)):
        DeadCall.objects.create(
            at=timezone.now(), path="/notify/", provider="alipay", status=status, line_digest=digest
        )
    page = staff.get(f"/admin/payments/deadcall/?{query}")
    assert len(page.context["cl"].result_list) == found


def test_a_time_is_found_among_the_numbers() -> None:
    build.build_alipay()
    for _ in range(5):
        build.post_alipay(b"nonsense")
    pks = list(PaymentNotification.objects.order_by("pk").values_list("pk", flat=True))
    begin = timezone.now() - timedelta(days=10)
    for day, pk in enumerate(pks):
        PaymentNotification.objects.filter(pk=pk).update(received_at=begin + timedelta(days=day))
    rows = PaymentNotification.objects.all()
    starts = [first_since(rows, "received_at", begin + timedelta(days=day)) for day in (*range(5), 9)]
    assert starts == [0, *pks[1:], pks[-1] + 1]

    rows._raw_delete("default")
    assert first_since(rows, "received_at", begin) == 0


@pytest.mark.postgres
def test_every_filter_is_served_by_an_index(staff: Client) -> None:
    payment = build.build_payment(build.build_alipay())
    build.post_alipay(build.alipay_body(payment))
    drain_notifications()
    row = PaymentNotification.objects.get()
    spread = {
        "event_id": "'E' || g",
        "reference": "'R' || g",
        "amount": "g",
        "remote_address": "'10.0.0.' || g % 250",
        "received_at": "now() - interval '1 day' + g * interval '1 second'",
    }
    multiply(row, spread)
    yesterday = (timezone.localtime() - timedelta(hours=20)).isoformat(timespec="minutes")
    looks: list[dict[str, str]] = [
        {}, {"provider": "alipay"}, {"verdict__exact": "rejected"}, {"outcome": "waiting"}, {"outcome": "poison"},
        {"outcome": "applied"}, {"order": payment.order.number}, {"amount": "3.33"}, {"sender": "203.0.113.9"},
        {"sender": "10.0.0.7"}, {"since": yesterday}, {"until": yesterday}, {"q": payment.reference},
        {"q": "#17"}, {"amount": "3.33", "until": yesterday, "outcome": "poison"},
    ]  # fmt: skip
    for filters in looks:
        with CaptureQueriesContext(connection) as seen:
            listed(staff, **filters)
        # A count that ends at 10,000 may begin at the front of the table: what it finds there is common.
        whole = [query for query in seen.captured_queries if not CAPPED.search(query["sql"])]
        read_whole = [text for text in scans(whole) if "Seq Scan on payments_paymentnotification" in text]
        assert read_whole == [], filters
        assert len(seen) < 60


@pytest.mark.parametrize("depth", [100, 500, 900, 5000])
def test_deeply_nested_rejected_call_is_shown(depth: int) -> None:
    shown = shown_body(b"[" * depth + b"]" * depth, "application/json")
    assert shown.count("[") == depth
