"""Buyers."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Buyer(models.Model):
    """A buyer of one merchant; `outside_id` is the merchant's own id of the buyer."""

    class Tier(models.TextChoices):
        NORMAL = "normal", _("normal")
        IMPORTANT = "important", _("important customer")

    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    outside_id = models.CharField(_("buyer id"), max_length=64)
    name = models.CharField(_("name"), max_length=80)
    phone = models.CharField(_("phone"), max_length=20)
    openid = models.CharField(_("WeChat openid"), max_length=64, default="", blank=True)
    email = models.EmailField(_("e-mail"), default="", blank=True)
    tier = models.CharField(_("tier"), max_length=10, choices=Tier.choices, default=Tier.NORMAL)

    class Meta:
        verbose_name = _("buyer")
        verbose_name_plural = _("buyers")
        constraints = [models.UniqueConstraint(fields=["merchant", "outside_id"], name="buyer_of_merchant")]

    def __str__(self) -> str:
        return self.name
