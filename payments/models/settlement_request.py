"""Manual settlement requests: money that a person saw arrive, proposed with evidence. Takes two persons."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orders.models.proposal import LIVE, ProposalQuerySet, one_waiting, waiting_index
from payments.models.proposal import MoneyProposal


class SettlementRequestQuerySet(ProposalQuerySet["SettlementRequest"]):
    """Queries of manual settlements."""


class SettlementRequest(MoneyProposal):
    """One request. `occurred_at` (UTC) is the time of payment on the evidence, `payment` the attempt that it settled.

    A provider's number stands in one live or approved request of an account; an order has one live request.
    """

    account = models.ForeignKey(
        "payments.PaymentAccount", models.PROTECT, db_index=False, verbose_name=_("payment account")
    )
    provider_reference = models.CharField(_("provider's reference"), max_length=64)
    occurred_at = models.DateTimeField(_("money arrived at"), null=True, blank=True)
    statement_line = models.ForeignKey(
        "payments.StatementLine",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("statement line"),
    )
    payment = models.ForeignKey(
        "payments.Payment",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("payment"),
    )

    objects = SettlementRequestQuerySet.as_manager()

    class Meta(MoneyProposal.Meta):
        abstract = False
        verbose_name = _("settlement request")
        verbose_name_plural = _("settlement requests")
        ordering = ["-id"]
        permissions = [
            ("propose_settlementrequest", _("Can propose manual settlements")),
            ("approve_settlementrequest", _("Can review manual settlements")),
        ]
        constraints = [
            *MoneyProposal.Meta.constraints,
            models.UniqueConstraint(
                fields=["account", "provider_reference"],
                name="settlement_request_reference",
                condition=Q(status__in=LIVE),
            ),
            one_waiting("settlement_request_live"),
            models.CheckConstraint(condition=~Q(provider_reference=""), name="settlement_request_has_number"),
        ]
        indexes = [waiting_index("settlement_request_waiting")]


class SettlementFile(models.Model):
    """An evidence file. `stored_name` is its name in the private folder, `file_name` that of the upload."""

    request = models.ForeignKey(
        SettlementRequest, models.PROTECT, related_name="files", verbose_name=_("settlement request")
    )
    stored_name = models.CharField(max_length=100, editable=False)
    file_name = models.CharField(_("file name"), max_length=255)
    size = models.PositiveIntegerField(_("bytes"))
    sha256 = models.CharField("SHA-256", max_length=64)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("uploaded by")
    )
    uploaded_at = models.DateTimeField(_("uploaded at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("evidence file")
        verbose_name_plural = _("evidence files")
        constraints = [
            models.UniqueConstraint(fields=["stored_name"], name="settlement_file_stored_name"),
        ]

    def __str__(self) -> str:
        return self.file_name
