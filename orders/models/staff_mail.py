"""Mail to staff that waits for the mail server, and the language in which each of them reads it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ordersite.queue.models import QueueRow


class StaffMail(QueueRow):
    """One mail to one address about one event: a handler that runs twice makes no second one.

    `sent_at`: the mail server has taken it. `done_at` without it: given up (see `last_error`), or its request was
    decided meanwhile. Times are UTC. Deleted some days after `done_at`, for it holds an address.
    """

    event = models.CharField(max_length=60)
    subject_id = models.BigIntegerField()
    address = models.CharField(max_length=254)
    subject = models.CharField(max_length=200)
    body = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "payments"
        verbose_name = _("mail to staff")
        verbose_name_plural = _("mails to staff")
        constraints = [
            models.UniqueConstraint(fields=["event", "subject_id", "address"], name="staff_mail_once")
        ]
        indexes = [
            models.Index(fields=["id"], name="staff_mail_waiting", condition=Q(done_at__isnull=True)),
            models.Index(fields=["done_at"], name="staff_mail_done", condition=Q(done_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.event} #{self.subject_id}"


class StaffLanguage(models.Model):
    """The language that a person chose last with the switch; without a row it is the installation's."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="chosen_language"
    )
    language = models.CharField(max_length=10)

    class Meta:
        verbose_name = _("language of a person")
        verbose_name_plural = _("languages of people")

    def __str__(self) -> str:
        return f"{self.user_id}: {self.language}"
