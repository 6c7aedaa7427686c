"""Warehouses, and the carrier accounts of merchants."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Warehouse(models.Model):
    """A warehouse of one merchant; it confirms the parcels that it has sent."""

    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    slug = models.SlugField(_("slug"), max_length=40)
    name = models.CharField(_("name"), max_length=80)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("warehouse")
        verbose_name_plural = _("warehouses")
        constraints = [models.UniqueConstraint(fields=["merchant", "slug"], name="warehouse_of_merchant")]

    def __str__(self) -> str:
        return self.name


class CarrierAccount(models.Model):
    """A merchant's account at a carrier or aggregator; secrets sealed like those of a payment account.

    `lane_leased_until` (UTC): one poller at a time asks through an account; `resting_until` is its open breaker.
    The token of the push address is one of the sealed secrets; only its SHA-256 can be looked up.
    """

    slug = models.SlugField(_("slug"), max_length=40, unique=True)
    carrier = models.CharField(_("carrier"), max_length=20)
    merchant = models.ForeignKey("orders.Merchant", models.PROTECT, verbose_name=_("merchant"))
    config = models.JSONField(_("settings"), default=dict)
    sealed_secrets = models.TextField(editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    changed_at = models.DateTimeField(_("changed at"), editable=False)
    failures_in_a_row = models.PositiveIntegerField(default=0, editable=False)
    lane_leased_until = models.DateTimeField(null=True, editable=False)
    push_token_digest = models.CharField(max_length=64, editable=False)
    resting_until = models.DateTimeField(_("resting until"), null=True, editable=False)

    class Meta:
        verbose_name = _("carrier account")
        verbose_name_plural = _("carrier accounts")
        constraints = [
            models.UniqueConstraint(fields=["push_token_digest"], name="carrier_account_push_token")
        ]

    def __str__(self) -> str:
        return self.slug
