"""Warehouses, and the carrier accounts of merchants."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from ordersite.outside_accounts.circuit import CircuitBreaker
from ordersite.outside_accounts.model import OutsideAccount


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


class CarrierAccount(OutsideAccount):
    """A merchant's account at a carrier or aggregator.

    One poller at a time has its lease, apart from `next_call_at`, so that a person may have one parcel checked while
    a poller has it. The token of the push address is one of the sealed secrets; only its SHA-256 can be looked up.

    `last_answer_at` is when it last gave a usable answer, to the minute; `last_problem` why it gave none since, empty
    when it answers. `silent_since` is set while it counts as silent. Before `silence_counts_from` no parcel's silence
    is its own: it is when the account was made, or answered again after it had been silent. `last_refresh_at` is when a
    person last had a parcel polled through it, where its calls are limited. All times are UTC.
    """

    breaker = CircuitBreaker(longest_backoff=timedelta(minutes=30))
    lease_column = "leased_until"

    carrier = models.CharField(_("carrier"), max_length=20)
    merchant = models.ForeignKey("orders.Merchant", models.PROTECT, verbose_name=_("merchant"))
    leased_until = models.DateTimeField(null=True, editable=False, db_column="lane_leased_until")
    last_answer_at = models.DateTimeField(_("last answer"), null=True, editable=False)
    last_problem = models.CharField(
        _("last problem"), max_length=200, default="", db_default="", editable=False
    )
    silent_since = models.DateTimeField(_("silent since"), null=True, editable=False)
    silence_counts_from = models.DateTimeField(null=True, editable=False)
    last_refresh_at = models.DateTimeField(null=True, editable=False)
    push_token_digest = models.CharField(max_length=64, editable=False)

    class Meta:
        verbose_name = _("carrier account")
        verbose_name_plural = _("carrier accounts")
        constraints = [
            models.UniqueConstraint(fields=["push_token_digest"], name="carrier_account_push_token")
        ]
