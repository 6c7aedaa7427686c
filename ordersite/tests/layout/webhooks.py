"""Endpoints of webhooks that are on, failing and paused, and deliveries in each state with their tries."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from orders.models import Merchant, Order
from ordersite.api.composed import compose
from ordersite.merchant_webhooks.catalogue import BY_NAME
from ordersite.merchant_webhooks.models import (
    DeliveryStatus,
    PauseReason,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookTry,
)
from ordersite.merchant_webhooks.queue import queue_event
from ordersite.merchant_webhooks.save import add_endpoint, rotate_secret


def build_webhooks(shop: Merchant, order: Order, *, sentence: str) -> list[WebhookEndpoint]:
    """Build three endpoints, the last with all that can be said of one, and what was sent to it."""
    now = timezone.now()
    urls = [
        f"https://erp-{number}.integration.example-company-with-a-long-name.com/hooks/{'a' * 60}"
        for number in range(3)
    ]
    found = [add_endpoint(shop, url=url, events=tuple(BY_NAME)).endpoint for url in urls]
    rows = [WebhookEndpoint.objects.filter(pk=endpoint.pk) for endpoint in found]
    rows[1].update(failing_since=now - timedelta(hours=3), failures_in_a_row=9, next_call_at=now)
    rotate_secret(found[2])
    rows[2].update(
        is_active=False,
        paused_at=now,
        pause_reason=PauseReason.GONE,
        failing_since=now - timedelta(days=1),
        last_success_at=now - timedelta(days=2),
    )
    for status in DeliveryStatus:
        _build_delivery(found[2], order, status, sentence=sentence)
    return found


def _build_delivery(
    endpoint: WebhookEndpoint, order: Order, status: DeliveryStatus, *, sentence: str
) -> None:
    data = compose([Order.objects.select_related("buyer").get(pk=order.pk)])[0]
    queue_event(endpoint.pk, name="order.partly_refunded", order_id=order.pk, data=data, key=status.value)
    row, now = WebhookDelivery.objects.latest("pk"), timezone.now()
    row.attempts, row.failures, row.last_try_at = 12, 12, now
    row.last_status, row.last_words = 503, sentence
    end = {"delivered": row.deliver, "given_up": row.give_up, "dropped": row.drop}.get(status.value)
    if end is not None:
        end(now)
    row.save()
    for http_status, words in ((503, sentence * 3), (None, "provider_unreachable"), (200, '{"ok":true}')):
        WebhookTry.objects.create(delivery=row, http_status=http_status, words=words, duration_ms=1_234)
