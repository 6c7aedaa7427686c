"""Creates orders step by step, for the API, the checkout page and the demonstration data."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from orders.history import lines
from orders.history.lines import Fact
from orders.intake import numbers, twins
from orders.intake.drafts import AddressDraft, BuyerDraft, LineDraft, OrderDraft
from orders.models import Buyer, Merchant, Order, OrderEvent, OrderLine, OrderStatus
from orders.models.monitoring.minutes import minute_of
from orders.risk import brushing
from orders.risk.grounds import Grounds
from ordersite.database import bulk
from ordersite.queue import outbox

__all__ = ["AddressDraft", "BuyerDraft", "LineDraft", "OrderDraft", "create_order", "place"]

# 40 random bits a day clash so rarely that a third clash in a row means a broken random source.
_NUMBER_TRIES = 3
# A known buyer keeps the openid, e-mail and tier that a draft leaves empty. The parameter: whether it gives a tier.
UPDATE_BUYER = """
ON CONFLICT (merchant_id, outside_id) DO UPDATE SET
 name = excluded.name, phone = excluded.phone,
 openid = CASE WHEN excluded.openid = '' THEN orders_buyer.openid ELSE excluded.openid END,
 email = CASE WHEN excluded.email = '' THEN orders_buyer.email ELSE excluded.email END,
 tier = CASE WHEN CAST(%s AS boolean) THEN excluded.tier ELSE orders_buyer.tier END
RETURNING id, tier, openid, email
"""
_UPSERT_BUYER = f"""
INSERT INTO orders_buyer (merchant_id, outside_id, name, phone, openid, email, tier)
VALUES (%s, %s, %s, %s, %s, %s, %s) {UPDATE_BUYER}
"""  # noqa: S608


def create_order(draft: OrderDraft, *, merchant: Merchant, now: datetime | None = None) -> Order:
    """Create an order in a transaction of its own.

    Raises `invalid`, or `duplicate_suspected` with the number of the order that it repeats.
    """
    with transaction.atomic():
        return place(draft, merchant=merchant, now=now)


def place(
    draft: OrderDraft, *, merchant: Merchant, now: datetime | None = None, hold: Grounds | None = None
) -> Order:
    """Create an order within the caller's transaction, which must be rolled back when this raises.

    With grounds to `hold` it, it is held and reviewed from the beginning.

    Writes buyer, order, lines, the first history line and the event `order.created` in six statements. `now` is UTC.
    The returned order has its buyer, merchant and lines loaded. Raises what `create_order` raises.
    """
    draft.check()
    moment = now or timezone.now()
    buyer = _save_buyer(draft.buyer, merchant)
    order = unsaved(draft, buyer, merchant, moment)
    if draft.confirm_duplicate:
        order.twin_number = twins.confirmed_number(order)
    _insert(order, draft)
    _insert_lines(order, draft.lines)
    outbox.publish([outbox.Event("order.created", order.pk, moment, {"number": order.number})])
    if hold:
        brushing.hold_created(order, hold)
    return order


def _save_buyer(draft: BuyerDraft, merchant: Merchant) -> Buyer:
    """Insert or update the buyer.

    The row stays locked until the transaction ends, so the orders of one buyer are created one after the other.
    """
    buyer = Buyer(merchant=merchant, outside_id=draft.id, name=draft.name, phone=draft.phone)
    values: list[Any] = [merchant.pk, draft.id, draft.name, draft.phone, draft.openid, draft.email]
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT_BUYER, [*values, draft.tier or Buyer.Tier.NORMAL, bool(draft.tier)])
        buyer.pk, buyer.tier, buyer.openid, buyer.email = cursor.fetchone()
    return buyer


def unsaved(draft: OrderDraft, buyer: Buyer, merchant: Merchant, moment: datetime) -> Order:
    """Build the order without its number, tracking token and history. `moment` (UTC) is when it was created."""
    minutes = merchant.payment_timeout_minutes or settings.PAYMENT_TIMEOUT_MINUTES
    address = draft.address
    return Order(
        merchant=merchant,
        buyer=buyer,
        goods_amount=draft.goods_amount,
        shipping_fee=draft.shipping_fee,
        discount=draft.discount,
        total_amount=draft.total_amount,
        buyer_name=buyer.name,
        buyer_phone=buyer.phone,
        is_important=buyer.tier == Buyer.Tier.IMPORTANT,
        province=address.province,
        city=address.city,
        district=address.district,
        street=address.street,
        postcode=address.postcode,
        note=draft.note,
        device_id=draft.device_id,
        client_ip=draft.client_ip,
        created_at=moment,
        close_due_at=moment + timedelta(minutes=minutes),
        product_set=draft.product_set,
        minute=minute_of(moment),
    )


def _insert(order: Order, draft: OrderDraft) -> None:
    """Insert the order and its first history line; retry with a new number when the number clashes.

    The line's hash covers the number, so a new number needs a new line. INSERT ... ON CONFLICT DO NOTHING is as exact
    as a savepoint and saves two round trips.
    """
    for _try in range(_NUMBER_TRIES):
        order.number, order.tracking_token = (
            numbers.new_number(order.created_at),
            numbers.new_tracking_token(),
        )
        order.history_seq, order.history_hash = 0, ""
        written = lines.chain([(order, first_fact(order, draft))], now=order.created_at)
        if inserted := bulk.insert_rows(Order, [order], ignore_conflicts=True, returning=["id"]):
            order.pk = inserted[0][0]
            order._state.adding = False
            lines.attach(order, written)
            written.save()
            return
        order.twin_number = twins.number_after_refusal(order) or order.twin_number
    raise RuntimeError("no free order number")


def first_fact(order: Order, draft: OrderDraft) -> Fact:
    """The fact that becomes the first line of an order's history."""
    return Fact(
        kind=OrderEvent.EventKind.CREATED,
        trigger=draft.trigger,
        actor=draft.actor,
        at=order.created_at,
        to_status=OrderStatus.PENDING,
        evidence=draft.evidence,
    )


def _insert_lines(order: Order, drafts: tuple[LineDraft, ...]) -> None:
    rows = [
        OrderLine(
            order=order,
            position=position,
            product_id=line.product_id,
            name=line.name,
            quantity=line.quantity,
            unit_price=line.unit_price,
            amount=line.amount,
        )
        for position, line in enumerate(drafts, 1)
    ]
    bulk.insert_rows(OrderLine, rows)
    order._prefetched_objects_cache = {"lines": rows}  # type: ignore[attr-defined]
