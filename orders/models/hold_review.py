"""Reviews of orders that a rule has held, and marks of buyers whose next order a rule holds."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class ReviewState(models.TextChoices):
    OPEN = "open", pgettext_lazy("review", "to review")
    RELEASED = "released", pgettext_lazy("review", "released")
    CLOSED = "closed", pgettext_lazy("review", "closed")


class HoldReviewQuerySet(models.QuerySet["HoldReview"]):
    """Queries of reviews."""

    def open(self) -> Self:
        return self.filter(state=ReviewState.OPEN)

    def opened_before(self, moment: datetime) -> Self:
        """Open reviews that have waited since before `moment` (UTC)."""
        return self.open().filter(opened_at__lt=moment)


class HoldReview(models.Model):
    """What a person decides about an order that a rule holds. Times are UTC.

    `rule` is the code of the reason that stands on the order too, `seen` what the rule saw: `products`, `count`,
    `threshold`, `window` (seconds) and `attempts`, each with its time, key digest, device, address and outcome.
    `is_shipped`: the order had left before it could be held, so nothing holds it. `decided_by` is empty where the order
    ended by itself. `escalated_at`: when supervisors were mailed because nobody had looked.
    """

    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="reviews", verbose_name=_("order"))
    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, related_name="+", verbose_name=_("merchant")
    )
    rule = models.CharField(pgettext_lazy("review", "why"), max_length=40)
    seen = models.JSONField(default=dict, editable=False)
    is_shipped = models.BooleanField(_("shipped before it could be held"), default=False)
    state = models.CharField(
        pgettext_lazy("review", "state"), max_length=10, choices=ReviewState.choices, default=ReviewState.OPEN
    )
    opened_at = models.DateTimeField(pgettext_lazy("review", "opened at"), default=timezone.now)
    escalated_at = models.DateTimeField(_("supervisors mailed at"), null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=pgettext_lazy("review", "decided by"),
    )
    decided_at = models.DateTimeField(pgettext_lazy("review", "decided at"), null=True)
    reason = models.CharField(pgettext_lazy("review", "reason"), max_length=200, default="", blank=True)

    objects = HoldReviewQuerySet.as_manager()

    class Meta:
        verbose_name = _("review of a held order")
        verbose_name_plural = _("reviews of held orders")
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=["order"], name="hold_review_once_open", condition=Q(state=ReviewState.OPEN)
            ),
            models.CheckConstraint(
                condition=Q(state=ReviewState.OPEN, decided_at__isnull=True)
                | (~Q(state=ReviewState.OPEN) & Q(decided_at__isnull=False)),
                name="hold_review_decided_has_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["opened_at"], name="hold_review_waiting", condition=Q(state=ReviewState.OPEN)
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def is_open(self) -> bool:
        """Whether nobody has decided it."""
        return self.state == ReviewState.OPEN


class HoldMark(models.Model):
    """A buyer whose next order of this product is held, because there was none to hold. Times are UTC.

    `buyer_outside_id` is the merchant's own id: a buyer all of whose attempts were refused has no row of its own.
    """

    merchant = models.ForeignKey("orders.Merchant", models.CASCADE, db_index=False, related_name="+")
    buyer_outside_id = models.CharField(max_length=64)
    product_id = models.CharField(max_length=64)
    rule = models.CharField(max_length=40)
    seen = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("mark of a buyer")
        verbose_name_plural = _("marks of buyers")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "buyer_outside_id", "product_id"], name="hold_mark_once"
            )
        ]
        indexes = [models.Index(fields=["created_at"], name="hold_mark_age")]

    def __str__(self) -> str:
        return f"{self.merchant_id}/{self.buyer_outside_id}/{self.product_id}"
