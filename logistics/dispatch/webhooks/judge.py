"""Judges claimed messages right before they are sent: nothing about a held, refunded or closed order leaves as new."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from logistics.dispatch.instructions import reserve
from logistics.dispatch.instructions.described import Described, describe
from logistics.dispatch.instructions.route import may_leave
from logistics.dispatch.webhooks import queue, trouble
from logistics.dispatch.webhooks.call import Posting
from logistics.models import Dispatch, DispatchStatus, DispatchWebhook, Warehouse, WebhookEvent
from orders import lifecycle
from orders.models import Order
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.webhooks.post import SignedPost

# A try that waited for longer than this in its process is not sent any more: its lease may be over.
SEND_WITHIN_SECONDS = 30.0
# While a warehouse is switched off, or has no address.
_LATER = timedelta(minutes=10)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sending:
    """A message whose next try has been counted. `was_taken`: an earlier try may have been taken."""

    webhook_id: int
    warehouse_id: int
    order_id: int
    was_taken: bool
    posting: Posting


def judge(ids: Collection[int]) -> list[Sending]:
    """Count the next try of these claimed messages and return what to send; drop what must not be sent any more."""
    started = time.monotonic()
    with transaction.atomic():
        claimed = DispatchWebhook.objects.filter(pk__in=ids)
        places = list(claimed.values_list("order_id", "dispatch_id"))
        orders = lifecycle.lock({order_id for order_id, _dispatch in places})
        rows = Dispatch.objects.filter(pk__in={dispatch for _order, dispatch in places}).lock_in_order()
        webhooks = claimed.lock_in_order()
        claim = _Claim(orders, {row.pk: row for row in rows}, _untaken(webhooks), timezone.now())
        going = [one for one in webhooks if one.is_waiting and claim.is_wanted(one)]
        claim.finish([one for one in webhooks if one not in going])
        described = describe([claim.rows[one.dispatch_id] for one in going])
        sendings = claim.send(going, described, send_before=started + SEND_WITHIN_SECONDS)
        reserve.write([row for row in rows if row.is_open])
        queue.write(going)
    return sendings


def _untaken(webhooks: Sequence[DispatchWebhook]) -> set[int]:
    """The ids of instructions that the warehouse certainly has not taken: nothing is to be cancelled."""
    cancelled = [one.dispatch_id for one in webhooks if one.event == WebhookEvent.CANCELLED]
    created = DispatchWebhook.objects.filter(
        dispatch_id__in=cancelled, event=WebhookEvent.CREATED, may_be_taken=False
    )
    return set(created.values_list("dispatch_id", flat=True)) if cancelled else set()


@dataclass(slots=True)
class _Claim:
    """The locked rows behind the messages of one claim."""

    orders: Mapping[int, Order]
    rows: Mapping[int, Dispatch]
    untaken: Collection[int]
    now: datetime

    def is_wanted(self, webhook: DispatchWebhook) -> bool:
        """Whether the warehouse is to be told, as things are now."""
        row = self.rows[webhook.dispatch_id]
        if webhook.event == WebhookEvent.CANCELLED:
            return row.pk not in self.untaken
        is_accepted = row.status == DispatchStatus.ACCEPTED and not webhook.is_reminder
        return row.is_open and not is_accepted and may_leave(self.orders[row.order_id])

    def finish(self, webhooks: Sequence[DispatchWebhook]) -> None:
        """End the claims of messages that are not sent, and the instructions of orders that must not ship."""
        waiting = [one for one in webhooks if one.is_waiting]
        for one in webhooks:
            one.leased_until = None
        for one in waiting:
            # Where the warehouse has accepted it by the interface, its answer to an earlier try was lost.
            if self.rows[one.dispatch_id].status == DispatchStatus.ACCEPTED:
                one.take(self.now)
            else:
                one.drop(self.now)
        queue.write(webhooks)
        trouble.resolve_cancel_cases([one for one in waiting if one.event == WebhookEvent.CANCELLED])
        staying = {
            one.dispatch_id: self.rows[one.dispatch_id]
            for one in waiting
            if self.rows[one.dispatch_id].is_open and not may_leave(self.orders[one.order_id])
        }
        for row in staying.values():
            row.cancel()
        reserve.end(list(staying.values()), at=self.now)

    def send(
        self, webhooks: Sequence[DispatchWebhook], described: Sequence[Described], *, send_before: float
    ) -> list[Sending]:
        """Count a try of each of these messages; those of a warehouse that cannot be called wait."""
        found = []
        for webhook, one in zip(webhooks, described, strict=True):
            if webhook.event == WebhookEvent.CREATED and not one.warehouse.gets_pushes:
                self._leave(webhook, one.warehouse)
            elif secret := _secret_of(one.warehouse):
                message = SignedPost(
                    url=one.warehouse.push_url,
                    secret=secret,
                    message_id=webhook.webhook_id,
                    body=_body(webhook, replace(one, is_reminder=webhook.is_reminder)),
                    send_before=send_before,
                )
                found.append(self._count(webhook, Posting(message, one.personal)))
            else:
                webhook.leased_until, webhook.next_try_at = None, self.now + _LATER
        return found

    def _leave(self, webhook: DispatchWebhook, warehouse: Warehouse) -> None:
        """A warehouse that fetches its instructions now finds this one there; one that is switched off may return."""
        webhook.leased_until = None
        if warehouse.adapter == Warehouse.Adapter.PUSH:
            webhook.next_try_at = self.now + _LATER
        else:
            webhook.drop(self.now)

    def _count(self, webhook: DispatchWebhook, posting: Posting) -> Sending:
        row, was_taken = self.rows[webhook.dispatch_id], webhook.may_be_taken
        webhook.attempts += 1
        webhook.last_try_at = self.now
        if webhook.event == WebhookEvent.CREATED:
            webhook.may_be_taken = True
            if row.status == DispatchStatus.WAITING:
                row.hand_out()
            row.sent_at = row.sent_at or self.now
        return Sending(webhook.pk, webhook.warehouse_id, webhook.order_id, was_taken, posting)


def _secret_of(warehouse: Warehouse) -> str:
    """The secret that signs its messages; empty where it has no address, or the secret cannot be opened."""
    if not warehouse.push_url:
        return ""
    try:
        return str(warehouse.open_secrets().get("secret", ""))
    except CannotDecrypt:
        logger.exception("secret of a warehouse cannot be opened", extra={"warehouse": warehouse.slug})
        return ""


def _body(webhook: DispatchWebhook, one: Described) -> bytes:
    """Standard Webhooks: what happened, when, and the row of the instruction."""
    at = webhook.created_at if webhook.event == WebhookEvent.CANCELLED else one.dispatch.created_at
    message = {"type": webhook.event, "timestamp": timezone.localtime(at).isoformat(), "data": one.as_json()}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
