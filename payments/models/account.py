"""A merchant's account at a payment provider."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class PaymentAccount(models.Model):
    """`config` is public (app id, gateway), `sealed_secrets` one sealed JSON object bound to this table, column and slug.

    A disabled account takes no new payments, but keeps taking and storing notifications: money may still arrive.
    """

    slug = models.SlugField(_("slug"), max_length=40, unique=True)
    provider = models.CharField(_("provider"), max_length=20)
    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, related_name="payment_accounts", verbose_name=_("merchant")
    )
    config = models.JSONField(_("settings"), default=dict)
    sealed_secrets = models.TextField(editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    changed_at = models.DateTimeField(_("changed at"), default=timezone.now, editable=False)
    # The lane to this account: calls in a row that failed, and until when nobody calls.
    failures_in_a_row = models.PositiveIntegerField(default=0, editable=False)
    resting_until = models.DateTimeField(_("resting until"), null=True, editable=False)

    class Meta:
        verbose_name = _("payment account")
        verbose_name_plural = _("payment accounts")

    def __str__(self) -> str:
        return self.slug
