"""UnionPay against the sandbox, which was written from its side."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_httpserver import HTTPServer

from orders.models import OrderStatus
from ordersite.lib.china_time import BEIJING
from ordersite.lib.http import gateway
from payments.accounts.keys import keys_of, notify_url
from payments.models import PaymentStatus
from payments.providers.registry import get_provider
from payments.providers.types import BillState, RawNotification, RefundState, UpdateKind
from payments.tests.sandbox_accounts import (
    sandbox_account,
    sandbox_refund,
    start_sandbox_attempt,
    submit_cashier_form,
)
from payments.tests.steps import poll_now
from sandbox.tests.running import Running, call, wait_for

pytestmark = pytest.mark.django_db


def test_from_the_payment_page_to_a_refund(box: Running) -> None:
    account = sandbox_account(box, "unionpay")
    payment = start_sandbox_attempt(account)
    # UnionPay does not know the payment until the buyer has opened the cashier.
    assert poll_now(payment).last_answer == "not_found"
    cashier = submit_cashier_form(payment)
    call("GET", box.url + cashier)
    assert poll_now(payment).last_answer == "pending"

    assert box.control("pay", reference=payment.reference).status == 200
    paid = poll_now(payment)
    assert (paid.status, paid.order.status) == (PaymentStatus.PAID, OrderStatus.PAID)
    assert paid.provider_reference == box.trade(payment.reference)["provider_reference"]

    provider, keys, refund = get_provider("unionpay"), keys_of(account), sandbox_refund(paid, "1.00")
    assert provider.query_refund(refund, keys, gateway()).state is RefundState.NOT_DONE
    assert provider.refund(refund, keys, gateway()).state in (RefundState.PROCESSING, RefundState.SUCCEEDED)
    assert wait_for(lambda: provider.query_refund(refund, keys, gateway()).state is RefundState.SUCCEEDED)
    # The same number again moves no money a second time.
    assert provider.refund(refund, keys, gateway()).state is RefundState.SUCCEEDED


def test_clearing_file_of_today_is_not_ready(box: Running, tmp_path: Path) -> None:
    keys = keys_of(sandbox_account(box, "unionpay"))
    today = timezone.now().astimezone(BEIJING).date()
    provider = get_provider("unionpay")
    assert provider.can_bill(keys)

    result = provider.fetch_bill(today, keys, gateway(), tmp_path / "bill")

    assert result.state is BillState.NOT_READY
    assert not (tmp_path / "bill").exists()


def test_notifications_of_payment_and_refund(box: Running, settings: Any) -> None:
    with HTTPServer(host="127.0.0.1") as receiver:
        receiver.expect_request("/notify/unionpay/demo-unionpay/").respond_with_data("ok")
        settings.PUBLIC_BASE_URL = receiver.url_for("").rstrip("/")
        account = sandbox_account(box, "unionpay")
        payment = start_sandbox_attempt(account)
        call("GET", box.url + submit_cashier_form(payment))
        box.control("pay", reference=payment.reference)
        wait_for(lambda: len(receiver.log) > 0)
        paid = poll_now(payment)
        refund = replace(sandbox_refund(paid, "1.00"), notify_url=notify_url(account))
        get_provider("unionpay").refund(refund, keys_of(account), gateway())
        wait_for(lambda: len(receiver.log) > 1)
    now, provider = timezone.now(), get_provider("unionpay")

    first, second = (
        provider.verify(RawNotification({}, request.get_data(), now), keys_of(account))
        for request, _response in receiver.log[:2]
    )

    assert (first.kind, first.reference, first.amount) == (
        UpdateKind.PAYMENT, payment.reference, payment.amount,
    )  # fmt: skip
    assert (second.kind, second.reference, second.refund_amount) == (
        UpdateKind.REFUND, payment.reference, Decimal("1.00"),
    )  # fmt: skip
    assert (second.refund_reference, second.provider_reference) == (
        refund.refund_reference, first.provider_reference,
    )  # fmt: skip
