"""Builders for tests: accounts, attempts, and genuine calls about them."""

from __future__ import annotations

import base64
import itertools
import json
import secrets
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.test import Client
from django.utils import timezone

from orders.models import Merchant, Order
from orders.tests.builders import build_merchant, build_order
from ordersite.lib.money import format_amount
from ordersite.lib.webhooks.signature import secret_bytes, signed_headers
from payments.accounts.save import save_account
from payments.models import Payment, PaymentAccount, PaymentNotification
from payments.providers.alipay.tests.messages import account as alipay_keys
from payments.providers.alipay.tests.messages import notification

_serial = itertools.count(1)
FORM = "application/x-www-form-urlencoded; charset=utf-8"
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


def build_alipay(
    slug: str = "demo-alipay", *, merchant: Merchant | None = None, **changes: str
) -> PaymentAccount:
    keys = alipay_keys(**changes)
    values = {**keys.config, **keys.secrets}
    return save_account(slug, provider="alipay", merchant=merchant or build_merchant(), values=values)


def build_webhook(
    slug: str = "demo-webhook", *, merchant: Merchant | None = None, **values: str
) -> PaymentAccount:
    given = {"secret": WEBHOOK_SECRET, **values}
    return save_account(slug, provider="webhook", merchant=merchant or build_merchant(), values=given)


def new_reference() -> str:
    return f"T{next(_serial):07d}{secrets.token_hex(6).upper()}"


def build_payment(account: PaymentAccount, *, order: Order | None = None, **columns: Any) -> Payment:
    """An open attempt for the order's whole amount; the order knows of it."""
    order = order or build_order(merchant=account.merchant)
    now = timezone.now()
    Order.objects.filter(pk=order.pk, payment_started_at__isnull=True).update(payment_started_at=now)
    defaults: dict[str, Any] = {
        "reference": new_reference(),
        "amount": order.total_amount,
        "status": "open",
        "created_at": now,
        "expires_at": now + timedelta(minutes=30),
    }
    return Payment.objects.create(order=order, account=account, **{**defaults, **columns})


def trade_number() -> str:
    return f"20261122{next(_serial):010d}{secrets.randbelow(10**8):08d}"


def alipay_body(payment: Payment, **changes: str | None) -> bytes:
    """A genuine payment notification for the attempt; changes replace fields, None leaves one out."""
    fields: dict[str, Any] = {
        "notify_id": secrets.token_hex(16),
        "out_trade_no": payment.reference,
        "total_amount": format_amount(payment.amount),
        "trade_no": trade_number(),
    }
    return notification(**{**fields, **changes})


def webhook_call(
    payment: Payment, *, event: str = "payment.succeeded", **data: Any
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a genuine call of the webhook provider, signed now."""
    payload = {
        "type": event,
        "timestamp": timezone.now().isoformat(),
        "data": {
            "reference": payment.reference,
            "provider_reference": f"wh-{payment.reference}",
            "amount": format_amount(payment.amount),
            "currency": "CNY",
            "paid_at": timezone.now().isoformat(),
            **data,
        },
    }
    return sign_webhook(json.dumps(payload).encode())


def sign_webhook(
    body: bytes, *, at: datetime | None = None, message_id: str = ""
) -> tuple[bytes, dict[str, str]]:
    headers = signed_headers(
        secret_bytes(WEBHOOK_SECRET),
        body,
        message_id=message_id or f"msg_{secrets.token_hex(8)}",
        at=at or timezone.now(),
    )
    return body, headers


def post_alipay(body: bytes, *, slug: str = "demo-alipay", content_type: str = FORM, **headers: str) -> Any:
    return Client(headers=headers).post(f"/notify/alipay/{slug}/", data=body, content_type=content_type)


def post_webhook(body: bytes, headers: dict[str, str], *, slug: str = "demo-webhook") -> Any:
    return Client(headers=headers).post(
        f"/notify/webhook/{slug}/", data=body, content_type="application/json"
    )


def only_notification() -> PaymentNotification:
    return PaymentNotification.objects.get()


def yuan(text: str) -> Decimal:
    return Decimal(text)
