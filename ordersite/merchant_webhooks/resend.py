"""Has messages sent again, one or all of a time: under the same ids, so that receivers know those that they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ordersite.database import bulk
from ordersite.lib.errors import DomainError
from ordersite.merchant_webhooks.models import ENDED, DeliveryStatus, WebhookDelivery, WebhookEndpoint
from ordersite.merchant_webhooks.queue import TASK
from ordersite.queue import audit, wakeups

MOST = 10_000
_BATCH = 500
_COLUMNS = (
    "status", "failures", "first_failure_at", "next_try_at", "settled_at", "resent_at",
)  # fmt: skip


def resend(delivery: WebhookDelivery, *, by: AbstractUser, reason: str) -> None:
    """Send one message again. Raises `DomainError` still_waiting."""
    with transaction.atomic():
        if not _send_again([delivery.pk]):
            raise DomainError("still_waiting", _("This message is waiting to be sent already."))
        _audit(delivery._meta.db_table, delivery.pk, reason, by)


@dataclass(frozen=True, slots=True)
class QueuedIn:
    """Messages that were queued from `start` to before `end` (aware) and did not arrive.

    `with_delivered`: those that arrived as well, for a receiver that has lost them.
    """

    start: datetime
    end: datetime
    with_delivered: bool = False

    def rows(self, endpoint: WebhookEndpoint) -> QuerySet[WebhookDelivery]:
        """Those of an endpoint, the oldest first; what waits already is not among them."""
        states = ENDED if self.with_delivered else (DeliveryStatus.GIVEN_UP, DeliveryStatus.DROPPED)
        rows = WebhookDelivery.objects.filter(endpoint=endpoint, status__in=states)
        return rows.filter(created_at__gte=self.start, created_at__lt=self.end).order_by("created_at")


def resend_range(endpoint: WebhookEndpoint, chosen: QueuedIn, *, by: AbstractUser, reason: str) -> int:
    """Send these messages again; returns how many.

    Raises `DomainError` too_many_to_resend, nothing_to_resend; nothing is changed then.
    """
    ids = list(chosen.rows(endpoint).values_list("pk", flat=True)[: MOST + 1])
    if len(ids) > MOST:
        raise DomainError(
            "too_many_to_resend",
            _("These are more than %(most)s messages: choose a shorter time."),
            most=MOST,
        )
    if not ids:
        raise DomainError("nothing_to_resend", _("There is nothing to send again in this time."))
    with transaction.atomic():
        number = sum(_send_again(ids[at : at + _BATCH]) for at in range(0, len(ids), _BATCH))
        text = f"{number}: {chosen.start.isoformat()} – {chosen.end.isoformat()}: {reason}"
        _audit(endpoint._meta.db_table, endpoint.pk, text, by)
    return number


def _send_again(ids: Sequence[int]) -> int:
    now = timezone.now()
    with transaction.atomic():
        rows = [
            row for row in WebhookDelivery.objects.filter(pk__in=ids).lock_in_order() if not row.is_waiting
        ]
        for row in rows:
            row.send_again(now)
        bulk.update_rows(WebhookDelivery, rows, _COLUMNS)
        transaction.on_commit(partial(wakeups.wake, TASK))
    return len(rows)


def _audit(table: str, row_id: int, text: str, by: AbstractUser) -> None:
    entry = audit.AuditedChange(table, row_id, "sent again", "", text)
    audit.record([entry], actor=audit.actor_of(by))
