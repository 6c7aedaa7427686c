"""Change requests: new values of a payment account, a merchant's switches or a money limit. Take two persons."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders.models.proposal import Proposal, ProposalStatus, one_waiting, waiting_index
from ordersite.lib.money import MoneyField


class ChangeRequest(Proposal):
    """One request. The old values hold until it is approved.

    `subject` names what is changed (an account's slug, a merchant's, a role and its limit), `subject_id` its row, empty
    for a new one. `changes` holds before and after of each value as an auditor may read them, secrets as fingerprints;
    `values` is what an approval writes, `sealed_values` its secrets, encrypted and bound to kind and subject. An
    approval is refused once the current values differ from those before. `is_setup`: the first administrator of a
    fresh installation changed it alone. Times are UTC.
    """

    class Kind(models.TextChoices):
        ACCOUNT = "account", _("payment account")
        SWITCHES = "switches", _("merchant's switches")
        LIMIT = "limit", _("money limit")

    # Set by the kind under its locks: the current values differ from those that the proposer saw.
    has_moved = False

    kind = models.CharField(_("what is changed"), max_length=20, choices=Kind.choices)
    subject = models.CharField(_("name"), max_length=120)
    subject_id = models.BigIntegerField(null=True, editable=False)
    merchant = models.ForeignKey(
        "orders.Merchant",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("merchant"),
    )
    changes = models.JSONField(_("changes"), default=dict, editable=False)
    values = models.JSONField(default=dict, editable=False)
    sealed_values = models.TextField(default="", editable=False)
    amount = MoneyField(_("amount"), null=True, blank=True)
    is_setup = models.BooleanField(_("set up alone"), default=False, editable=False)

    class Meta(Proposal.Meta):
        abstract = False
        verbose_name = _("change request")
        verbose_name_plural = _("change requests")
        ordering = ["-id"]
        constraints = [
            *Proposal.Meta.constraints,
            # A second one would be approved against values that its approver has not seen.
            one_waiting("change_request_live", "kind", "subject"),
            models.CheckConstraint(
                condition=Q(is_setup=False) | Q(status=ProposalStatus.APPROVED, is_single_operator=True),
                name="change_request_setup_decided",
            ),
        ]
        indexes = [waiting_index("change_request_waiting")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.subject} #{self.pk}"


class SetupEnd(models.Model):
    """The end of the set-up: one row, written once. `ended_at` is UTC, `ended_by` the log-in name that ended it."""

    ended_at = models.DateTimeField()
    ended_by = models.CharField(max_length=150)

    class Meta:
        verbose_name = _("end of the set-up")
        verbose_name_plural = _("ends of the set-up")
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="setup_ends_once")]

    def __str__(self) -> str:
        return f"{self.ended_at:%Y-%m-%d %H:%M} {self.ended_by}"
