"""After how long a parcel counts as stalled, where a merchant wants it otherwise."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from logistics.models.shipment import CARRIERS

_BOUNDS = (MinValueValidator(1), MaxValueValidator(2400))


class StallRule(models.Model):
    """The limits of a merchant's parcels, of one carrier or of all; an empty limit is that of the wider rule.

    Hours, but for `failed_deliveries`, which counts. A carrier's rule goes before that of all carriers.
    """

    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    carrier = models.CharField(
        _("carrier"),
        max_length=20,
        blank=True,
        default="",
        choices=CARRIERS,
        help_text=_("Empty: all carriers."),
    )
    no_news_hours = models.PositiveSmallIntegerField(
        _("hours without an event"), null=True, blank=True, validators=_BOUNDS
    )
    pick_up_hours = models.PositiveSmallIntegerField(
        _("hours without a pick-up"), null=True, blank=True, validators=_BOUNDS
    )
    locker_hours = models.PositiveSmallIntegerField(
        _("hours in the locker"), null=True, blank=True, validators=_BOUNDS
    )
    signature_hours = models.PositiveSmallIntegerField(
        _("hours without a signature"), null=True, blank=True, validators=_BOUNDS
    )
    failed_deliveries = models.PositiveSmallIntegerField(
        _("failed deliveries"), null=True, blank=True, validators=_BOUNDS
    )

    class Meta:
        verbose_name = _("limit of stalled parcels")
        verbose_name_plural = _("limits of stalled parcels")
        constraints = [models.UniqueConstraint(fields=["merchant", "carrier"], name="stall_rule_once")]

    def __str__(self) -> str:
        return f"{self.merchant} {self.get_carrier_display() or '*'}"
