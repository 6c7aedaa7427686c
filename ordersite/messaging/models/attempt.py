"""The attempts at messages, and the wishes of people to send one again."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ordersite.messaging.models.message import BuyerMessage


class AttemptResult(models.TextChoices):
    """How one attempt ended. Started: it is on its way, or its process died with it."""

    STARTED = "started", _("on its way")
    SENT = "sent", _("taken by the vendor")
    RETRY = "retry", _("not taken now")
    GIVEN_UP = "given_up", _("not taken")
    ALARM = "alarm", _("account unusable")
    UNKNOWN = "unknown", _("no answer: it may have been sent")


class MessageAttempt(models.Model):
    """One attempt to send a message over one account. `words` are the vendor's, without secrets and personal data.

    `vendor_id` is the vendor's number of it; `outside_id` was ours then.
    """

    message = models.ForeignKey(
        BuyerMessage, models.CASCADE, related_name="tries", db_index=False, verbose_name=_("message")
    )
    account = models.ForeignKey(
        "messaging.MessageAccount", models.PROTECT, db_index=False, verbose_name=_("message account")
    )
    channel = models.CharField(_("channel"), max_length=20)
    outside_id = models.CharField(max_length=40, editable=False)
    recipient_digest = models.CharField(max_length=64, default="", editable=False)
    at = models.DateTimeField(_("time"), default=timezone.now)
    result = models.CharField(
        _("result"), max_length=10, choices=AttemptResult.choices, default=AttemptResult.STARTED
    )
    code = models.CharField(_("code"), max_length=30, default="", blank=True)
    words = models.CharField(_("the vendor's words"), max_length=200, default="", blank=True)
    vendor_id = models.CharField(_("the vendor's number"), max_length=100, default="", blank=True)
    duration_ms = models.PositiveIntegerField(_("duration in ms"), default=0)

    class Meta:
        verbose_name = _("attempt at a message")
        verbose_name_plural = _("attempts at a message")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["message", "id"], name="message_attempt_of_message"),
            models.Index(fields=["account", "vendor_id"], name="message_attempt_vendor_id"),
            models.Index(fields=["outside_id"], name="message_attempt_outside_id"),
            models.Index(fields=["recipient_digest", "at"], name="message_attempt_of_person"),
            models.Index(fields=["at"], name="message_attempt_at"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.get_result_display()}"


class MessageResend(models.Model):
    """A person had a message sent again, and why."""

    message = models.ForeignKey(
        BuyerMessage, models.CASCADE, related_name="resends", db_index=False, verbose_name=_("message")
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, db_index=False, related_name="+", verbose_name=_("person")
    )
    reason = models.CharField(_("reason"), max_length=200)
    at = models.DateTimeField(_("time"), default=timezone.now)

    class Meta:
        verbose_name = _("repeated message")
        verbose_name_plural = _("repeated messages")
        ordering = ["-id"]
        indexes = [models.Index(fields=["message", "id"], name="message_resend_of_message")]

    def __str__(self) -> str:
        return self.reason
