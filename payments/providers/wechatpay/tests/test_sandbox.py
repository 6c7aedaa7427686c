"""WeChat Pay against the sandbox, which was written from its side and proved with the wechatpayv3 package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_httpserver import HTTPServer

from orders.models import OrderStatus
from ordersite.lib.china_time import BEIJING
from ordersite.lib.http import gateway
from payments.accounts.keys import keys_of, notify_url
from payments.models import Payment, PaymentAccount, PaymentStatus
from payments.notifications.apply import drain_notifications
from payments.polling.call import attempt_of
from payments.providers.types import BillState, RefundInstruction, RefundState, TradeState
from payments.providers.wechatpay.adapter import WechatPay
from payments.tests.sandbox_accounts import sandbox_account, start_sandbox_attempt
from payments.tests.steps import fresh, poll_now
from sandbox.tests.running import Running, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def receiver(settings: Any) -> Iterator[HTTPServer]:
    """Where the sandbox sends its notifications; a test carries them on to our address."""
    with HTTPServer(host="127.0.0.1") as server:
        server.expect_request("/notify/wechatpay/demo-wechatpay/").respond_with_data(status=204)
        settings.PUBLIC_BASE_URL = server.url_for("").rstrip("/")
        yield server


def pass_on(receiver: HTTPServer, number: int) -> int:
    """Pass the sandbox's notification on to our callback address; the status of our response."""
    wait_for(lambda: len(receiver.log) > number)
    request, _reply = receiver.log[number]
    headers: Mapping[str, str] = {
        name: value for name, value in request.headers.items() if name.startswith("Wechatpay-")
    }
    kind = request.headers["Content-Type"]
    return Client(headers=headers).post(request.path, data=request.get_data(), content_type=kind).status_code


def refund_of(payment: Payment, account: PaymentAccount, amount: str) -> RefundInstruction:
    return RefundInstruction(
        reference=payment.reference,
        refund_reference=f"R{payment.reference[:20]}",
        amount=Decimal(amount),
        payment_amount=payment.amount,
        requested_at=timezone.now(),
        notify_url=notify_url(account),
        reason="买家退货",
    )


def test_from_the_code_to_the_refund(box: Running, receiver: HTTPServer) -> None:
    account = sandbox_account(box, "wechatpay")
    payment = start_sandbox_attempt(account)
    assert (payment.status, bool(payment.code_url), payment.pay_url) == (PaymentStatus.OPEN, True, "")
    assert poll_now(payment).last_answer == "pending"
    assert box.control("pay", code_url=payment.code_url).status == 200
    assert pass_on(receiver, 0) == 204
    drain_notifications()
    payment = fresh(payment)
    assert (payment.status, payment.order.status) == (PaymentStatus.PAID, OrderStatus.PAID)

    provider, keys, order = WechatPay(), keys_of(account), refund_of(payment, account, "1.00")
    assert provider.query_refund(order, keys, gateway()).state is RefundState.NOT_DONE
    assert provider.refund(order, keys, gateway()).state is RefundState.PROCESSING
    assert wait_for(lambda: provider.query_refund(order, keys, gateway()).state is RefundState.SUCCEEDED)
    # The same number again moves no money a second time.
    assert provider.refund(order, keys, gateway()).state is RefundState.SUCCEEDED
    assert box.trade(payment.reference)["refunded"] == "1.00"
    assert provider.query(attempt_of(payment), keys, gateway()).state is TradeState.PAID
    assert pass_on(receiver, 1) == 204
    drain_notifications()
    assert fresh(payment).refunded_amount == Decimal("1.00")

    more = replace(order, refund_reference="R2", amount=payment.amount)
    refused = provider.refund(more, keys, gateway())
    assert (refused.state, refused.detail.split()[0]) == (RefundState.FAILED, "NOT_ENOUGH")


def test_close_before_and_after_payment(box: Running, receiver: HTTPServer) -> None:
    account = sandbox_account(box, "wechatpay")
    provider, keys = WechatPay(), keys_of(account)
    first, second = start_sandbox_attempt(account), start_sandbox_attempt(account)
    assert provider.close(attempt_of(first), keys, gateway()).state is TradeState.CLOSED
    assert provider.close(attempt_of(first), keys, gateway()).state is TradeState.CLOSED
    box.control("pay", code_url=second.code_url)
    response = provider.close(attempt_of(second), keys, gateway())
    assert (response.state, response.amount) == (TradeState.PAID, second.amount)
    stranger = replace(attempt_of(second), reference="NOTHERE0000000001")
    assert provider.query(stranger, keys, gateway()).state is TradeState.NOT_FOUND


def test_the_bill_of_a_day(box: Running, receiver: HTTPServer, tmp_path: Path) -> None:
    account = sandbox_account(box, "wechatpay")
    provider, keys, today = WechatPay(), keys_of(account), timezone.now().astimezone(BEIJING).date()
    target = tmp_path / "bill"
    assert provider.fetch_bill(today, keys, gateway(), target).state is BillState.NOT_READY
    assert not target.exists()
    payment = start_sandbox_attempt(account)
    box.control("pay", code_url=payment.code_url)
    box.control("speed", bill_today=True)
    assert provider.fetch_bill(today, keys, gateway(), target).state is BillState.READY
    box.control("speed", bill_today=False)
    text = target.read_text(encoding="utf-8-sig")
    assert text.startswith("交易时间,公众账号ID,商户号")
    assert f",`{payment.reference}," in text
