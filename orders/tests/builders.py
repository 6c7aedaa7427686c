"""Builders of orders for tests: valid rows, moved through `orders.lifecycle`."""

from __future__ import annotations

import itertools
import secrets
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from orders import lifecycle, machine
from orders.changes import Change, Move, Outcome
from orders.history import lines
from orders.history.lines import Actor, Evidence, Fact
from orders.machine import Action
from orders.models import Buyer, Merchant, Order, OrderEvent, OrderLine

_serial = itertools.count(1)


def build_merchant(slug: str = "demo") -> Merchant:
    return Merchant.objects.get_or_create(slug=slug, defaults={"name": slug})[0]


def build_buyer(merchant: Merchant, *, phone: str = "13800138000", tier: str = "normal") -> Buyer:
    return Buyer.objects.create(
        merchant=merchant,
        outside_id=f"b{next(_serial)}-{secrets.token_hex(3)}",
        name="王小明",
        phone=phone,
        tier=tier,
    )


def build_order(
    *,
    merchant: Merchant | None = None,
    total: str = "199.00",
    quantity: int = 1,
    due_in: timedelta = timedelta(minutes=30),
) -> Order:
    """Build a pending order with one line and its `created` history line."""
    shop = merchant or build_merchant()
    return build_order_for(build_buyer(shop), total=Decimal(total), quantity=quantity, due_in=due_in)


def build_order_for(buyer: Buyer, *, total: Decimal, quantity: int, due_in: timedelta) -> Order:
    now = timezone.now()
    order = Order(
        number=f"{now:%Y%m%d}-T{secrets.token_hex(2).upper()[:3]}-{next(_serial):04d}{secrets.token_hex(2).upper()}"[
            :24
        ],
        merchant=buyer.merchant,
        buyer=buyer,
        goods_amount=total,
        total_amount=total,
        buyer_name=buyer.name,
        buyer_phone=buyer.phone,
        is_important=buyer.tier == Buyer.Tier.IMPORTANT,
        province="浙江省",
        city="杭州市",
        district="西湖区",
        street="文三路 1 号",
        created_at=now,
        close_due_at=now + due_in,
        product_set=secrets.token_hex(32),
        minute=int(now.timestamp()) // 60,
        tracking_token=secrets.token_urlsafe(18),
    )
    fact = Fact(
        kind=OrderEvent.EventKind.CREATED,
        trigger="created",
        actor=Actor("client", "test"),
        at=now,
        to_status="pending",
    )
    with transaction.atomic():
        written = lines.chain([(order, fact)], now=now)
        order.save()
        lines.attach(order, written)
        written.save()
        OrderLine.objects.create(
            order=order, position=1, product_id="cup-1", name="保温杯", quantity=quantity,
            unit_price=total / quantity, amount=total,
        )  # fmt: skip
    return order


PATHS: dict[str, tuple[tuple[str, str], ...]] = {
    "pending": (),
    "paid": (("pay", machine.NOTIFICATION),),
    "shipped": (("pay", machine.NOTIFICATION), ("ship", machine.WAREHOUSE)),
    "completed": (("pay", machine.NOTIFICATION), ("ship", machine.WAREHOUSE), ("complete", machine.CARRIER)),
    "closed": (("close", machine.TIMEOUT),),
    "refunded": (("pay", machine.NOTIFICATION), ("refund", machine.REFUND_CONFIRMED)),
}


def build_order_in(status: str, *, merchant: Merchant | None = None, total: str = "199.00") -> Order:
    """Build an order and move it to `status` through `orders.lifecycle`."""
    order = build_order(merchant=merchant, total=total)
    for action, trigger in PATHS[status]:
        move(order, action, trigger)
    return Order.objects.get(pk=order.pk)


def move(order: Order, action: str, trigger: str, *, at: datetime | None = None) -> Outcome:
    """Fire one transition of one order in a transaction of its own."""
    change = Move(
        order.pk, Action(action), trigger, Actor("system", "test"), Evidence("test", "1", "ab"), at=at
    )
    with transaction.atomic():
        return lifecycle.apply(lifecycle.lock([order.pk]), [change])[0]


def apply_changes(*changes: Change) -> list[Outcome]:
    """Apply changes to their orders in a transaction of its own."""
    with transaction.atomic():
        return lifecycle.apply(lifecycle.lock(change.order_id for change in changes), changes)
