"""Accounts that call the sandbox, attempts that it knows, and what a buyer's browser does there."""

from __future__ import annotations

import html
import re
from decimal import Decimal
from urllib.parse import urlencode, urlsplit

from django.test import Client
from django.utils import timezone

from orders.models import Merchant, Order
from orders.tests.builders import build_merchant, build_order
from payments.accounts.save import save_account
from payments.attempts.start import start_attempt
from payments.models import Payment, PaymentAccount
from payments.providers.types import RefundInstruction
from sandbox.tests.nobody import nobody
from sandbox.tests.running import APP_ID, SELLER_ID, Running, call, private_pem

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def sandbox_alipay(
    box: Running, slug: str = "demo-alipay", *, merchant: Merchant | None = None
) -> PaymentAccount:
    values = {
        "app_id": APP_ID,
        "seller_id": SELLER_ID,
        "gateway_url": f"{box.url}/alipay/gateway.do",
        "app_private_key": private_pem(box.app_key),
        "alipay_public_key": box.alipay_public_pem().decode(),
    }
    return save_account(slug, provider="alipay", merchant=merchant or build_merchant(), values=values)


def sandbox_webhook(
    box: Running, slug: str = "demo-webhook", *, merchant: Merchant | None = None
) -> PaymentAccount:
    calls = {f"{name}_url": f"{box.url}/webhook/{name}" for name in ("pay", "query", "close", "refund")}
    values = {"secret": box.webhook_secret(), **calls}
    return save_account(slug, provider="webhook", merchant=merchant or build_merchant(), values=values)


def sandbox_account(box: Running, file: str) -> PaymentAccount:
    """An account of the sandbox's account file, which begins with the provider's name."""
    slug, provider = f"demo-{file.replace('_', '-')}", file.partition("_")[0]
    return save_account(slug, provider=provider, merchant=build_merchant(), values=box.account(file))


def start_sandbox_attempt(account: PaymentAccount, *, order: Order | None = None) -> Payment:
    """A started attempt; the buyer has not opened the sandbox's cashier yet."""
    return start_attempt(order or build_order(merchant=account.merchant), account).payment


def open_cashier(box: Running, payment: Payment) -> None:
    """Open the payment page as the buyer's browser does; Alipay knows the trade from then on."""
    response = call("GET", payment.pay_url)
    if response.status in (302, 303):
        response = call("GET", box.url + response.headers["location"])
    assert response.status == 200, response.text


def submit_cashier_form(payment: Payment) -> str:
    """The cashier's address, to which the form on our page leads the buyer's browser."""
    page = Client().get(urlsplit(payment.pay_url).path).content.decode()
    found = re.search(r'<form id="pay-form" method="post" action="([^"]+)"(.*?)</form>', page, re.DOTALL)
    assert found
    inputs = re.findall(r'name="(\w+)" value="([^"]*)"', found[2])
    fields = urlencode({name: html.unescape(value) for name, value in inputs})
    response = call("POST", html.unescape(found[1]), body=fields.encode(), headers=FORM)
    assert response.status in (302, 303), response.text
    return response.headers["location"]


def pay_in_sandbox(box: Running, payment: Payment) -> None:
    response = box.control("pay", pay_url=payment.pay_url)
    assert response.status == 200, response.text


def sandbox_refund(payment: Payment, amount: str) -> RefundInstruction:
    """A refund of the attempt, as the adapters take it."""
    return RefundInstruction(
        reference=payment.reference,
        refund_reference=f"R{payment.reference[:20]}",
        amount=Decimal(amount),
        payment_amount=payment.amount,
        requested_at=timezone.now(),
        provider_reference=payment.provider_reference,
        notify_url=f"{nobody()}/notify/",
    )
