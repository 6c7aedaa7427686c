"""Idempotency keys of API clients."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class IdempotencyKey(models.Model):
    """A used key: the digest of its request and the id of the order that it created.

    It commits together with that order, so a refused or failed call leaves none.
    """

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
