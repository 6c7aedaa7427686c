"""Money limits of roles. They are data, so that each shop sets its own."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.lib.money import ZERO, MoneyField


class MoneyLimit(models.Model):
    """The largest amount (yuan, one request) that a role may act on; the highest of a person's roles counts.

    Without a row the permission alone decides, except for a refund without approval: that is zero then.
    """

    class LimitedAction(models.TextChoices):
        REFUND_ALONE = "refund_alone", _("refund without approval")
        APPROVE_REFUND = "approve_refund", _("approve a refund")
        PROPOSE_SETTLEMENT = "propose_settlement", _("propose a manual settlement")
        APPROVE_SETTLEMENT = "approve_settlement", _("approve a manual settlement")
        APPROVE_REVIVAL = "approve_revival", _("approve the revival of an order")

    role = models.ForeignKey("auth.Group", models.CASCADE, related_name="+", verbose_name=_("role"))
    action = models.CharField(
        pgettext_lazy("money limit", "action"), max_length=20, choices=LimitedAction.choices, db_column="deed"
    )
    amount = MoneyField(_("up to"))

    class Meta:
        app_label = "payments"
        verbose_name = _("money limit")
        verbose_name_plural = _("money limits")
        ordering = ("action", "role_id")
        permissions = [("approve_moneylimit", _("Can approve changed money limits"))]
        constraints = [
            models.UniqueConstraint(fields=["role", "action"], name="money_limit_once"),
            models.CheckConstraint(condition=Q(amount__gte=ZERO), name="money_limit_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.role} · {self.get_action_display()}"
