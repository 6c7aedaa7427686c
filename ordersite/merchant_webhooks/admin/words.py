"""Endpoints and deliveries in words, for the back office and for the merchant's own pages."""

from __future__ import annotations

import json

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from logistics.labels import problem_label
from ordersite.merchant_webhooks.judge import personal_of
from ordersite.merchant_webhooks.models import (
    DeliveryStatus,
    EventMessage,
    WebhookDelivery,
    WebhookEndpoint,
)
from ordersite.outside_accounts.body_masking import masker

Toned = tuple[str | Promise, str]
_TONES = {"delivered": "good", "waiting": "waiting", "given_up": "bad", "dropped": "bad"}


def condition_of(endpoint: WebhookEndpoint) -> Toned:
    """Paused, failing, or on: a word and its tone."""
    if not endpoint.is_active:
        return pgettext_lazy("webhook", "paused"), "bad"
    if endpoint.failing_since is not None:
        return pgettext_lazy("webhook", "failing"), "waiting"
    return _("on"), "good"


def state_of(delivery: WebhookDelivery) -> Toned:
    """Where a message is: a word and its tone."""
    if delivery.is_waiting and delivery.failures:
        return pgettext_lazy("webhook", "failed, tried again"), "bad"
    return DeliveryStatus(delivery.status).label, _TONES.get(str(delivery.status), "plain")


def answer_of(status: int | None, words: str) -> str:
    """The HTTP status and the receiver's words, or what kept it from answering."""
    if status is None:
        return problem_label(words)
    return f"HTTP {status} · {words}" if words else f"HTTP {status}"


def last_answer_of(delivery: WebhookDelivery) -> str:
    """The HTTP status of the last try, or what kept the receiver from answering."""
    if delivery.last_status is not None:
        return f"HTTP {delivery.last_status}"
    return problem_label(delivery.last_words) if delivery.last_words else ""


def body_of(message: EventMessage) -> str:
    """The body of a message, indented, without personal data."""
    indented = json.dumps(json.loads(message.body), ensure_ascii=False, indent=2)
    return masker(personal_of(message.body))(indented.encode())
