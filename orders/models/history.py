"""The immutable history of orders, its erasable texts, and the seals over both."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class OrderEvent(models.Model):
    """One line of an order's history. It cannot be changed or deleted: the triggers of this app refuse that.

    `at` is when it happened (UTC), `recorded_at` when the line was written (UTC). `evidence` is JSON text exactly as
    it was hashed. There is no foreign-key constraint to the order, so that history outlives archived orders.
    """

    class EventKind(models.TextChoices):
        CREATED = "created", pgettext_lazy("history", "created")
        TRANSITION = "transition", _("change of state")
        HOLD = "hold", _("held")
        RELEASE = "release", _("released")
        CLOSE_REQUESTED = "close_requested", _("closing requested")
        WAYBILL = "waybill", pgettext_lazy("history", "waybill")
        REFUND_REQUESTED = "refund_requested", pgettext_lazy("history", "refund requested")
        REFUND_ENDED = "refund_ended", _("refund request ended")
        PARTIAL_REFUND = "partial_refund", _("partial refund")
        NOTE = "note", _("note")

    order = models.ForeignKey(
        "orders.Order", models.DO_NOTHING, db_constraint=False, db_index=False, related_name="events"
    )
    seq = models.PositiveIntegerField()
    kind = models.CharField(_("kind"), max_length=20, choices=EventKind.choices)
    from_status = models.CharField(pgettext_lazy("state", "from"), max_length=10, default="", blank=True)
    to_status = models.CharField(pgettext_lazy("state", "to"), max_length=10, default="", blank=True)
    trigger = models.CharField(_("trigger"), max_length=30)
    actor_kind = models.CharField(_("actor"), max_length=20)
    actor_id = models.CharField(_("actor id"), max_length=64, default="", blank=True)
    evidence = models.TextField(_("evidence"), default="", blank=True)
    text_digest = models.CharField(max_length=64, default="", blank=True)
    at = models.DateTimeField(_("time"))
    recorded_at = models.DateTimeField(_("recorded at"))
    version = models.PositiveSmallIntegerField(default=1)
    prev_hash = models.CharField(max_length=64, default="", blank=True)
    hash = models.CharField(_("hash"), max_length=64)

    class Meta:
        verbose_name = _("history line")
        verbose_name_plural = _("history lines")
        ordering = ("order_id", "seq")
        constraints = [models.UniqueConstraint(fields=["order", "seq"], name="order_event_seq")]
        # The list filtered by a kind that one line in a thousand has; those of every order are found anyway.
        indexes = [
            models.Index(
                fields=["kind", "-id"],
                name="order_event_rare_kind",
                condition=~Q(kind__in=["created", "transition", "waybill"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.order_id}/{self.seq} {self.get_kind_display()}"


class OrderEventText(models.Model):
    """The personal text of a line (a reason). It can be erased without breaking the chain: only its digest is hashed."""

    order_id = models.BigIntegerField()
    seq = models.PositiveIntegerField()
    salt = models.CharField(max_length=32)
    text = models.TextField()

    class Meta:
        verbose_name = _("history text")
        verbose_name_plural = _("history texts")
        constraints = [models.UniqueConstraint(fields=["order_id", "seq"], name="order_event_text_seq")]

    def __str__(self) -> str:
        return f"{self.order_id}/{self.seq}"


class HistorySeal(models.Model):
    """An HMAC over the committed lines `first_id` to `last_id`, chained to the seal before it."""

    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField()
    lines = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    prev_mac = models.CharField(max_length=64, default="", blank=True)
    mac = models.CharField(max_length=64)
    key_id = models.CharField(max_length=20)
    sealed_at = models.DateTimeField()

    class Meta:
        verbose_name = _("history seal")
        verbose_name_plural = _("history seals")
        constraints = [models.UniqueConstraint(fields=["first_id"], name="history_seal_first")]

    def __str__(self) -> str:
        return f"{self.first_id}–{self.last_id}"
