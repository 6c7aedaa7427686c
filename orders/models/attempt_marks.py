"""What the embedded default keeps in the database instead of Redis: claimed fingerprints, counted attempts."""

from __future__ import annotations

from django.db import models


class FingerprintClaim(models.Model):
    """Who creates, or has created, the order with this fingerprint. `expires_at` is UTC.

    `member` names the attempt; `order_number` is empty while it runs.
    """

    fingerprint = models.CharField(max_length=64)
    member = models.CharField(max_length=32)
    order_number = models.CharField(max_length=24, default="")
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = "fingerprint claim"
        verbose_name_plural = "fingerprint claims"
        constraints = [models.UniqueConstraint(fields=["fingerprint"], name="fingerprint_claim")]
        indexes = [models.Index(fields=["expires_at"], name="fingerprint_claim_age")]

    def __str__(self) -> str:
        return self.fingerprint


class AttemptMark(models.Model):
    """One attempt within one window. `window` is the digest of what is counted; `expires_at` is UTC."""

    window = models.CharField(max_length=64)
    member = models.CharField(max_length=32)
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = "attempt mark"
        verbose_name_plural = "attempt marks"
        constraints = [models.UniqueConstraint(fields=["window", "member"], name="attempt_mark")]
        indexes = [models.Index(fields=["expires_at"], name="attempt_mark_age")]

    def __str__(self) -> str:
        return self.window
