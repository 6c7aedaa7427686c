"""Two messages under one id: a retry is one row, other facts are another row that is applied as well."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders.tests.builders import build_merchant
from ordersite.lib.money import fen
from payments.accounts.save import save_account
from payments.models import Payment, PaymentException, PaymentNotification
from payments.notifications.apply import drain_notifications
from payments.notifications.tests.received import cases, state
from payments.providers.unionpay.tests import messages as unionpay
from payments.providers.wechatpay.tests import messages as wechatpay
from payments.tests import builders as build

pytestmark = pytest.mark.django_db(transaction=True)
Post = Callable[..., Any]


def post_alipay(payment: Payment, **changes: str | None) -> Any:
    given = {"notify_id": "N1", "trade_no": "T1", **changes}
    return build.post_alipay(build.alipay_body(payment, **given))


def post_wechat(payment: Payment, **changes: Any) -> Any:
    amount = {"total": fen(payment.amount), "payer_total": 1, "currency": "CNY"}
    given = {"out_trade_no": payment.reference, "amount": amount, **changes}
    body = wechatpay.payment_body(**given)
    headers = wechatpay.signed_headers(body, at=timezone.now())
    url = "/notify/wechatpay/demo-wechatpay/"
    return Client(headers=headers).post(url, data=body, content_type="application/json")


def post_webhook(payment: Payment, *, event: str = "payment.succeeded", **changes: Any) -> Any:
    data = {
        "reference": payment.reference, "provider_reference": "P1", "amount": "199.00", "currency": "CNY",
        "paid_at": "2026-11-22T14:02:09+08:00", **changes,
    }  # fmt: skip
    payload = {"type": event, "timestamp": timezone.now().isoformat(), "data": data}
    return build.post_webhook(*build.sign_webhook(json.dumps(payload).encode(), message_id="msg_1"))


def post_unionpay(payment: Payment, **changes: str | None) -> Any:
    given = {"orderId": payment.reference, "txnAmt": str(fen(payment.amount)), **changes}
    body = unionpay.notification(charset="utf-8", **given)
    return Client().post("/notify/unionpay/demo-unionpay/", data=body, content_type=build.FORM)


def attempt_at(provider: str) -> Payment:
    if provider == "alipay":
        return build.build_payment(build.build_alipay())
    if provider == "webhook":
        return build.build_payment(build.build_webhook())
    keys = unionpay.account()
    values: Mapping[str, Any] = (
        wechatpay.account_file() if provider == "wechatpay" else {**keys.config, **keys.secrets}
    )
    account = save_account(f"demo-{provider}", provider=provider, merchant=build_merchant(), values=values)
    return build.build_payment(account)


# How a message is sent, and what differs in the second one of the same id.
SENDERS: Mapping[str, tuple[Post, Mapping[str, Any]]] = {
    "alipay": (post_alipay, {"total_amount": "1.00"}),
    "wechatpay": (post_wechat, {"amount": {"total": 100, "payer_total": 1, "currency": "CNY"}}),
    "webhook": (post_webhook, {"amount": "1.00"}),
    "unionpay": (post_unionpay, {"txnAmt": "100"}),
}


@pytest.mark.parametrize("provider", SENDERS)
def test_retry_is_one_row(provider: str) -> None:
    payment, post = attempt_at(provider), SENDERS[provider][0]

    statuses = {post(payment).status_code for _try in range(3)}

    assert statuses <= {200, 204}
    assert PaymentNotification.objects.count() == 1


@pytest.mark.parametrize("provider", SENDERS)
def test_other_amount_is_a_case(provider: str) -> None:
    payment, (post, changes) = attempt_at(provider), SENDERS[provider]
    post(payment)

    post(payment, **changes)
    drain_notifications()

    outcomes = PaymentNotification.objects.order_by("pk").values_list("outcome", flat=True)
    assert (list(outcomes), state(payment)) == (["applied", "amount_mismatch"], ("paid", "paid"))
    assert cases() == [("amount_mismatch", payment.pk)]


@pytest.mark.parametrize(
    ("provider", "changes"),
    [
        ("alipay", {"trade_no": "T2"}),
        ("wechatpay", {"transaction_id": "4200000000000000000000000002"}),
        ("webhook", {"provider_reference": "P2"}),
        ("unionpay", {"queryId": "000000000000000000002"}),
    ],
)
def test_second_trade_is_a_case(provider: str, changes: dict[str, str]) -> None:
    payment, post = attempt_at(provider), SENDERS[provider][0]
    post(payment)

    post(payment, **changes)
    drain_notifications()

    assert cases() == [("already_paid", payment.pk)]


@pytest.mark.parametrize(("provider", "name"), [("alipay", "app_id"), ("unionpay", "merId")])
def test_other_account_does_not_hide_the_payment(provider: str, name: str) -> None:
    """The first message of the id is about another account; the second one pays."""
    payment, post = attempt_at(provider), SENDERS[provider][0]
    post(payment, **{name: "777290058110099"})

    post(payment)
    drain_notifications()

    assert state(payment) == ("paid", "paid")


def test_other_order_is_paid_as_well() -> None:
    account = build.build_alipay()
    first, second = build.build_payment(account), build.build_payment(account)
    post_alipay(first)

    post_alipay(second, trade_no="T2")
    drain_notifications()

    assert (state(first), state(second)) == (("paid", "paid"), ("paid", "paid"))


def test_refund_under_the_id_of_the_payment() -> None:
    payment = attempt_at("webhook")
    post_webhook(payment)

    post_webhook(payment, event="refund.succeeded", amount="10.00", refund_reference="R1")
    drain_notifications()

    assert Payment.objects.get().refunded_amount == build.yuan("10.00")
    assert PaymentException.objects.get().kind == "refund_event"


def test_retry_of_alipay_at_another_time() -> None:
    """`notify_time` is the time of sending; everything else is the same."""
    payment = attempt_at("alipay")
    for minute in (11, 15):
        post_alipay(payment, notify_time=f"2026-11-22 14:{minute}:00")
    assert PaymentNotification.objects.count() == 1


@pytest.mark.postgres
def test_keeping_apart_costs_no_statement() -> None:
    payment = attempt_at("alipay")
    post_alipay(payment)
    for changes in ({}, {"trade_no": secrets.token_hex(8)}):
        with CaptureQueriesContext(connection) as seen:
            post_alipay(payment, **changes)
        assert len(seen) == 1
