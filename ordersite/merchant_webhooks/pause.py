"""Pauses endpoints: by a person, after a day of failures, or since the receiver says that it is gone; and resumes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ordersite.health.alerts import heal_alert, raise_alert
from ordersite.health.models import Alert
from ordersite.lib.errors import DomainError
from ordersite.merchant_webhooks.call import EventReply
from ordersite.merchant_webhooks.models import PauseReason, WebhookDelivery, WebhookEndpoint
from ordersite.merchant_webhooks.queue import TASK
from ordersite.queue import wakeups

# After so long in which no attempt at all succeeded.
PAUSE_AFTER = timedelta(hours=24)
# An endpoint that answers after so long without success has recovered: what waits for it waits no longer.
OUTAGE = timedelta(minutes=5)
_EVIDENCE = {
    PauseReason.FAILING: "no attempt succeeded for a day",
    PauseReason.GONE: "the receiver answered 410",
}


def note_replies(endpoint_id: int, replies: Sequence[EventReply], now: datetime) -> bool:
    """Keep since when an endpoint fails, and pause it where it has for too long; returns whether it has recovered.

    Call inside a transaction that has locked the deliveries.
    """
    row = WebhookEndpoint.objects.filter(pk=endpoint_id)
    if any(reply.is_taken for reply in replies):
        has_recovered = row.filter(failing_since__lte=now - OUTAGE).exists()
        row.update(failing_since=None, last_success_at=now)
        return has_recovered
    if any(reply.is_gone for reply in replies):
        _pause_alone(endpoint_id, PauseReason.GONE, now)
    elif replies:
        row.filter(failing_since__isnull=True).update(failing_since=now)
        if row.filter(failing_since__lte=now - PAUSE_AFTER).exists():
            _pause_alone(endpoint_id, PauseReason.FAILING, now)
    return False


def hasten(endpoint_id: int) -> None:
    """Make what waits for an endpoint due now, once it has recovered. Call outside of the transaction of its replies."""
    waiting = WebhookDelivery.objects.waiting().filter(endpoint_id=endpoint_id, leased_until__isnull=True)
    waiting.update(next_try_at=timezone.now())


def _pause_alone(endpoint_id: int, reason: PauseReason, now: datetime) -> None:
    """Pause without a person, with an alert; nothing where it is paused already."""
    if _pause(endpoint_id, reason, now):
        endpoint = WebhookEndpoint.objects.select_related("merchant").get(pk=endpoint_id)
        text = f"{_EVIDENCE[reason]}; nothing is sent to {endpoint.host} until a person resumes it"
        raise_alert(Alert.Kind.WEBHOOK_PAUSED, subject_of(endpoint), text)


def pause(endpoint: WebhookEndpoint) -> None:
    """Pause in the name of a person. Raises `DomainError` already_paused."""
    if not _pause(endpoint.pk, PauseReason.PERSON, timezone.now()):
        raise DomainError("already_paused", _("This endpoint is paused already."))


def resume(endpoint: WebhookEndpoint) -> None:
    """Send again, what waits included: at once, and with a closed circuit. Raises `DomainError` not_paused."""
    values = {"is_active": True, "paused_at": None, "pause_reason": "", "failing_since": None}
    with transaction.atomic():
        # First the deliveries, as where replies are recorded.
        waiting = WebhookDelivery.objects.waiting().filter(endpoint=endpoint)
        waiting.update(next_try_at=timezone.now(), failures=0, first_failure_at=None)
        paused = WebhookEndpoint.objects.filter(pk=endpoint.pk, is_active=False)
        if not paused.update(**values, failures_in_a_row=0, next_call_at=None):
            raise DomainError("not_paused", _("This endpoint is not paused."))
    heal_alert(Alert.Kind.WEBHOOK_PAUSED, subject_of(endpoint))
    wakeups.wake(TASK)


def subject_of(endpoint: WebhookEndpoint) -> str:
    """What alerts call an endpoint."""
    return f"{endpoint.merchant.slug} #{endpoint.pk}"


def _pause(endpoint_id: int, reason: PauseReason, now: datetime) -> bool:
    running = WebhookEndpoint.objects.filter(pk=endpoint_id, is_active=True)
    return bool(running.update(is_active=False, paused_at=now, pause_reason=reason.value))
