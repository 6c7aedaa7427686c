"""The limits from which operations are alerted about a merchant's orders."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _


def _at_least(least: int) -> tuple[MinValueValidator, MaxValueValidator]:
    return MinValueValidator(least), MaxValueValidator(30_000)


class WatchLimit(models.Model):
    """From when an alert is raised about a merchant's orders; an empty limit is that of all merchants, then the built-in.

    The row without a merchant is about all merchants.
    """

    merchant = models.ForeignKey(
        "orders.Merchant",
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("merchant"),
        help_text=_("Empty: all merchants."),
    )
    times_usual = models.PositiveSmallIntegerField(
        _("times the usual"), null=True, blank=True, validators=_at_least(2)
    )
    deviations = models.PositiveSmallIntegerField(
        _("deviations above the usual"), null=True, blank=True, validators=_at_least(3)
    )
    more_orders = models.PositiveSmallIntegerField(
        _("orders more than usual, at least"), null=True, blank=True, validators=_at_least(1)
    )
    quiet_orders = models.PositiveSmallIntegerField(
        _("orders in an hour in which the shop sleeps"), null=True, blank=True, validators=_at_least(1)
    )
    burst_minutes = models.PositiveSmallIntegerField(
        _("minutes of a burst"),
        null=True,
        blank=True,
        validators=(MinValueValidator(1), MaxValueValidator(60)),
    )
    buyer_attempts = models.PositiveSmallIntegerField(
        _("attempts of one buyer within a burst"), null=True, blank=True, validators=_at_least(2)
    )
    address_attempts = models.PositiveSmallIntegerField(
        _("attempts from one IP address within a burst"), null=True, blank=True, validators=_at_least(2)
    )
    refused_attempts = models.PositiveSmallIntegerField(
        _("refused attempts in 15 minutes"), null=True, blank=True, validators=_at_least(1)
    )
    held_orders = models.PositiveSmallIntegerField(
        _("held orders in 15 minutes"), null=True, blank=True, validators=_at_least(1)
    )

    class Meta:
        verbose_name = _("limit of monitoring")
        verbose_name_plural = _("limits of monitoring")
        # No merchant is one value too: there is one row for all of them.
        constraints = [
            models.UniqueConstraint(Coalesce(F("merchant"), Value(0)), name="watch_limit_once"),
        ]

    def __str__(self) -> str:
        return str(self.merchant) if self.merchant_id else str(_("all merchants"))
