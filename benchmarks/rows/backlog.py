"""Inserts a backlog of notifications: pending orders, their attempts, and a verified notification for each."""

from __future__ import annotations

import secrets
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from orders.history import lines
from orders.history.lines import Actor, Fact
from orders.models import Buyer, Merchant, Order, OrderEvent
from ordersite.database import bulk
from payments.models import Payment, PaymentAccount, PaymentNotification

CHUNK = 1000
AMOUNT = Decimal("199.00")


def make_account(
    slug: str = "bench",
    *,
    provider: str = "alipay",
    config: dict[str, str] | None = None,
    secrets_json: str = "{}",
) -> PaymentAccount:
    """Insert an account whose notifications count as genuine."""
    merchant = Merchant.objects.get_or_create(slug="bench", defaults={"name": "bench"})[0]
    sealed = settings.KEY_RING.seal(secrets_json, bound_to=f"payments_paymentaccount.secrets.{slug}")
    return PaymentAccount.objects.create(
        slug=slug, provider=provider, merchant=merchant, config=config or {}, sealed_secrets=sealed
    )


def make_backlog(account: PaymentAccount, count: int) -> None:
    """Insert `count` pending orders, each with an open attempt and a waiting notification that pays it."""
    buyer = Buyer.objects.create(
        merchant=account.merchant, outside_id=secrets.token_hex(8), name="bench", phone="13800138000"
    )
    for start in range(0, count, CHUNK):
        with transaction.atomic():
            _make_chunk(account, buyer, min(CHUNK, count - start))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _make_chunk(account: PaymentAccount, buyer: Buyer, count: int) -> None:
    orders = [_order(buyer) for _ in range(count)]
    written = lines.chain([(order, _created(order)) for order in orders], now=timezone.now())
    ids = bulk.insert_rows(Order, orders, returning=("id",))
    for order, line, (pk,) in zip(orders, written.lines, ids, strict=True):
        order.pk = line.order_id = pk
    written.save()
    payments = [_payment(order, account) for order in orders]
    bulk.insert_rows(Payment, payments)
    bulk.insert_rows(PaymentNotification, [_notification(payment) for payment in payments])


def _order(buyer: Buyer) -> Order:
    now = timezone.now()
    return Order(
        number=secrets.token_hex(10),
        merchant_id=buyer.merchant_id,
        buyer=buyer,
        goods_amount=AMOUNT,
        total_amount=AMOUNT,
        buyer_name=buyer.name,
        buyer_phone=buyer.phone,
        created_at=now,
        close_due_at=now + timedelta(hours=1),
        payment_started_at=now,
        product_set=secrets.token_hex(32),
        minute=int(now.timestamp()) // 60,
        tracking_token=secrets.token_urlsafe(18),
    )


def _created(order: Order) -> Fact:
    return Fact(
        kind=OrderEvent.EventKind.CREATED,
        trigger="created",
        actor=Actor("client"),
        at=order.created_at,
        to_status="pending",
    )


def _payment(order: Order, account: PaymentAccount) -> Payment:
    return Payment(
        order_id=order.pk,
        account=account,
        reference=secrets.token_hex(12).upper(),
        amount=AMOUNT,
        status="open",
        created_at=order.created_at,
        expires_at=order.close_due_at,
    )


def _notification(payment: Payment) -> PaymentNotification:
    return PaymentNotification(
        account_id=payment.account_id,
        event_id=secrets.token_hex(16),
        check_result=PaymentNotification.CheckResult.VERIFIED,
        kind="payment",
        reference=payment.reference,
        provider_reference=secrets.token_hex(14),
        amount=payment.amount,
        currency="CNY",
        occurred_at=payment.created_at,
        body_digest=secrets.token_hex(32),
    )
