"""Alipay's certificate mode against the sandbox, which was written from its side."""

from __future__ import annotations

import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from orders.models import OrderStatus
from ordersite.lib.china_time import BEIJING
from ordersite.lib.http import gateway
from payments.accounts.keys import keys_of
from payments.models import PaymentStatus
from payments.providers.alipay.certificates import downloaded_certificates
from payments.providers.registry import get_provider
from payments.providers.types import BillState, RefundState
from payments.tests.sandbox_accounts import (
    open_cashier,
    pay_in_sandbox,
    sandbox_account,
    sandbox_refund,
    start_sandbox_attempt,
)
from payments.tests.steps import poll_now
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db


def test_certificate_changes_during_a_payment(box: Running, tmp_path: Path) -> None:
    downloaded_certificates.forget()
    account = sandbox_account(box, "alipay_cert")
    payment = start_sandbox_attempt(account)
    open_cashier(box, payment)
    assert poll_now(payment).last_answer == "pending"

    assert box.control("rotate").status == 200
    pay_in_sandbox(box, payment)
    paid = poll_now(payment)
    assert (paid.status, paid.order.status) == (PaymentStatus.PAID, OrderStatus.PAID)

    provider, keys, refund = get_provider("alipay"), keys_of(account), sandbox_refund(paid, "1.00")
    assert provider.refund(refund, keys, gateway()).state is RefundState.SUCCEEDED
    assert provider.refund(refund, keys, gateway()).state is RefundState.SUCCEEDED
    today = timezone.now().astimezone(BEIJING).date()
    assert provider.fetch_bill(today, keys, gateway(), tmp_path / "bill").state is BillState.NOT_READY
    empty = provider.fetch_bill(today - timedelta(days=40), keys, gateway(), tmp_path / "bill")
    assert empty.state is BillState.EMPTY
    assert not zipfile.is_zipfile(tmp_path / "bill")
