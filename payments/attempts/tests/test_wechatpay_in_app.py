"""Payment inside WeChat over the order API: the shop's page gets parameters for WeChat. Against the sandbox."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.test import Client
from wechatpayv3.utils import rsa_verify

from orders.models import Buyer, Order
from orders.tests.builders import build_merchant, build_order
from payments.accounts.save import change_account, save_account
from payments.models import Payment, PaymentAccount
from payments.tests.steps import api_client, fresh, poll_now, start_body
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


def boxed_account(box: Running, **changes: str) -> PaymentAccount:
    values = {**box.account("wechatpay"), "trade_type": "jsapi", **changes}
    return save_account("wx-app", provider="wechatpay", merchant=build_merchant(), values=values)


def order_of(openid: str) -> Order:
    order = build_order()
    Buyer.objects.filter(pk=order.buyer_id).update(openid=openid)
    return order


def begin(client: Client, order: Order, account: PaymentAccount) -> Any:
    path = f"/api/v1/orders/{order.number}/payments/"
    return client.post(path, start_body(account), content_type="application/json")


def merchant_key(box: Running) -> RSAPublicKey:
    key = load_pem_private_key(box.account("wechatpay")["merchant_private_key"].encode(), None).public_key()
    assert isinstance(key, RSAPublicKey)
    return key


def untouched(order: Order) -> bool:
    """Whether nothing has started, here or (since an attempt is stored first) at the provider."""
    row = Order.objects.get(pk=order.pk)
    return (row.payment_started_at, row.history_seq, Payment.objects.count()) == (None, 1, 0)


def test_buyer_gets_signed_parameters_and_pays(box: Running) -> None:
    client, order, account = api_client(), order_of(OPENID), boxed_account(box)
    answer = begin(client, order, account)
    body = answer.json()
    payment = Payment.objects.get()
    assert answer.status_code == 201
    assert sorted(body) == ["amount", "app_params", "provider", "reference", "status"]
    assert (body["reference"], body["status"]) == (payment.reference, "open")
    params = body["app_params"]
    assert sorted(params) == ["appId", "nonceStr", "package", "paySign", "signType", "timeStamp"]
    assert (params["appId"], params["signType"]) == (box.account("wechatpay")["appid"], "RSA")
    signed = (params["appId"], params["timeStamp"], f"{params['nonceStr']}\n{params['package']}")
    assert rsa_verify(*signed, params["paySign"], merchant_key(box))
    assert box.control("pay", reference=payment.reference).status == 200
    assert poll_now(payment).order.status == "paid"


def test_second_call_signs_the_same_order_anew(box: Running) -> None:
    client, order, account = api_client(), order_of(OPENID), boxed_account(box)
    first, second = begin(client, order, account), begin(client, order, account)
    assert (first.status_code, second.status_code) == (201, 200)
    one, other = first.json()["app_params"], second.json()["app_params"]
    assert one["package"] == other["package"], "the same order at WeChat"
    assert one["nonceStr"] != other["nonceStr"]
    assert Payment.objects.count() == 1


def test_paid_attempt_is_not_offered_again(box: Running) -> None:
    client, order, account = api_client(), order_of(OPENID), boxed_account(box)
    begin(client, order, account)
    payment = Payment.objects.get()
    box.control("pay", reference=payment.reference)
    answer = begin(client, order, account)
    assert (answer.status_code, answer.json()["code"]) == (409, "order_not_payable")
    assert (fresh(payment).status, fresh(payment).order.status) == ("paid", "paid")


def test_without_openid_nothing_starts(box: Running) -> None:
    order, account = order_of(""), boxed_account(box)
    answer = begin(api_client(), order, account)
    assert (answer.status_code, answer.json()["code"]) == (409, "openid_missing")
    assert answer.json()["details"] == {"number": order.number}
    assert untouched(order)


def test_silent_provider_is_502_then_goes_on(box: Running) -> None:
    client, order, account = api_client(), order_of(OPENID), boxed_account(box)
    box.control("faults", target="wechatpay.gateway", fault="drop")
    answer = begin(client, order, account)
    payment = Payment.objects.get()
    assert (answer.status_code, answer.json()["details"]) == (502, {"reference": payment.reference})
    again = begin(client, order, account)
    assert (again.status_code, again.json()["reference"]) == (200, payment.reference)
    assert again.json()["app_params"]["package"].startswith("prepay_id=wx")


def test_attempt_keeps_its_kind(box: Running) -> None:
    """One number is for one kind of order at WeChat: a code that was shown stays what the buyer scans."""
    client, order, account = api_client(), order_of(OPENID), boxed_account(box, trade_type="native")
    first = begin(client, order, account)
    assert sorted(first.json()) == ["amount", "code_url", "provider", "reference", "status"]
    change_account(account, {"trade_type": "jsapi"})
    second = begin(client, order, account)
    assert (second.status_code, second.json()) == (200, first.json())
