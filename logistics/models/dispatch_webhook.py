"""The webhooks that tell warehouses of their instructions. Only `logistics.dispatch` writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from ordersite.lib.models.guarded_status import GuardedStatus


class WebhookStatus(models.TextChoices):
    """Dropped: it was not needed any more before the warehouse had taken it for sure."""

    WAITING = "waiting", _("to be sent")
    TAKEN = "taken", _("taken by the warehouse")
    REFUSED = "refused", _("refused by the warehouse")
    DROPPED = "dropped", _("not needed any more")
    GIVEN_UP = "given_up", _("given up after many attempts")


class WebhookEvent(models.TextChoices):
    """The types of the messages, as the warehouse reads them."""

    CREATED = "dispatch.created", _("instruction")
    CANCELLED = "dispatch.cancelled", _("cancellation")


class WebhookResult(models.TextChoices):
    """How one try ended. Lost: it may have arrived; no answer did."""

    TAKEN = "taken", _("taken by the warehouse")
    REFUSED = "refused", _("refused by the warehouse")
    ANSWERED = "answered", _("answered otherwise")
    LOST = "lost", _("no answer")
    NOT_SENT = "not_sent", _("not reached")


_WAITING = WebhookStatus.WAITING.value


class DispatchWebhookQuerySet(models.QuerySet["DispatchWebhook"]):
    """Queries of the webhooks to warehouses."""

    def due(self, now: datetime) -> Self:
        """Those that are to be sent at `now` (UTC), longest waiting first.

        What a warehouse is told about one order goes out one after the other: never an instruction before the
        cancellation of an earlier one has arrived, nor a cancellation while the instruction is on its way.
        """
        is_free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
        earlier = DispatchWebhook.objects.filter(
            Q(status=_WAITING) | Q(leased_until__gte=now),
            order=OuterRef("order"),
            warehouse=OuterRef("warehouse"),
            pk__lt=OuterRef("pk"),
        )
        rows = self.filter(is_free, ~Exists(earlier), status=_WAITING, next_try_at__lte=now)
        return rows.order_by("next_try_at", "pk")

    def lock_in_order(self) -> list[DispatchWebhook]:
        """Lock them by primary key for the rest of the transaction. Lock their orders and instructions first."""
        return list(self.select_for_update(no_key=True, of=("self",)).order_by("pk"))


class DispatchWebhook(GuardedStatus, models.Model):
    """What a warehouse of the push form is told about an instruction: that it is made, or that it is cancelled.

    `webhook_id` stays the same for all tries. `may_be_taken`: a try went out that the warehouse may have taken, whatever
    it answered. `is_reminder`: it was taken, and is sent again since no parcel was confirmed. `attempts` counts all
    tries, `failures` those in a row. `last_status` is the HTTP status of the last try (empty: none arrived), `last_words`
    what the warehouse wrote, without secrets and personal data, or the code of what kept it from being sent. All times
    are UTC; `next_try_at` is empty once nothing is to be sent. `reported_at` is when a case of it was opened.
    """

    dispatch = models.ForeignKey(
        "logistics.Dispatch",
        models.PROTECT,
        related_name="webhooks",
        db_index=False,
        verbose_name=_("dispatch instruction"),
    )
    order = models.ForeignKey("orders.Order", models.PROTECT, db_index=False, verbose_name=_("order"))
    warehouse = models.ForeignKey(
        "logistics.Warehouse", models.PROTECT, db_index=False, verbose_name=_("warehouse")
    )
    event = models.CharField(_("message"), max_length=20, choices=WebhookEvent.choices)
    webhook_id = models.CharField(_("message id"), max_length=40)
    status = FSMField(
        _("status"),
        max_length=10,
        default=WebhookStatus.WAITING,
        choices=WebhookStatus.choices,
        protected=True,
        db_index=False,
    )
    is_reminder = models.BooleanField(_("reminder"), default=False)
    may_be_taken = models.BooleanField(default=False, editable=False)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    failures = models.PositiveIntegerField(default=0, editable=False)
    last_result = models.CharField(
        _("result"), max_length=10, choices=WebhookResult.choices, default="", blank=True
    )
    last_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    last_words = models.CharField(_("the warehouse's words"), max_length=200, default="", blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    last_try_at = models.DateTimeField(_("tried at"), null=True, editable=False)
    next_try_at = models.DateTimeField(_("tried next at"), null=True, editable=False)
    settled_at = models.DateTimeField(_("ended at"), null=True, editable=False)
    reported_at = models.DateTimeField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)

    objects = DispatchWebhookQuerySet.as_manager()

    class Meta:
        verbose_name = _("message to a warehouse")
        verbose_name_plural = _("messages to warehouses")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["dispatch", "event"], name="dispatch_webhook_once"),
            models.UniqueConstraint(
                fields=["webhook_id"], name="dispatch_webhook_id", opclasses=["varchar_pattern_ops"]
            ),
            models.CheckConstraint(
                condition=Q(status__in=WebhookStatus.values), name="dispatch_webhook_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status=_WAITING, next_try_at__isnull=False)
                | (~Q(status=_WAITING) & Q(next_try_at__isnull=True)),
                name="dispatch_webhook_waits",
            ),
        ]
        indexes = [
            models.Index(fields=["order", "warehouse", "id"], name="dispatch_webhook_of_order"),
            models.Index(
                fields=["warehouse", "next_try_at", "id"],
                name="dispatch_webhook_to_try",
                condition=Q(next_try_at__isnull=False),
            ),
            models.Index(fields=["warehouse", "-id"], name="dispatch_webhook_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.event} #{self.dispatch_id}"

    @property
    def is_waiting(self) -> bool:
        """Whether it is to be sent."""
        return bool(self.status == WebhookStatus.WAITING)

    @transition(field=status, source=_WAITING, target=WebhookStatus.TAKEN.value)
    def take(self, at: datetime) -> None:
        """The warehouse answered 2xx."""
        self._settle(at)

    @transition(field=status, source=_WAITING, target=WebhookStatus.REFUSED.value)
    def refuse(self, at: datetime) -> None:
        """The warehouse does not send the goods."""
        self._settle(at)

    @transition(field=status, source=_WAITING, target=WebhookStatus.DROPPED.value)
    def drop(self, at: datetime) -> None:
        """It is not needed any more."""
        self._settle(at)

    @transition(field=status, source=_WAITING, target=WebhookStatus.GIVEN_UP.value)
    def give_up(self, at: datetime) -> None:
        """Too many tries have failed."""
        self._settle(at)

    @transition(
        field=status,
        source=[WebhookStatus.TAKEN.value, WebhookStatus.GIVEN_UP.value, WebhookStatus.REFUSED.value],
        target=_WAITING,
    )
    def repeat(self, at: datetime) -> None:
        """It is to be sent once more, under the same id."""
        self.settled_at, self.next_try_at, self.failures = None, at, 0

    def _settle(self, at: datetime) -> None:
        self.settled_at, self.next_try_at = at, None


class DispatchWebhookAttempt(models.Model):
    """One try to send a webhook to a warehouse. `words` are without secrets and personal data."""

    webhook = models.ForeignKey(
        DispatchWebhook, models.CASCADE, related_name="tries", db_index=False, verbose_name=_("message")
    )
    at = models.DateTimeField(_("time"), default=timezone.now)
    result = models.CharField(_("result"), max_length=10, choices=WebhookResult.choices)
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    duration_ms = models.PositiveIntegerField(_("duration in ms"), default=0)
    words = models.CharField(_("the warehouse's words"), max_length=200, default="", blank=True)

    class Meta:
        verbose_name = _("attempt to send a message")
        verbose_name_plural = _("attempts to send a message")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["webhook", "id"], name="webhook_attempt_of_message"),
            models.Index(fields=["at"], name="webhook_attempt_at"),
        ]

    def __str__(self) -> str:
        return f"{self.get_result_display()} {self.http_status or ''}".strip()
