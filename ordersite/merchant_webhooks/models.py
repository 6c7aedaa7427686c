"""Outgoing webhooks: the addresses of merchants, the messages, and how each of them was delivered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self
from urllib.parse import urlsplit

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from ordersite.lib.models.guarded_status import GuardedStatus
from ordersite.outside_accounts.model import OutsideAccount
from ordersite.queue.models import Delivery, OutboxEntry


class PauseReason(models.TextChoices):
    """Why nothing is sent to an endpoint."""

    PERSON = "person", _("paused by a person")
    FAILING = "failing", _("every attempt failed for a day")
    GONE = "gone", _("the receiver answered 410: the address no longer exists")


# What happens while an endpoint is paused is kept for so long.
KEPT_WHILE_PAUSED = timedelta(days=7)


class EndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    """Queries of endpoints."""

    def listening(self) -> Self:
        """Those for which events are kept: the ones that are not paused, and those that were paused not long ago."""
        return self.exclude(paused_at__lt=timezone.now() - KEPT_WHILE_PAUSED)


class WebhookEndpoint(OutsideAccount):
    """An address to which the events of one merchant's orders are sent, and which of them. Times are UTC.

    `slug` is a random name, to which the secrets are sealed: `secret`, and `older`, a list of `{secret, until}` that sign
    beside it while it rotates; `rotating_until` is the end of the last of them. `failing_since` is the first failure
    since the last success. While it is paused, what happens is kept and sent after it.
    """

    merchant = models.ForeignKey("orders.Merchant", models.PROTECT, verbose_name=_("merchant"))
    url = models.CharField(_("address"), max_length=500)
    events = models.JSONField(pgettext_lazy("webhook", "events"), default=list)
    rotating_until = models.DateTimeField(_("old secret signs until"), null=True, editable=False)
    paused_at = models.DateTimeField(_("paused at"), null=True, editable=False)
    pause_reason = models.CharField(
        _("reason of the pause"), max_length=10, choices=PauseReason.choices, default="", editable=False
    )
    failing_since = models.DateTimeField(_("failing since"), null=True, editable=False)
    last_success_at = models.DateTimeField(_("last delivered at"), null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook endpoint")
        verbose_name_plural = _("webhook endpoints")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(is_active=True, paused_at__isnull=True, pause_reason="")
                | (Q(is_active=False, paused_at__isnull=False) & ~Q(pause_reason="")),
                name="webhook_endpoint_pause",
            ),
            models.UniqueConstraint(fields=["merchant", "url"], name="webhook_endpoint_once"),
        ]

    def __str__(self) -> str:
        return self.host

    @property
    def host(self) -> str:
        """Where it is, without the rest of the address: that may be as good as a password."""
        return urlsplit(self.url).hostname or ""

    def signing_secrets(self, now: datetime) -> tuple[str, ...]:
        """The secrets that sign at `now` (UTC), the newest first. Raises `CannotDecrypt`."""
        secrets = self.open_secrets()
        older = [one["secret"] for one in secrets.get("older", []) if _parsed(one["until"]) > now]
        return (secrets["secret"], *older)


def _parsed(text: str) -> datetime:
    found = parse_datetime(text)
    if found is None:
        raise ValueError("not a time")
    return found


class EventMessage(models.Model):
    """What is said of one event, once for all endpoints; `webhook_id` is the same for all tries everywhere.

    `key` names the fact, so that an event that is handled twice makes one message. `happened_at` is the timestamp of the
    message; `ordered_at` sorts the messages about one order.
    """

    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    key = models.CharField(max_length=120, unique=True, editable=False)
    webhook_id = models.CharField(_("message id"), max_length=40, unique=True)
    name = models.CharField(_("event"), max_length=60)
    order = models.ForeignKey(
        "orders.Order", models.PROTECT, null=True, blank=True, db_index=False, verbose_name=_("order")
    )
    body = models.TextField(pgettext_lazy("webhook", "body"))
    happened_at = models.DateTimeField(_("happened at"))
    ordered_at = models.DateTimeField(editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("webhook message")
        verbose_name_plural = _("webhook messages")
        indexes = [models.Index(fields=["created_at"], name="webhook_message_created")]

    def __str__(self) -> str:
        return f"{self.name} {self.webhook_id}"


class DeliveryStatus(models.TextChoices):
    """Dropped: the endpoint was paused for too long."""

    WAITING = "waiting", pgettext_lazy("webhook", "to be sent")
    DELIVERED = "delivered", pgettext_lazy("webhook", "delivered")
    GIVEN_UP = "given_up", pgettext_lazy("webhook", "given up after a day of attempts")
    DROPPED = "dropped", pgettext_lazy("webhook", "not sent: paused for too long")


_WAITING = DeliveryStatus.WAITING.value
ENDED = (DeliveryStatus.DELIVERED, DeliveryStatus.GIVEN_UP, DeliveryStatus.DROPPED)


class DeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    """Queries of deliveries."""

    def waiting(self) -> Self:
        """Those that are to be sent, now or later."""
        return self.filter(status=_WAITING)

    def due(self, now: datetime, *, event_names: Sequence[str], handlers: Sequence[str]) -> Self:
        """Those that are to be sent at `now` (UTC), longest waiting first.

        What an endpoint gets about one order goes out one after the other: never while an earlier one waits or is on its
        way, nor while an earlier event (of these names, for these handlers) has not become a message yet.
        """
        is_free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
        earlier = WebhookDelivery.objects.filter(
            Q(status=_WAITING) | Q(leased_until__gte=now),
            Q(ordered_at__lt=OuterRef("ordered_at"))
            | Q(ordered_at=OuterRef("ordered_at"), pk__lt=OuterRef("pk")),
            endpoint=OuterRef("endpoint"),
            order=OuterRef("order"),
        )
        unspread = OutboxEntry.objects.filter(
            name__in=event_names, subject_id=OuterRef("order_id"), created_at__lt=OuterRef("ordered_at")
        )
        unhandled = Delivery.objects.filter(
            handler__in=handlers,
            parked_at__isnull=True,
            subject_id=OuterRef("order_id"),
            event_at__lt=OuterRef("ordered_at"),
        )
        # Without the endpoint's own columns: its row would be locked with those that are claimed.
        rows = self.waiting().filter(is_free, next_try_at__lte=now)
        rows = rows.filter(~Exists(earlier), ~Exists(unhandled), ~Exists(unspread))
        return rows.order_by("next_try_at", "pk")

    def lock_in_order(self) -> list[WebhookDelivery]:
        """Lock them by primary key for the rest of the transaction."""
        return list(self.select_for_update(no_key=True, of=("self",)).order_by("pk"))


class WebhookDelivery(GuardedStatus, models.Model):
    """One message for one endpoint. Times are UTC.

    `order` and `ordered_at` are those of the message, since the order of sending is decided by them. `attempts` counts
    all tries, `failures` those since it was queued or sent again, of which `first_failure_at` is the first. `last_words`
    are the receiver's, masked, or the code of what kept it from answering. `resent_at`: a person had it sent again.
    """

    endpoint = models.ForeignKey(
        WebhookEndpoint, models.PROTECT, db_index=False, verbose_name=_("webhook endpoint")
    )
    message = models.ForeignKey(
        EventMessage, models.CASCADE, related_name="deliveries", verbose_name=_("webhook message")
    )
    order = models.ForeignKey(
        "orders.Order", models.PROTECT, null=True, blank=True, db_index=False, verbose_name=_("order")
    )
    ordered_at = models.DateTimeField(editable=False)
    status = FSMField(
        _("status"),
        max_length=10,
        default=DeliveryStatus.WAITING,
        choices=DeliveryStatus.choices,
        protected=True,
        db_index=False,
    )
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    failures = models.PositiveIntegerField(default=0, editable=False)
    first_failure_at = models.DateTimeField(null=True, editable=False)
    last_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    last_words = models.CharField(_("answer"), max_length=200, default="", blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    last_try_at = models.DateTimeField(_("tried at"), null=True, editable=False)
    next_try_at = models.DateTimeField(_("tried next at"), null=True, editable=False)
    settled_at = models.DateTimeField(_("ended at"), null=True, editable=False)
    resent_at = models.DateTimeField(_("sent again at"), null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        ordering = ["-id"]
        permissions = [("resend_webhookdelivery", _("Can send webhooks again"))]
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "message"], name="webhook_delivery_once"),
            models.CheckConstraint(
                condition=Q(status__in=DeliveryStatus.values), name="webhook_delivery_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status=_WAITING, next_try_at__isnull=False)
                | (~Q(status=_WAITING) & Q(next_try_at__isnull=True)),
                name="webhook_delivery_waits",
            ),
        ]
        indexes = [
            models.Index(
                fields=["order", "endpoint", "ordered_at"],
                name="webhook_delivery_of_order",
                condition=Q(order__isnull=False),
            ),
            models.Index(
                fields=["endpoint", "next_try_at", "id"],
                name="webhook_delivery_to_try",
                condition=Q(next_try_at__isnull=False),
            ),
            models.Index(fields=["endpoint", "created_at"], name="webhook_delivery_by_time"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def is_waiting(self) -> bool:
        """Whether it is to be sent."""
        return bool(self.status == _WAITING)

    @transition(field=status, source=_WAITING, target=DeliveryStatus.DELIVERED.value)
    def deliver(self, at: datetime) -> None:
        """The receiver answered 2xx."""
        self._settle(at)

    @transition(field=status, source=_WAITING, target=DeliveryStatus.GIVEN_UP.value)
    def give_up(self, at: datetime) -> None:
        """Its attempts have failed for a day."""
        self._settle(at)

    @transition(field=status, source=_WAITING, target=DeliveryStatus.DROPPED.value)
    def drop(self, at: datetime) -> None:
        """Its endpoint was paused for too long."""
        self._settle(at)

    @transition(field=status, source=[one.value for one in ENDED], target=_WAITING)
    def send_again(self, at: datetime) -> None:
        """A person wants it sent once more, under the same id."""
        self.settled_at, self.resent_at, self.next_try_at = None, at, at
        self.failures, self.first_failure_at = 0, None

    def _settle(self, at: datetime) -> None:
        self.settled_at, self.next_try_at = at, None


class WebhookTry(models.Model):
    """One try to deliver a message. `words` are the beginning of the answer, without secrets and personal data.

    Where there was no answer they are the code of why, and `http_status` is empty.
    """

    delivery = models.ForeignKey(
        WebhookDelivery,
        models.CASCADE,
        related_name="tries",
        db_index=False,
        verbose_name=_("webhook delivery"),
    )
    at = models.DateTimeField(_("time"), default=timezone.now)
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    duration_ms = models.PositiveIntegerField(_("duration in ms"), default=0)
    words = models.CharField(_("answer"), max_length=1000, default="", blank=True)

    class Meta:
        verbose_name = _("attempt to deliver a webhook")
        verbose_name_plural = _("attempts to deliver a webhook")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["delivery", "id"], name="webhook_try_of_delivery"),
        ]

    def __str__(self) -> str:
        return f"{self.http_status or self.words}"
