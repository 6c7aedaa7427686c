"""Queue rows: the database row is the queue; a message through the broker only wakes a worker."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

# The lease of rows that are locked while they are worked on: a killed process's orders are paid within 5 s by another.
LOCKED_LEASE = timedelta(seconds=4)


class QueueRow(models.Model):
    """The columns of every claimable row. `done_at` empty: there is still work. Times are UTC.

    `lease` is how long a claim holds: longer than the work, unless the work locks its rows, which no claim takes.
    """

    lease: ClassVar[timedelta] = timedelta(seconds=15)

    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, default="", blank=True)

    class Meta:
        abstract = True


class OutboxEntry(models.Model):
    """An event that happened, written in the transaction that made it happen; the relay turns it into deliveries."""

    name = models.CharField(max_length=60)
    subject_id = models.BigIntegerField()
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("outbox entry")
        verbose_name_plural = _("outbox entries")
        # Webhooks ask for an order's earlier events, also where the relay is far behind.
        indexes = [models.Index(fields=["subject_id"], name="outbox_by_subject")]

    def __str__(self) -> str:
        return f"{self.name} #{self.subject_id}"


class Delivery(QueueRow):
    """One event for one handler. Deleted when the handler is done; parked when nobody here knows the handler."""

    lease = LOCKED_LEASE

    handler = models.CharField(max_length=80)
    event = models.CharField(max_length=60)
    subject_id = models.BigIntegerField()
    payload = models.JSONField(default=dict)
    event_at = models.DateTimeField()
    parked_at = models.DateTimeField(null=True)
    # Parked because this handler was not known; the first version that knows it takes it up.
    is_unknown = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        indexes = [
            models.Index(fields=["handler", "id"], name="delivery_open", condition=Q(parked_at__isnull=True)),
            models.Index(
                fields=["handler", "id"], name="delivery_parked", condition=Q(parked_at__isnull=False)
            ),
            # Webhooks ask whether an earlier event of the same order waits.
            models.Index(fields=["subject_id"], name="delivery_subject", condition=Q(parked_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.event} → {self.handler}"


class SpreadBatch(models.Model):
    """What the relay has spread in one transaction: kept for an hour, for a version that has more handlers.

    `keys` names the handlers that got a delivery, by event; `events` holds event, subject, payload and time of each;
    `seen_by` the versions that have looked at it since.
    """

    version = models.CharField(max_length=16)
    spread_at = models.DateTimeField(default=timezone.now, db_index=True)
    keys = models.JSONField(default=dict)
    events = models.JSONField(default=list)
    seen_by = models.CharField(max_length=500, default="", blank=True)

    class Meta:
        verbose_name = _("spread events")
        verbose_name_plural = _("spread events")
        indexes = [models.Index(fields=["version", "id"], name="spread_version")]

    def __str__(self) -> str:
        return f"{self.version} #{self.pk}"


class AuditEntry(models.Model):
    """One column's change. Triggers write it for every change of a watched column, by the site or by hand.

    The application writes it too, for approved changes and for commands: `ordersite.queue.audit`.
    """

    table_name = models.CharField(max_length=60)
    row_id = models.BigIntegerField()
    column_name = models.CharField(max_length=60)
    old_value = models.TextField(null=True)
    new_value = models.TextField(null=True)
    database_user = models.CharField(max_length=80)
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        indexes = [models.Index(fields=["table_name", "row_id", "id"], name="audit_row")]

    def __str__(self) -> str:
        return f"{self.table_name}.{self.column_name} #{self.row_id}"
