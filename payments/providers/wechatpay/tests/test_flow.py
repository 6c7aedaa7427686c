"""WeChat Pay from the order to the payment: started at its gateway, notified, drained, paid."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_httpserver import HTTPServer

from orders.models import Order
from orders.tests.builders import build_merchant, build_order
from ordersite.lib.money import fen
from payments.accounts.save import save_account
from payments.attempts.start import start_attempt
from payments.models import Payment, PaymentAccount, PaymentException, PaymentNotification
from payments.notifications.apply import drain_notifications
from payments.polling.call import attempt_of
from payments.polling.poll import query_now
from payments.providers.wechatpay.tests import fake_gateway as fake
from payments.providers.wechatpay.tests.fake_gateway import NATIVE, respond, signed, trade
from payments.providers.wechatpay.tests.messages import (
    PUBLIC_KEY,
    PUBLIC_KEY_ID,
    Signer,
    account_file,
    payment_body,
    public_pem,
    refund_body,
    signed_headers,
)
from payments.tests.builders import build_payment

pytestmark = pytest.mark.django_db(transaction=True)


def build_wechatpay(slug: str = "demo-wechatpay", **changes: Any) -> PaymentAccount:
    return save_account(slug, provider="wechatpay", merchant=build_merchant(), values=account_file(**changes))


def post(body: bytes, headers: Mapping[str, str] | None = None, *, slug: str = "demo-wechatpay") -> Any:
    given = dict(headers or signed_headers(body, at=timezone.now()))
    url = f"/notify/wechatpay/{slug}/"
    return Client(headers=given).post(url, data=body, content_type="application/json")


def status_and_code(response: Any) -> tuple[int, str]:
    return response.status_code, json.loads(response.content)["code"] if response.content else ""


def about(payment: Payment, **changes: Any) -> dict[str, Any]:
    total = fen(payment.amount)
    return {
        "out_trade_no": payment.reference,
        "amount": {"total": total, "payer_total": total - 100, "currency": "CNY"},
        **changes,
    }


def fresh(payment: Payment) -> Payment:
    return Payment.objects.select_related("order").get(pk=payment.pk)


def test_from_the_order_to_the_payment(server: HTTPServer) -> None:
    account = build_wechatpay(gateway_url=server.url_for(""))
    respond(server, NATIVE, signed({"code_url": "weixin://wxpay/bizpayurl?pr=abc"}), method="POST")
    payment = start_attempt(build_order(merchant=account.merchant), account).payment
    assert (payment.status, payment.code_url) == ("open", "weixin://wxpay/bizpayurl?pr=abc")
    ordered = fake.sent(server)
    assert (ordered["out_trade_no"], ordered["amount"]["total"]) == (payment.reference, fen(payment.amount))
    assert post(payment_body(**about(payment))).status_code == 204
    drain_notifications()
    payment = fresh(payment)
    assert (payment.status, payment.order.status, payment.provider_reference) == (
        "paid",
        "paid",
        "4200002345202611221234567890",
    )
    assert PaymentException.objects.count() == 0


def test_re_encrypted_retry_is_one_row() -> None:
    """A retry is signed and encrypted again; its id stays."""
    payment = build_payment(build_wechatpay())
    for by in (PUBLIC_KEY, Signer()):
        body = payment_body(**about(payment))
        assert status_and_code(post(body, signed_headers(body, by=by, at=timezone.now()))) == (204, "")
    assert PaymentNotification.objects.count() == 1


def test_partial_refund_then_the_rest() -> None:
    payment = build_payment(build_wechatpay())
    post(payment_body(**about(payment)))
    drain_notifications()
    total = fen(payment.amount)
    for number, refund in (("R1", 8880), ("R2", total - 8880)):
        amount = {"total": total, "refund": refund, "payer_total": total, "payer_refund": refund}
        body = refund_body(
            event={"id": f"EV-{number}"}, out_trade_no=payment.reference, out_refund_no=number, amount=amount
        )
        assert status_and_code(post(body)) == (204, "")
        drain_notifications()
        assert fen(fresh(payment).refunded_amount) == (8880 if number == "R1" else total)
    assert (fresh(payment).status, Order.objects.get().status) == ("refunded", "refunded")


def test_forgery_is_rejected_and_changes_nothing() -> None:
    payment = build_payment(build_wechatpay())
    body = payment_body(**about(payment))
    headers = signed_headers(body, by=Signer("stranger"), at=timezone.now())
    assert status_and_code(post(body, headers)) == (400, "FAIL")
    drain_notifications()
    row = PaymentNotification.objects.get()
    assert (row.check_result, row.reject_code) == ("rejected", "bad_signature")
    assert (fresh(payment).status, fresh(payment).order.status) == ("open", "pending")
    assert PaymentException.objects.get().kind == "bad_signatures"
    assert status_and_code(post(body)) == (204, "")
    drain_notifications()
    assert fresh(payment).status == "paid"


def test_probe_is_rejected_without_a_case(caplog: pytest.LogCaptureFixture) -> None:
    payment = build_payment(build_wechatpay())
    body = payment_body(**about(payment))
    good = signed_headers(body, at=timezone.now())
    probe = {**good, "Wechatpay-Signature": "WECHATPAY/SIGNTEST/" + good["Wechatpay-Signature"][19:]}
    with caplog.at_level(logging.INFO, logger="payments.notifications.rejected"):
        assert status_and_code(post(body, probe)) == (400, "FAIL")
    assert [
        (record.levelname, record.message)
        for record in caplog.records
        if record.name == "payments.notifications.rejected"
    ] == [("INFO", "signature probe refused")]
    assert PaymentNotification.objects.get().reject_code == "signature_probe"
    assert PaymentException.objects.count() == 0
    assert status_and_code(post(body, good)) == (204, "")
    drain_notifications()
    assert fresh(payment).status == "paid"


def test_probes_are_bounded() -> None:
    build_wechatpay()
    body = payment_body()
    headers = {**signed_headers(body, at=timezone.now()), "Wechatpay-Signature": "WECHATPAY/SIGNTEST/x"}
    post(body, headers)
    PaymentNotification.objects.update(received_at=timezone.now() - timedelta(days=31))
    post(body, headers)
    assert PaymentNotification.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"amount": {"total": 19899, "payer_total": 19900, "currency": "CNY"}}, "amount_mismatch"),
        ({"amount": {"total": 19900, "currency": "USD"}}, "amount_mismatch"),
        ({"mchid": "1900000002"}, "wrong_account"),
        ({"appid": "wx0000000000000002"}, "wrong_account"),
        ({"sub_mchid": "1900000109"}, "wrong_account"),
    ],
)
def test_genuine_mismatch_opens_a_case(changes: dict[str, Any], outcome: str) -> None:
    payment = build_payment(build_wechatpay())
    assert fen(payment.amount) == 19900
    assert status_and_code(post(payment_body(**about(payment, **changes)))) == (204, "")
    drain_notifications()
    assert (PaymentNotification.objects.get().outcome, PaymentException.objects.get().kind) == (
        outcome,
        outcome,
    )
    assert (fresh(payment).status, fresh(payment).order.status) == ("open", "pending")


def test_new_platform_key_is_used_at_once() -> None:
    payment = build_payment(build_wechatpay(platform_keys={PUBLIC_KEY_ID: public_pem("platform-2")}))
    body = payment_body(**about(payment))
    assert status_and_code(post(body)) == (400, "FAIL")
    assert PaymentNotification.objects.get().reject_code == "unknown_key"
    build_wechatpay()
    assert status_and_code(post(body)) == (204, "")


def test_partly_refunded_trade_counts_as_paid(server: HTTPServer) -> None:
    payment = build_payment(build_wechatpay(gateway_url=server.url_for("")))
    path = f"/v3/pay/transactions/out-trade-no/{payment.reference}"
    respond(server, path, signed(trade(**about(payment, trade_state="REFUND"))))
    query_now(payment)
    assert (fresh(payment).status, fresh(payment).order.status) == ("paid", "paid")


def test_openid_is_sent_only_in_the_app() -> None:
    payment = build_payment(build_wechatpay())
    assert attempt_of(payment).openid == ""
    assert attempt_of(payment, openid="o1").openid == "o1"
