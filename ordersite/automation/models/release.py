"""A proposal to release a held order, for a second person: what a rule that wants to release makes."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from orders.models.proposal import Proposal, ProposalQuerySet, one_waiting, waiting_index


class ReleaseRequestQuerySet(ProposalQuerySet["ReleaseRequest"]):
    """Queries of proposed releases."""


class ReleaseRequest(Proposal):
    """A held order that a rule's owner wants released. Proposed by a rule, decided by a person."""

    order = models.ForeignKey(
        "orders.Order", models.PROTECT, related_name="+", db_index=False, verbose_name=_("order")
    )

    objects = ReleaseRequestQuerySet.as_manager()

    class Meta(Proposal.Meta):
        abstract = False
        verbose_name = _("release request")
        verbose_name_plural = _("release requests")
        ordering = ["-id"]
        constraints = [*Proposal.Meta.constraints, one_waiting("release_request_live")]
        indexes = [waiting_index("release_request_waiting")]

    @property
    def amount(self) -> Decimal:
        """The order's total (yuan): what leaves with it."""
        return self.order.total_amount
