"""The base of requests about an order's money that take two persons."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders.models.proposal import Proposal
from ordersite.lib.money import ZERO, MoneyField


class MoneyProposal(Proposal):
    """A proposal about an order's money. `amount` is yuan, `case` the case that it resolves when approved."""

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
