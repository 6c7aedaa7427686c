"""What two persons decide about an order's money."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders.models.proposal import Proposal
from ordersite.lib.money import ZERO, MoneyField


class MoneyProposal(Proposal):
    """A proposal about money (yuan) of an order; `case`: the case that it is to end."""

    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="+", verbose_name=_("order"))
    case = models.ForeignKey(
        "payments.PaymentException",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("payment exception"),
    )
    amount = MoneyField(_("amount"))

    class Meta(Proposal.Meta):
        abstract = True
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=ZERO), name="%(class)s_amount_positive"),
            *Proposal.Meta.constraints,
        ]
