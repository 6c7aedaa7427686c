"""Queues messages: one row for each fact, however often and in however many places the fact is delivered.

A row is inserted or ignored by its key; nobody looks first. A shop without an active account costs two queries a batch.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial

from django.db import transaction
from django.utils import timezone

from orders.models import Order
from ordersite.database import bulk
from ordersite.messaging.models import BuyerMessage, MessageAccount, MessageEvent, MessageTemplate
from ordersite.messaging.routes import ShopRoutes, Wanted, shops_of
from ordersite.queue import wakeups

TASK = "messaging.send_messages"
_KEY = 200


class QueueResult(StrEnum):
    """What became of a wish to write to a buyer. No channel: no account, address or template for it."""

    QUEUED = "queued"
    ALREADY = "already"
    OFF = "off"
    NO_CHANNEL = "no_channel"


@dataclass(frozen=True, slots=True)
class FactToTell:
    """A fact about an order, or one of its parcels. `key` names it within the shop; the order's buyer is loaded."""

    order: Order
    event: MessageEvent
    key: str
    shipment_id: int | None = None
    channels: Sequence[str] = ()
    template: MessageTemplate | None = None


def fact_key(order: Order, event: MessageEvent, subject: int | str) -> str:
    """The key of a fact of the flow: order, event and what it is about."""
    return f"{order.pk}/{event.value}/{subject}"


def subject_of(order: Order, event: MessageEvent) -> int | str:
    """What a message about the whole order is about: the order; of a refund in part, all that has gone back so far."""
    return f"{order.refunded_amount:.2f}" if event is MessageEvent.PARTLY_REFUNDED else order.pk


def queue_message(
    order_id: int,
    *,
    event: str,
    key: str,
    channels: Sequence[str] | None = None,
    template: int | None = None,
) -> QueueResult:
    """Queue a message about an order, once for each `key` of its shop. Call inside a transaction or outside of one.

    `event` is one of `MessageEvent`; with `rule`, `template` is the primary key of the shop's text for rules. `channels`
    are tried in this order; None: the shop's own. Raises Order.DoesNotExist, MessageTemplate.DoesNotExist (also for a text
    of another shop) and ValueError for an unknown event.
    """
    order = Order.objects.select_related("buyer", "merchant").get(pk=order_id)
    text = MessageTemplate.objects.get(pk=template, merchant_id=order.merchant_id) if template else None
    fact = FactToTell(order, MessageEvent(event), key, channels=tuple(channels or ()), template=text)
    return queue([fact])[0]


def queue(facts: Sequence[FactToTell]) -> list[QueueResult]:
    """Queue what the shops tell; a result for each fact, in order. Three statements, whatever the number of facts."""
    shops = shops_of(fact.order.merchant_id for fact in facts)
    now = timezone.now()
    results, rows = list[QueueResult](), dict[str, BuyerMessage]()
    for fact in facts:
        shop = shops.get(fact.order.merchant_id)
        result = _result(fact, shop)
        account = shop.account_for(_wanted(fact)) if shop and result is QueueResult.QUEUED else None
        if result is QueueResult.QUEUED and account is None:
            result = QueueResult.NO_CHANNEL
        if account is not None:
            row = _row(fact, account, now)
            result = QueueResult.ALREADY if row.key in rows else result
            rows.setdefault(row.key, row)
        results.append(result)
    inserted = insert(list(rows.values()))
    return [
        QueueResult.ALREADY if result is QueueResult.QUEUED and _stored_key(fact) not in inserted else result
        for fact, result in zip(facts, results, strict=True)
    ]


def insert(rows: Sequence[BuyerMessage]) -> set[str]:
    """Insert messages whose keys are new, and wake the sender after the commit; return these keys."""
    found = bulk.insert_rows(
        BuyerMessage, sorted(rows, key=lambda row: row.key), ignore_conflicts=True, returning=("key",)
    )
    if found:
        transaction.on_commit(partial(wakeups.wake, TASK))
    return {key for (key,) in found}


def new_outside_id() -> str:
    """A number for the vendor: nobody can guess it, and every vendor takes it."""
    return f"m{secrets.token_hex(12)}"


def _result(fact: FactToTell, shop: ShopRoutes | None) -> QueueResult:
    if shop is None:
        return QueueResult.NO_CHANNEL
    return QueueResult.QUEUED if shop.tells(fact.event.value) else QueueResult.OFF


def _wanted(fact: FactToTell) -> Wanted:
    return Wanted(fact.order, fact.template.name if fact.template else fact.event.value, fact.channels)


def _stored_key(fact: FactToTell) -> str:
    return f"{fact.order.merchant_id}/{fact.key}"[:_KEY]


def _row(fact: FactToTell, account: MessageAccount, now: datetime) -> BuyerMessage:
    return BuyerMessage(
        merchant_id=fact.order.merchant_id,
        order_id=fact.order.pk,
        shipment_id=fact.shipment_id,
        event=fact.event.value,
        key=_stored_key(fact),
        outside_id=new_outside_id(),
        template_id=fact.template.pk if fact.template else None,
        channels=list(fact.channels),
        account_id=account.pk,
        created_at=now,
        queued_at=now,
        next_try_at=now,
    )
