"""Sends a test message to one endpoint, to see whether its receiver is there and checks signatures rightly."""

from __future__ import annotations

import secrets

from django.utils import timezone

from ordersite.merchant_webhooks.catalogue import TEST
from ordersite.merchant_webhooks.models import WebhookEndpoint
from ordersite.merchant_webhooks.queue import queue_event


def queue_test(endpoint: WebhookEndpoint) -> None:
    """Queue a test message, which goes out at once: an open circuit becomes half-open."""
    data = {"message": "This is a test."}
    queue_event(endpoint.pk, name=TEST, order_id=None, data=data, key=f"test.{secrets.token_hex(8)}")
    failing = WebhookEndpoint.objects.filter(pk=endpoint.pk, next_call_at__isnull=False)
    failing.update(next_call_at=timezone.now())
