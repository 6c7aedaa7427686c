"""A merchant's account at a payment provider."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ordersite.outside_accounts.model import OutsideAccount


class PaymentAccountQuerySet(models.QuerySet["PaymentAccount"]):
    """Queries of payment accounts."""

    def active(self) -> Self:
        """Accounts that take new payments."""
        return self.filter(is_active=True)


class PaymentAccount(OutsideAccount):
    """An account of a merchant at a payment provider. `config` is public (app id, gateway).

    A disabled account takes no new payments, but keeps taking and storing notifications: money may still arrive.
    """

    provider = models.CharField(_("provider"), max_length=20)
    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, related_name="payment_accounts", verbose_name=_("merchant")
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    objects = PaymentAccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment account")
        verbose_name_plural = _("payment accounts")
        permissions = [("approve_paymentaccount", _("Can approve new payment accounts and changed keys"))]
