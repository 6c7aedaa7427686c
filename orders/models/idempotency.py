"""Idempotency keys: the claim, what was asked, and what came of it."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class IdempotencyKey(models.Model):
    """A key that succeeded. It commits together with what it made, so a refused or failed call leaves none."""

    client = models.ForeignKey("orders.ApiClient", models.CASCADE, db_index=False)
    key = models.CharField(max_length=255)
    body_digest = models.CharField(max_length=64)
    subject_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        constraints = [models.UniqueConstraint(fields=["client", "key"], name="idempotency_key")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_age")]

    def __str__(self) -> str:
        return self.key
