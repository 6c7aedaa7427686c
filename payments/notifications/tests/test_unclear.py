"""Messages that may be about money in a form that is not known here: a case, never silence and never «wrong account»."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from orders.tests.builders import build_merchant
from ordersite.lib.money import fen
from payments.accounts.save import save_account
from payments.models import Payment, PaymentException, PaymentNotification
from payments.notifications.apply import drain_notifications
from payments.notifications.tests.received import cases, state
from payments.providers.wechatpay.tests import messages as wechatpay
from payments.tests import builders as build

pytestmark = pytest.mark.django_db(transaction=True)


def wechat_payment() -> Payment:
    account = save_account(
        "demo-wechatpay", provider="wechatpay", merchant=build_merchant(), values=wechatpay.account_file()
    )
    return build.build_payment(account)


def post_wechat(content: dict[str, Any], **event: Any) -> None:
    resource = {"original_type": "transaction", **wechatpay.encrypted(json.dumps(content).encode())}
    body = wechatpay.envelope(resource, **event)
    headers = wechatpay.signed_headers(body, at=timezone.now())
    url = "/notify/wechatpay/demo-wechatpay/"
    response = Client(headers=headers).post(url, data=body, content_type="application/json")
    assert response.status_code == 204
    drain_notifications()


def content_of(payment: Payment, **changes: Any) -> dict[str, Any]:
    total = fen(payment.amount)
    about = {"out_trade_no": payment.reference, "amount": {"total": total, "currency": "CNY"}}
    return wechatpay.without_none({**wechatpay.TRANSACTION, **about, **changes})


def outcomes() -> list[str]:
    return list(PaymentNotification.objects.order_by("pk").values_list("outcome", flat=True))


@pytest.mark.parametrize("trade_state", ["NOTPAY", "SOMETHING_NEW", None])
def test_success_in_another_state_is_a_case(trade_state: str | None) -> None:
    """And the provider is queried: its answer says what is so."""
    payment = wechat_payment()

    post_wechat(content_of(payment, trade_state=trade_state))

    assert (outcomes(), cases(), state(payment)) == (
        ["unclear"], [("unclear", payment.pk)], ("open", "pending"),
    )  # fmt: skip
    assert Payment.objects.get().next_query_at is not None


def test_combined_payment_of_one_order_pays() -> None:
    payment = wechat_payment()
    sub_order = {
        **content_of(payment),
        "amount": {"total_amount": fen(payment.amount), "payer_amount": 1, "currency": "CNY"},
    }

    post_wechat(
        {"combine_appid": wechatpay.APPID, "combine_mchid": wechatpay.MCHID, "sub_orders": [sub_order]}
    )

    assert (outcomes(), state(payment)) == (["applied"], ("paid", "paid"))


def test_combined_payment_of_two_is_a_case() -> None:
    payment = wechat_payment()
    sub_orders = [{**content_of(payment), "amount": {"total_amount": 19900}} for _number in range(2)]

    post_wechat(
        {"combine_appid": "wx9", "combine_mchid": "1", "combine_out_trade_no": "C1", "sub_orders": sub_orders}
    )

    case = PaymentException.objects.get()
    assert (outcomes(), case.kind, case.amount) == (["unclear"], "unclear", build.yuan("398.00"))


def test_each_message_without_a_name_is_a_case() -> None:
    """Nothing in them says what they are about, so that none of them hides another."""
    wechat_payment()
    for number in range(2):
        post_wechat({"state": "SUCCESS"}, id=f"EV-{number}", event_type="MCHTRANSFER.BILL.FINISHED")
    assert (outcomes(), cases()) == (["unclear"] * 2, [("unclear", None)] * 2)


def test_complaint_is_only_noted() -> None:
    wechat_payment()
    post_wechat({"complaint_id": "1", "action_type": "CREATE_COMPLAINT"}, event_type="COMPLAINT.CREATE")
    assert (outcomes(), cases()) == (["noted"], [])


def post_alipay(**fields: str | None) -> None:
    build.build_alipay()
    stranger = Payment(reference="NOBODY0000000001", amount=build.yuan("199.00"))
    assert build.post_alipay(build.alipay_body(stranger, **fields)).content == b"success"
    drain_notifications()


NO_TRADE = {
    "trade_status": None,
    "out_trade_no": None,
    "trade_no": None,
    "seller_id": None,
    "total_amount": None,
}


def test_transfer_of_the_gateway_is_a_case() -> None:
    moved = json.dumps({"trans_amount": "10.00", "status": "SUCCESS"})
    post_alipay(**NO_TRADE, msg_method="alipay.fund.trans.order.changed", biz_content=moved)
    assert (outcomes(), cases()) == (["unclear"], [("unclear", None)])


def test_agreement_of_the_gateway_is_only_noted() -> None:
    post_alipay(**NO_TRADE, notify_type="dut_user_sign", agreement_no="20265511000000000001")
    assert (outcomes(), cases()) == (["noted"], [])


def test_stuck_refund_of_nobody_becomes_a_case() -> None:
    payment = wechat_payment()
    content = {**wechatpay.REFUND, "out_trade_no": "NOBODY0000000001", "refund_status": "ABNORMAL"}
    resource = {
        "original_type": "refund",
        **wechatpay.encrypted(json.dumps(content).encode(), associated_data="refund"),
    }
    body = wechatpay.envelope(resource, event_type="REFUND.ABNORMAL")
    headers = wechatpay.signed_headers(body, at=timezone.now())
    url = "/notify/wechatpay/demo-wechatpay/"
    Client(headers=headers).post(url, data=body, content_type="application/json")
    PaymentNotification.objects.update(received_at=timezone.now() - timedelta(minutes=10))

    drain_notifications()

    assert (outcomes(), cases(), state(payment)) == (
        ["unknown_order"], [("unknown_order", None)], ("open", "pending"),
    )  # fmt: skip


def test_unknown_event_with_an_amount_is_a_case() -> None:
    payment = build.build_payment(build.build_webhook())
    build.post_webhook(*build.webhook_call(payment, event="payment.captured"))
    drain_notifications()
    assert (outcomes(), cases(), state(payment)) == (
        ["unclear"], [("unclear", payment.pk)], ("open", "pending"),
    )  # fmt: skip
