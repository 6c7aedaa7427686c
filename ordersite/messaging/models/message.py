"""The outbox of messages. Only `ordersite.messaging` writes it."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from ordersite.lib.models.guarded_status import GuardedStatus
from ordersite.messaging.models.events import MessageEvent


class MessageStatus(models.TextChoices):
    """Suppressed: it was not to be sent any more. Failed: no channel took it, or nobody knows whether one did."""

    QUEUED = "queued", _("to be sent")
    IN_FLIGHT = "in_flight", _("being sent")
    AWAITING_RETRY = "awaiting_retry", _("will be tried again")
    SENT = "sent", pgettext_lazy("message", "sent")
    FAILED = "failed", pgettext_lazy("message", "not sent")
    SUPPRESSED = "suppressed", pgettext_lazy("message", "held back")


_QUEUED, _IN_FLIGHT, _RETRY = (
    MessageStatus.QUEUED.value,
    MessageStatus.IN_FLIGHT.value,
    MessageStatus.AWAITING_RETRY.value,
)
WAITING = (_QUEUED, _IN_FLIGHT, _RETRY)
_SENT, _FAILED, _SUPPRESSED = (
    MessageStatus.SENT.value,
    MessageStatus.FAILED.value,
    MessageStatus.SUPPRESSED.value,
)


class BuyerMessageQuerySet(models.QuerySet["BuyerMessage"]):
    """Queries of messages."""

    def waiting(self) -> Self:
        """Those that are still to be sent."""
        return self.filter(next_try_at__isnull=False)

    def due(self, now: datetime) -> Self:
        """Those that are to be sent at `now` (UTC) and that no process has, longest waiting first."""
        is_free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
        return self.filter(is_free, next_try_at__lte=now).order_by("next_try_at", "pk")

    def lock_in_order(self) -> list[BuyerMessage]:
        """Lock them by primary key for the rest of the transaction, with all that their texts need."""
        rows = self.select_related("order__buyer", "merchant", "shipment", "account", "template")
        return list(rows.select_for_update(no_key=True, of=("self",)).order_by("pk"))


class BuyerMessage(GuardedStatus, models.Model):
    """One fact told to one buyer once, or one notice to a group of staff (`text`, without an order).

    `key` names the fact: a second message with it is never made. `outside_id` is the key that the vendor gets, the same
    for each attempt. `channels` is the order of channels of this message, empty where the shop's holds; `given_up` those
    that did not bring it. `account` is the one that sends it, or sent it last.

    `is_uncertain`: an attempt may have arrived and nobody knows. Where the vendor sends a key once, it is sent again
    under the same key; elsewhere only a person sends it again. `may_be_twice`: a person did, or the vendor's word on the
    first came late. `is_delivered`: what the vendor reported; empty where it said nothing. `reason` says why it was not
    sent. The address is not kept here: `recipient` is masked, `recipient_digest` a keyed fingerprint. Times are UTC;
    `queued_at` is when it was queued last, by the flow or by a person; `next_try_at` is empty once nothing is to be sent.
    """

    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    order = models.ForeignKey(
        "orders.Order", models.PROTECT, null=True, blank=True, db_index=False, verbose_name=_("order")
    )
    shipment = models.ForeignKey(
        "logistics.Shipment",
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        verbose_name=_("shipment"),
    )
    event = models.CharField(_("message"), max_length=40, choices=MessageEvent.choices)
    key = models.CharField(_("key"), max_length=200, editable=False)
    outside_id = models.CharField(_("our number at the vendor"), max_length=40, editable=False)
    template = models.ForeignKey(
        "messaging.MessageTemplate",
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        verbose_name=_("template"),
    )
    text = models.TextField(_("text"), default="", blank=True)
    channels = models.JSONField(default=list, editable=False)
    given_up = models.JSONField(default=list, editable=False)
    account = models.ForeignKey(
        "messaging.MessageAccount",
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        verbose_name=_("message account"),
    )
    status = FSMField(
        _("status"),
        max_length=15,
        default=MessageStatus.QUEUED,
        choices=MessageStatus.choices,
        protected=True,
        db_index=False,
    )
    reason = models.CharField(_("reason"), max_length=30, default="", blank=True)
    is_uncertain = models.BooleanField(_("may have been sent"), default=False)
    may_be_twice = models.BooleanField(_("may have been sent twice"), default=False)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    failures = models.PositiveSmallIntegerField(default=0, editable=False)
    recipient = models.CharField(_("recipient"), max_length=100, default="", blank=True)
    recipient_digest = models.CharField(max_length=64, default="", editable=False)
    is_delivered = models.BooleanField(_("delivered"), null=True)
    delivery_words = models.CharField(_("the vendor's report"), max_length=200, default="", blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    queued_at = models.DateTimeField(default=timezone.now, editable=False)
    last_try_at = models.DateTimeField(_("tried at"), null=True, editable=False)
    next_try_at = models.DateTimeField(_("tried next at"), null=True, editable=False)
    settled_at = models.DateTimeField(_("ended at"), null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)

    objects = BuyerMessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["-id"]
        permissions = [("resend_message", _("Can send messages again"))]
        constraints = [
            models.UniqueConstraint(fields=["key"], name="buyer_message_once"),
            models.UniqueConstraint(fields=["outside_id"], name="buyer_message_outside_id"),
            models.CheckConstraint(
                condition=Q(status__in=MessageStatus.values), name="buyer_message_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status__in=WAITING, next_try_at__isnull=False)
                | (~Q(status__in=WAITING) & Q(next_try_at__isnull=True)),
                name="buyer_message_waits",
            ),
        ]
        indexes = [
            models.Index(fields=["order", "id"], name="buyer_message_of_order"),
            models.Index(
                fields=["account", "next_try_at", "id"],
                name="buyer_message_to_send",
                condition=Q(next_try_at__isnull=False),
            ),
            models.Index(fields=["merchant", "-id"], name="buyer_message_of_shop"),
            models.Index(
                fields=["id"], name="buyer_message_not_sent", condition=Q(status=MessageStatus.FAILED)
            ),
            models.Index(fields=["settled_at"], name="buyer_message_settled"),
        ]

    def __str__(self) -> str:
        return f"{self.get_event_display()} #{self.pk}"

    @property
    def is_waiting(self) -> bool:
        """Whether it is still to be sent."""
        return self.status in WAITING

    @property
    def is_for_staff(self) -> bool:
        """Whether it is a notice to staff."""
        return self.order_id is None

    @transition(field=status, source=list(WAITING), target=_IN_FLIGHT)
    def start(self, at: datetime) -> None:
        """An attempt goes out at `at` (UTC)."""
        self.attempts += 1
        self.last_try_at, self.reason = at, ""

    @transition(field=status, source=list(WAITING), target=_RETRY)
    def retry(self, at: datetime, reason: str) -> None:
        """It is tried again at `at` (UTC)."""
        self.next_try_at, self.leased_until, self.reason = at, None, reason

    @transition(field=status, source=[*WAITING, _FAILED], target=_SENT)
    def succeed(self, at: datetime) -> None:
        """The vendor took it, or reported that it had."""
        self._settle(at, "")
        self.is_uncertain = False

    @transition(field=status, source=list(WAITING), target=_FAILED)
    def fail(self, at: datetime, reason: str) -> None:
        """Nothing is sent any more."""
        self._settle(at, reason)

    @transition(field=status, source=list(WAITING), target=_SUPPRESSED)
    def suppress(self, at: datetime, reason: str) -> None:
        """It is not to be sent, and no attempt is open."""
        self._settle(at, reason)

    @transition(field=status, source=[_SENT, _FAILED, _SUPPRESSED], target=_QUEUED)
    def send_again(self, at: datetime, outside_id: str) -> None:
        """A person wants it sent once more, as a message of its own for the vendor."""
        self.may_be_twice = self.may_be_twice or self.is_uncertain or self.is_delivered is not False
        self.outside_id, self.given_up, self.failures, self.reason = outside_id, [], 0, ""
        self.settled_at, self.is_uncertain = None, False
        self.queued_at = self.next_try_at = at
        self.is_delivered, self.delivery_words = None, ""

    def _settle(self, at: datetime, reason: str) -> None:
        self.settled_at, self.next_try_at, self.leased_until, self.reason = at, None, None, reason
