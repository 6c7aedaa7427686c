"""Judges claimed deliveries right before they are sent, and counts the try: a process that dies leaves that on record.

What such a process has sent may have arrived; it is sent again under the same id, by which receivers tell it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from ordersite.database import bulk
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.webhooks.post import SignedPost
from ordersite.merchant_webhooks.models import WebhookDelivery, WebhookEndpoint

# A try that waited for longer than this in its process is not sent any more: its lease may be over.
SEND_WITHIN_SECONDS = 30.0
# While the secret of an endpoint cannot be opened.
_LATER = timedelta(minutes=10)
_COLUMNS = ("attempts", "last_try_at", "next_try_at", "leased_until")
# What the log hides, beside every phone number.
_PERSONAL = ("name", "phone", "openid", "email")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EventSending:
    """A delivery whose next try has been counted. `personal` is what the log of its answer hides."""

    delivery_id: int
    endpoint_id: int
    post: SignedPost
    personal: tuple[str, ...]


def judge(ids: Collection[int]) -> list[EventSending]:
    """Count the next try of these claimed deliveries and return what to send."""
    send_before = time.monotonic() + SEND_WITHIN_SECONDS
    with transaction.atomic():
        rows = WebhookDelivery.objects.filter(pk__in=ids).select_related("message").lock_in_order()
        endpoints = WebhookEndpoint.objects.in_bulk({row.endpoint_id for row in rows})
        claim = _EventClaim(timezone.now(), send_before, endpoints)
        sendings = list(claim.send(rows))
        bulk.update_rows(WebhookDelivery, rows, _COLUMNS)
    return sendings


@dataclass(slots=True)
class _EventClaim:
    """The endpoints of one claim, and when it was made (UTC)."""

    now: datetime
    send_before: float
    endpoints: Mapping[int, WebhookEndpoint]

    def send(self, rows: Sequence[WebhookDelivery]) -> Iterator[EventSending]:
        """Count a try of each row that goes out; the claims of the others end."""
        secrets = {pk: self._secrets_of(endpoint) for pk, endpoint in self.endpoints.items()}
        for row in rows:
            endpoint, signing = self.endpoints[row.endpoint_id], secrets[row.endpoint_id]
            if not row.is_waiting or not endpoint.is_active:
                row.leased_until = None
            elif not signing:
                row.leased_until, row.next_try_at = None, self.now + _LATER
            else:
                row.attempts += 1
                row.last_try_at = self.now
                yield self._sending(row, endpoint.url, signing)

    def _secrets_of(self, endpoint: WebhookEndpoint) -> tuple[str, ...]:
        try:
            return endpoint.signing_secrets(self.now)
        except (CannotDecrypt, KeyError, ValueError):
            logger.exception("secret of an endpoint cannot be opened", extra={"endpoint": endpoint.slug})
            return ()

    def _sending(self, row: WebhookDelivery, url: str, secrets: tuple[str, ...]) -> EventSending:
        post = SignedPost(
            url=url,
            secret=secrets[0],
            message_id=row.message.webhook_id,
            body=row.message.body.encode(),
            send_before=self.send_before,
            older_secrets=secrets[1:],
        )
        return EventSending(row.pk, row.endpoint_id, post, (*secrets, *personal_of(row.message.body)))


def personal_of(body: str) -> tuple[str, ...]:
    """The buyer's name and numbers and the street in a message's body: what no log shows."""
    data: Any = json.loads(body).get("data")
    if not isinstance(data, dict):
        return ()
    buyer, address = data.get("buyer"), data.get("address")
    texts = [buyer.get(name) for name in _PERSONAL] if isinstance(buyer, dict) else []
    texts += [address.get("street")] if isinstance(address, dict) else []
    return tuple(text for text in texts if isinstance(text, str) and text)
