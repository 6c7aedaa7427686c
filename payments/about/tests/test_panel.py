"""What payments tell the composing rooms."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from orders.models import Order
from orders.tests.builders import build_order
from payments import about
from payments.about.diagnosis import explain
from payments.about.search import find
from payments.about.timeline import timeline
from payments.models import Payment, PaymentException
from payments.notifications import apply
from payments.tests.builders import alipay_body, build_alipay, build_payment, build_webhook, post_alipay
from payments.tests.steps import fresh
from sandbox.tests.nobody import nobody

pytestmark = pytest.mark.django_db


def paid_payment() -> Payment:
    payment = build_payment(build_alipay())
    assert post_alipay(alipay_body(payment)).content == b"success"
    apply.drain_notifications()
    return fresh(payment)


def test_find_by_our_and_the_providers_number() -> None:
    payment = paid_payment()
    assert find(payment.reference) == [payment.order_id]
    assert find(f" {payment.reference.lower()} ") == [payment.order_id]
    assert find(payment.provider_reference) == [payment.order_id]


@pytest.mark.parametrize("term", ["", "王小明", "12345", "'; --", "x" * 65, "0000000000", "\x00" * 8])
def test_search_without_a_number_finds_nothing(term: str) -> None:
    paid_payment()
    assert find(term) == []


def test_api_parts_take_one_query() -> None:
    payment = paid_payment()
    orders = [payment.order, build_order(), build_payment(build_webhook()).order]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        parts = about.parts(orders)
    assert len(queries) == 1
    assert parts[orders[0].pk] == [
        {
            "reference": payment.reference,
            "provider": "alipay",
            "account": "demo-alipay",
            "provider_reference": payment.provider_reference,
            "amount": "199.00",
            "status": "paid",
            "paid_at": payment.paid_at,
        }
    ]
    assert parts[orders[1].pk] == []
    assert len(parts[orders[2].pk]) == 1


def test_timeline_attempt_notification_case() -> None:
    payment = build_payment(build_alipay())
    post_alipay(alipay_body(payment, total_amount="0.01"))
    apply.drain_notifications()
    with translation.override("en"):
        entries = timeline(payment.order)
    assert [(entry.title, entry.tone) for entry in entries] == [
        ("Payment attempt made", "plain"),
        ("Payment notification: signature good", "bad"),
        ("amount differs", "bad"),
    ]
    assert [entry.url_name for entry in entries] == [
        "payments_payment_change",
        "payments_paymentnotification_change",
        "payments_paymentexception_change",
    ]
    assert entries == sorted(entries, key=lambda entry: entry.at)


def test_open_cases_first_and_the_wait() -> None:
    account = build_webhook(query_url=f"{nobody()}/")
    now = timezone.now()
    payment = build_payment(account, close_wanted_at=now, next_query_at=now - timedelta(seconds=1))
    PaymentException.objects.create(kind="provider_silent", dedup_key="x", order=payment.order)
    with translation.override("en"):
        panel = about.panel(payment.order)
    assert [(item.title, item.tone) for item in panel.items] == [
        ("provider does not answer", "bad"),
        ("Signed webhook demo-webhook", "waiting"),
    ]
    facts = dict(panel.items[1].facts)
    assert facts["amount"] == "¥199.00"
    assert facts["closing"] == "is being closed at the provider: 1 in the queue, about 1 s"


def test_panel_without_attempts() -> None:
    with translation.override("en"):
        panel = about.panel(build_order())
    assert (list(panel.items), panel.empty) == ([], "Nobody has tried to pay yet.")


def states(order: Order) -> list[tuple[str, str, str]]:
    return [(link.name, link.state, link.cause_code) for link in explain(order)]


def test_explain_a_paid_order() -> None:
    assert states(paid_payment().order) == [
        ("payment_attempt", "good", ""),
        ("notification", "good", ""),
        ("signature", "good", ""),
        ("business_checks", "good", ""),
        ("applied", "good", ""),
    ]


def test_explain_without_attempts() -> None:
    assert states(build_order()) == [("payment_attempt", "waiting", "no_payment_attempt")]


def test_explain_a_missing_notification() -> None:
    assert states(build_payment(build_alipay()).order) == [
        ("payment_attempt", "good", ""),
        ("notification", "waiting", "buyer_has_not_paid"),
        ("signature", "not_applicable", ""),
        ("business_checks", "not_applicable", ""),
        ("applied", "not_applicable", ""),
    ]


def test_explain_a_bad_signature() -> None:
    payment = build_payment(build_alipay())
    post_alipay(alipay_body(payment).replace(b"sign=", b"sign=AA"))
    assert states(payment.order)[2] == ("signature", "broken", "notification_rejected")


def test_explain_a_wrong_amount() -> None:
    payment = build_payment(build_alipay())
    post_alipay(alipay_body(payment, total_amount="0.01"))
    apply.drain_notifications()
    assert states(payment.order)[3] == ("business_checks", "broken", "amount_mismatch")


def test_explain_a_notification_left_queued() -> None:
    payment = build_payment(build_alipay())
    post_alipay(alipay_body(payment))
    assert states(payment.order)[4] == ("applied", "waiting", "notification_waiting")
    apply.PaymentNotification.objects.update(received_at=timezone.now() - timedelta(minutes=2))
    assert states(payment.order)[4] == ("applied", "broken", "notification_waiting")
