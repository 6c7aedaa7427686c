"""Alerts, one open row for each kind and subject, and when each task of the clock last ended well."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Alert(models.Model):
    """Something that operations must look at. Raised again it is counted; it closes when it is healed. Times are UTC.

    `subject` is what it is about in the machine's words (a handler, a host); `text` is the last evidence.
    `mailed_at`: when operations last got a mail about it.
    """

    class Kind(models.TextChoices):
        DELIVERY_PARKED = "delivery_parked", _("event parked: nothing will deliver it by itself")
        HISTORY_BROKEN = "history_broken", _("the history is not whole")
        MAIL_GIVEN_UP = "mail_given_up", _("mail to staff was given up")
        CLOCK_SKEW = "clock_skew", _("a process's clock differs from the database's")
        STANDSTILL = "standstill", _("work that runs by the clock stands still")
        DUPLICATES_UNWATCHED = (
            "duplicates_unwatched",
            _("fingerprints of orders are not kept: the database alone refuses duplicates"),
        )
        TOKEN_EXPIRES = "token_expires", _("an API token expires")
        REVIEWS_WAIT = "reviews_wait", _("held orders wait too long for a review")
        ORDER_RATE = "order_rate", _("far more orders than usual")
        QUIET_HOURS = "quiet_hours", _("orders at an hour in which the shop sleeps")
        BUYER_BURST = "buyer_burst", _("many attempts of one buyer")
        ADDRESS_BURST = "address_burst", _("many attempts from one IP address")
        MANY_REFUSED = "many_refused", _("many attempts refused")
        MANY_HELD = "many_held", _("many orders held")
        MESSAGE_ACCOUNT = "message_account", _("a message account cannot be used")
        WEBHOOK_PAUSED = "webhook_paused", _("webhooks to a receiver are paused")
        RULE_PAUSED = "rule_paused", _("an automation rule was paused")

    kind = models.CharField(_("kind"), max_length=40, choices=Kind.choices)
    subject = models.CharField(pgettext_lazy("alert", "about"), max_length=200)
    text = models.CharField(pgettext_lazy("alert", "evidence"), max_length=1000)
    count = models.PositiveIntegerField(pgettext_lazy("alert", "times"), default=1)
    opened_at = models.DateTimeField(pgettext_lazy("alert", "first"), default=timezone.now)
    last_at = models.DateTimeField(pgettext_lazy("alert", "last"), default=timezone.now)
    closed_at = models.DateTimeField(_("closed at"), null=True)
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=Q(closed_at__isnull=True), name="alert_once_open"
            )
        ]
        indexes = [
            models.Index(fields=["closed_at"], name="alert_closed", condition=Q(closed_at__isnull=False))
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class Heartbeat(models.Model):
    """When a task that runs by the clock last ended well, and in which process. Written every few seconds at most."""

    task = models.CharField(max_length=100, primary_key=True)
    at = models.DateTimeField()
    process = models.CharField(max_length=200)

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")

    def __str__(self) -> str:
        return self.task
