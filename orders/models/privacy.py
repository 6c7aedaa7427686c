"""The log of accesses to personal data."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class PhoneLook(models.Model):
    """One access of a user to a buyer's whole phone number, or a search by one. Plain ids: the log outlives the rows.

    `searched`: a keyed fingerprint of the number that was searched by; empty for a look. `order_id`: the newest order
    that was found, None for none.
    """

    user_id = models.BigIntegerField()
    username = models.CharField(max_length=150)
    order_id = models.BigIntegerField(null=True)
    searched = models.CharField(max_length=16, default="", db_default="", blank=True)
    looked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("look at a phone number")
        verbose_name_plural = _("looks at phone numbers")
        indexes = [
            models.Index(fields=["order_id", "id"], name="phone_look_order"),
            models.Index(fields=["user_id", "looked_at"], name="phone_look_user"),
            models.Index(fields=["username", "id"], name="phone_look_username"),
        ]

    def __str__(self) -> str:
        return f"{self.username} → {self.order_id}"
