"""UnionPay from end to end: the page with the form, the notification, the attempt that ends at its timeout."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_httpserver import HTTPServer

from orders.models import Order, OrderStatus
from orders.tests.builders import build_merchant, build_order
from payments.accounts.save import save_account
from payments.attempts.start import start_attempt
from payments.models import Payment, PaymentAccount, PaymentException, PaymentStatus, Refund
from payments.notifications.apply import drain_notifications
from payments.polling import poll
from payments.providers.tests.authority import issue, public_pem
from payments.providers.unionpay.notification import write_compact, write_fen
from payments.providers.unionpay.tests import messages as messages
from payments.tests.builders import FORM, only_notification
from payments.tests.steps import fresh, make_due, request_close

pytestmark = pytest.mark.django_db(transaction=True)


def build_account(gateway_url: str = "https://gateway.95516.com/gateway/api") -> PaymentAccount:
    keys = messages.account(gateway_url=gateway_url)
    values = {**keys.config, **keys.secrets}
    return save_account("demo-unionpay", provider="unionpay", merchant=build_merchant(), values=values)


def begin(account: PaymentAccount) -> Payment:
    return start_attempt(build_order(merchant=account.merchant), account).payment


def notify(body: bytes) -> Any:
    response = Client().post("/notify/unionpay/demo-unionpay/", data=body, content_type=FORM)
    drain_notifications()
    return response


def notification_fields(payment: Payment, **changes: str | None) -> dict[str, str | None]:
    return {
        "orderId": payment.reference,
        "txnAmt": write_fen(payment.amount),
        "txnTime": write_compact(payment.created_at),
        "traceTime": write_compact(timezone.now())[4:],
        **changes,
    }


def page_of(payment: Payment) -> Any:
    return Client().get(f"/pay/go/{payment.reference}/")


def test_from_the_form_to_a_paid_order() -> None:
    payment = begin(build_account())
    assert payment.pay_url.endswith(f"/pay/go/{payment.reference}/")
    page = page_of(payment)
    text = page.content.decode()
    assert 'action="https://gateway.95516.com/gateway/api/frontTransReq.do"' in text
    assert "no-store" in page.headers["Cache-Control"]
    assert not re.search(r"<script(?![^>]* src=)|\son\w+=", text)
    fields = {
        name: html.unescape(value)
        for name, value in re.findall(
            r'<input type="hidden" name="(\w+)" value="([^"]*)">', text.split('id="pay-form"')[1]
        )
    }
    messages.check(fields, public_pem("up-shop"))
    assert (fields["orderId"], fields["txnAmt"]) == (payment.reference, write_fen(payment.amount))
    assert fields["payTimeout"] == write_compact(payment.expires_at)

    response = notify(messages.notification(charset="utf-8", **notification_fields(payment)))
    assert (response.status_code, response.content) == (200, b"ok")
    assert (fresh(payment).status, fresh(payment).order.status) == (PaymentStatus.PAID, OrderStatus.PAID)
    assert fresh(payment).provider_reference == messages.PAYMENT["queryId"]
    assert page_of(payment).headers["Location"] == f"/pay/return/{payment.reference}/"


def test_repeated_notification_changes_nothing() -> None:
    payment = begin(build_account())
    body = messages.notification(charset="utf-8", **notification_fields(payment))
    assert [notify(body).status_code for _ in range(3)] == [200] * 3
    assert only_notification().outcome == "applied"
    assert fresh(payment).order.status == OrderStatus.PAID


def test_self_signed_notification_pays_nothing() -> None:
    payment = begin(build_account())
    signer = issue(messages.SIGNER_CN, key="stranger")
    assert notify(messages.notification_by(signer, **notification_fields(payment))).status_code == 400
    assert fresh(payment).order.status == OrderStatus.PENDING


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [({"merId": "777290058110049"}, "wrong_account"), ({"txnAmt": "1"}, "amount_mismatch")],
)
def test_other_merchant_or_amount_opens_a_case(changes: dict[str, str], outcome: str) -> None:
    payment = begin(build_account())
    assert (
        notify(messages.notification(charset="utf-8", **notification_fields(payment, **changes))).status_code
        == 200
    )
    assert PaymentException.objects.get().kind == outcome
    assert fresh(payment).order.status == OrderStatus.PENDING


def test_refund_is_found_by_our_reference() -> None:
    payment = begin(build_account())
    notify(messages.notification(charset="utf-8", **notification_fields(payment)))
    part = notification_fields(
        payment, orderId="R202611220000000001", txnAmt="100", reqReserved=payment.reference
    )
    assert notify(messages.refund_notification(**part)).status_code == 200
    refund = Refund.objects.get()
    assert (refund.refund_reference, str(refund.amount)) == ("R202611220000000001", "1.00")
    assert fresh(payment).order.status == OrderStatus.PAID


def test_refund_is_found_by_query_id() -> None:
    payment = begin(build_account())
    notify(messages.notification(charset="utf-8", **notification_fields(payment)))
    part = notification_fields(payment, orderId="CONSOLE00000001", txnAmt="100", reqReserved=None)
    notify(messages.refund_notification(**part))
    assert Refund.objects.get().payment_id == payment.pk
    other = notification_fields(
        payment, orderId="CONSOLE00000002", txnAmt="100", reqReserved=None, origQryId="1"
    )
    notify(messages.refund_notification(**other))
    assert Refund.objects.count() == 1


@pytest.mark.parametrize(
    "columns",
    [
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"close_wanted_at": timezone.now()},
        {"status": PaymentStatus.CLOSED},
        {"pay_url": "https://elsewhere.example/"},
    ],
)
def test_ended_attempt_gets_no_form(columns: dict[str, Any]) -> None:
    payment = begin(build_account())
    Payment.objects.update(**columns)
    assert (page_of(payment).status_code, page_of(payment).headers["Location"]) == (
        302, f"/pay/return/{payment.reference}/",
    )  # fmt: skip


def test_return_post_is_not_read() -> None:
    payment = begin(build_account())
    body = messages.notification(charset="utf-8", **notification_fields(payment))
    client = Client(enforce_csrf_checks=True)
    back = client.post(f"/pay/return/{payment.reference}/", data=body, content_type=FORM)
    assert (back.status_code, back.headers["Location"]) == (303, f"/pay/return/{payment.reference}/")
    assert Order.objects.get().status == OrderStatus.PENDING


def polled(server: HTTPServer, payment: Payment, **fields: str) -> Payment:
    """Poll the attempt with this response."""
    server.clear()
    server.expect_request("/queryTrans.do").respond_with_data(
        messages.response({"orderId": payment.reference, "respCode": "00", **fields})
    )
    make_due(payment)
    poll.poll_providers()
    return fresh(payment)


def test_cancelled_order_waits_for_the_timeout(server: HTTPServer) -> None:
    """UnionPay cannot close: NOT_FOUND is final two minutes after payTimeout, not before."""
    payment = begin(build_account(server.url_for("")))
    request_close(payment.order)
    assert polled(server, payment, respCode="34").status == PaymentStatus.OPEN
    Payment.objects.update(expires_at=timezone.now() - timedelta(minutes=3))
    done = polled(server, payment, respCode="34")
    assert (done.status, done.order.status) == (PaymentStatus.CLOSED, OrderStatus.CLOSED)


def test_payment_in_the_last_moment_counts(server: HTTPServer) -> None:
    payment = begin(build_account(server.url_for("")))
    request_close(payment.order)
    Payment.objects.update(expires_at=timezone.now() - timedelta(minutes=3))
    amount = write_fen(payment.amount)
    done = polled(server, payment, origRespCode="00", queryId="4726", txnAmt=amount, currencyCode="156")
    assert (done.status, done.order.status) == (PaymentStatus.PAID, OrderStatus.PAID)


def test_failed_payment_ends_with_the_timeout(server: HTTPServer) -> None:
    payment = begin(build_account(server.url_for("")))
    assert polled(server, payment, origRespCode="51").status == PaymentStatus.OPEN
    Payment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert polled(server, payment, origRespCode="51").status == PaymentStatus.CLOSED
