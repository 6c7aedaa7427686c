"""Revival requests: a closed order that was paid late is to be delivered after all. Takes two persons."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders.models.proposal import ProposalQuerySet, ProposalStatus, one_waiting, waiting_index
from payments.models.proposal import MoneyProposal


class RevivalRequestQuerySet(ProposalQuerySet["RevivalRequest"]):
    """Queries of revivals."""


class RevivalRequest(MoneyProposal):
    """A request for one late payment. `stock_confirmed_by` has checked that the goods are in stock."""

    payment = models.ForeignKey(
        "payments.Payment", models.PROTECT, related_name="+", db_index=False, verbose_name=_("payment")
    )
    stock_confirmed = models.BooleanField(_("stock confirmed"), default=False)
    stock_confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("stock confirmed by"),
    )

    objects = RevivalRequestQuerySet.as_manager()

    class Meta(MoneyProposal.Meta):
        abstract = False
        verbose_name = _("revival request")
        verbose_name_plural = _("revival requests")
        ordering = ["-id"]
        permissions = [
            ("propose_revivalrequest", _("Can propose to revive orders")),
            ("approve_revivalrequest", _("Can review the revival of orders")),
        ]
        constraints = [
            *MoneyProposal.Meta.constraints,
            one_waiting("revival_request_live"),
            models.CheckConstraint(
                condition=~Q(status=ProposalStatus.APPROVED)
                | Q(stock_confirmed=True, stock_confirmed_by__isnull=False),
                name="revival_request_has_stock",
            ),
        ]
        indexes = [waiting_index("revival_request_waiting")]
