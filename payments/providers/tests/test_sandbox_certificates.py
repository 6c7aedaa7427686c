"""Providers with certificates against the sandbox, which was written from their side: UnionPay, and Alipay's other mode."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.test import Client
from django.utils import timezone
from pytest_httpserver import HTTPServer

from orders.models import OrderStatus
from orders.tests.builders import build_merchant
from ordersite.lib.china_time import BEIJING
from ordersite.lib.http import gateway
from payments.accounts.keys import keys_of, notify_url
from payments.accounts.save import save_account
from payments.models import Payment, PaymentAccount, PaymentStatus
from payments.providers.alipay.certificates import new_certificates
from payments.providers.registry import get_provider
from payments.providers.tests.sandbox_accounts import ask_lane, boxed_attempt, open_cashier, pay_at
from payments.providers.types import BillState, RawNotification, RefundOrder, RefundState, UpdateKind
from sandbox.tests.running import ROOT, Running, call, started, wait_for

pytestmark = pytest.mark.django_db
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started(tmp_path_factory.mktemp("sandbox")) as running:
        port = str(urlsplit(running.url).port)
        environ = {**os.environ, "SANDBOX_DIR": str(running.folder), "SANDBOX_PORT": port}
        subprocess.run([sys.executable, "-m", "sandbox", "keys"], cwd=ROOT, env=environ, check=True)
        yield running


def boxed(box: Running, provider: str, file: str) -> PaymentAccount:
    values = json.loads((box.folder / f"{file}_account.json").read_text())
    return save_account(
        f"demo-{file.replace('_', '-')}", provider=provider, merchant=build_merchant(), values=values
    )


def refund_of(payment: Payment, amount: str) -> RefundOrder:
    return RefundOrder(
        reference=payment.reference,
        refund_reference=f"R{payment.reference[:20]}",
        amount=Decimal(amount),
        payment_amount=payment.amount,
        requested_at=timezone.now(),
        provider_reference=payment.provider_reference,
        notify_url="http://127.0.0.1:1/notify/",
    )


def bring_the_form(payment: Payment) -> str:
    """What the buyer's browser does with our page; the cashier's address."""
    page = Client().get(urlsplit(payment.pay_url).path).content.decode()
    found = re.search(r'<form id="pay-form" method="post" action="([^"]+)"(.*?)</form>', page, re.DOTALL)
    assert found
    inputs = re.findall(r'name="(\w+)" value="([^"]*)"', found[2])
    fields = urlencode({name: html.unescape(value) for name, value in inputs})
    reply = call("POST", html.unescape(found[1]), body=fields.encode(), headers=FORM)
    assert reply.status in (302, 303), reply.text
    return reply.headers["location"]


def test_unionpay_from_our_page_to_a_refund(box: Running) -> None:
    account = boxed(box, "unionpay", "unionpay")
    payment = boxed_attempt(account)
    # «Not known» until the buyer has the cashier before him.
    assert ask_lane(payment).last_answer == "not_found"
    cashier = bring_the_form(payment)
    call("GET", box.url + cashier)
    assert ask_lane(payment).last_answer == "pending"

    assert box.control("pay", reference=payment.reference).status == 200
    paid = ask_lane(payment)
    assert (paid.status, paid.order.status) == (PaymentStatus.PAID, OrderStatus.PAID)
    assert paid.provider_reference == box.trade(payment.reference)["provider_reference"]

    provider, keys, order = get_provider("unionpay"), keys_of(account), refund_of(paid, "1.00")
    assert provider.query_refund(order, keys, gateway()).state is RefundState.NOT_DONE
    assert provider.refund(order, keys, gateway()).state in (RefundState.PROCESSING, RefundState.SUCCEEDED)
    assert wait_for(lambda: provider.query_refund(order, keys, gateway()).state is RefundState.SUCCEEDED)
    # The same number again moves no money a second time.
    assert provider.refund(order, keys, gateway()).state is RefundState.SUCCEEDED


def test_unionpays_file_of_a_day_that_is_not_over_is_not_ready(box: Running, tmp_path: Path) -> None:
    keys, today = keys_of(boxed(box, "unionpay", "unionpay")), timezone.now().astimezone(BEIJING).date()
    provider = get_provider("unionpay")
    assert provider.can_bill(keys)
    assert provider.fetch_bill(today, keys, gateway(), tmp_path / "bill").state is BillState.NOT_READY
    assert not (tmp_path / "bill").exists()


def test_unionpays_notifications_are_ours_to_read(box: Running, settings: Any) -> None:
    with HTTPServer(host="127.0.0.1") as ear:
        ear.expect_request("/notify/unionpay/demo-unionpay/").respond_with_data("ok")
        settings.PUBLIC_BASE_URL = ear.url_for("").rstrip("/")
        account = boxed(box, "unionpay", "unionpay")
        payment = boxed_attempt(account)
        call("GET", box.url + bring_the_form(payment))
        box.control("pay", reference=payment.reference)
        wait_for(lambda: len(ear.log) > 0)
        paid = ask_lane(payment)
        order = replace(refund_of(paid, "1.00"), notify_url=notify_url(account))
        get_provider("unionpay").refund(order, keys_of(account), gateway())
        wait_for(lambda: len(ear.log) > 1)
    now, provider = timezone.now(), get_provider("unionpay")
    first, second = (
        provider.verify(RawNotification({}, request.get_data(), now), keys_of(account))
        for request, _reply in ear.log[:2]
    )
    assert (first.kind, first.reference, first.amount) == (
        UpdateKind.PAYMENT,
        payment.reference,
        payment.amount,
    )
    assert (second.kind, second.reference, second.refund_amount) == (
        UpdateKind.REFUND, payment.reference, Decimal("1.00"),
    )  # fmt: skip
    assert (second.refund_reference, second.provider_reference) == (
        order.refund_reference, first.provider_reference,
    )  # fmt: skip


def test_alipay_in_certificate_mode_through_a_change_of_its_certificate(box: Running, tmp_path: Path) -> None:
    new_certificates.forget()
    account = boxed(box, "alipay", "alipay_cert")
    payment = boxed_attempt(account)
    open_cashier(box, payment)
    assert ask_lane(payment).last_answer == "pending"
    assert box.control("rotate").status == 200
    pay_at(box, payment)
    paid = ask_lane(payment)
    assert (paid.status, paid.order.status) == (PaymentStatus.PAID, OrderStatus.PAID)

    provider, keys, order = get_provider("alipay"), keys_of(account), refund_of(paid, "1.00")
    assert provider.refund(order, keys, gateway()).state is RefundState.SUCCEEDED
    assert provider.refund(order, keys, gateway()).state is RefundState.SUCCEEDED
    today = timezone.now().astimezone(BEIJING).date()
    assert provider.fetch_bill(today, keys, gateway(), tmp_path / "bill").state is BillState.NOT_READY
    empty = provider.fetch_bill(today - timedelta(days=40), keys, gateway(), tmp_path / "bill")
    assert empty.state is BillState.EMPTY
    assert not zipfile.is_zipfile(tmp_path / "bill")
