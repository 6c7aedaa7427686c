"""Queues messages for endpoints. The same fact queued twice, by two processes at once too, is one message."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from ordersite.database import bulk
from ordersite.merchant_webhooks.models import EventMessage, WebhookDelivery, WebhookEndpoint
from ordersite.queue import wakeups

TASK = "merchant_webhooks.send"
MOST_KEY = 80


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message for these endpoints (ids). `key` names the fact; `happened_at` and `ordered_at` are UTC.

    Messages about one order go out sorted by `ordered_at`; those of an empty `order_id` are independent.
    """

    merchant_id: int
    name: str
    key: str
    data: Mapping[str, Any]
    order_id: int | None
    happened_at: datetime
    ordered_at: datetime
    endpoint_ids: Sequence[int]


def queue_event(
    endpoint_id: int, *, name: str, order_id: int | None, data: Mapping[str, Any], key: str
) -> None:
    """Queue one message for one endpoint, whatever events that has chosen.

    `key` (at most 80 characters) names the fact among those of the endpoint: repeating it changes nothing. Raises
    `WebhookEndpoint.DoesNotExist`, ValueError for a key that is too long.
    """
    if len(key) > MOST_KEY:
        raise ValueError(f"a key of more than {MOST_KEY} characters")
    merchant_id = WebhookEndpoint.objects.values_list("merchant_id", flat=True).get(pk=endpoint_id)
    now = timezone.now()
    message = NewMessage(
        merchant_id=merchant_id,
        name=name,
        key=f"to.{endpoint_id}.{key}",
        data=data,
        order_id=order_id,
        happened_at=now,
        ordered_at=now,
        endpoint_ids=[endpoint_id],
    )
    queue_messages([message])


def queue_messages(messages: Sequence[NewMessage]) -> None:
    """Queue these messages with a fixed number of statements. Keys that are known already are left as they are."""
    by_key = {one.key: one for one in sorted(messages, key=lambda one: one.key) if one.endpoint_ids}
    if not by_key:
        return
    now = timezone.now()
    with transaction.atomic():
        bulk.insert_rows(EventMessage, [_row(one, now) for one in by_key.values()], ignore_conflicts=True)
        known = EventMessage.objects.filter(key__in=by_key).values_list("pk", "key")
        rows = [
            _delivery(pk, endpoint_id, by_key[key], now)
            for pk, key in known
            for endpoint_id in by_key[key].endpoint_ids
        ]
        rows.sort(key=lambda row: (row.ordered_at, row.message_id, row.endpoint_id))
        bulk.insert_rows(WebhookDelivery, rows, ignore_conflicts=True)
        transaction.on_commit(partial(wakeups.wake, TASK))


def body_of(name: str, happened_at: datetime, data: Mapping[str, Any]) -> str:
    """What is sent, in the form of Standard Webhooks; the time is in the shop's zone."""
    message = {"type": name, "timestamp": timezone.localtime(happened_at).isoformat(), "data": data}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def _row(message: NewMessage, now: datetime) -> EventMessage:
    return EventMessage(
        merchant_id=message.merchant_id,
        key=message.key,
        webhook_id=f"msg_{secrets.token_hex(12)}",
        name=message.name,
        order_id=message.order_id,
        body=body_of(message.name, message.happened_at, message.data),
        happened_at=message.happened_at,
        ordered_at=message.ordered_at,
        created_at=now,
    )


def _delivery(message_id: int, endpoint_id: int, message: NewMessage, now: datetime) -> WebhookDelivery:
    return WebhookDelivery(
        endpoint_id=endpoint_id,
        message_id=message_id,
        order_id=message.order_id,
        ordered_at=message.ordered_at,
        created_at=now,
        next_try_at=now,
    )
