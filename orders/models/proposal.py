"""The base of all requests that take two persons: one proposes, another approves or refuses."""

from __future__ import annotations

from datetime import datetime
from typing import Self, TypeVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from ordersite.lib.models.guarded_status import GuardedStatus


class ProposalStatus(models.TextChoices):
    PROPOSED = "proposed", _("waiting for review")
    APPROVED = "approved", pgettext_lazy("proposal", "approved")
    REFUSED = "refused", pgettext_lazy("proposal", "refused")
    WITHDRAWN = "withdrawn", _("withdrawn")


# Waiting or approved: its subject is taken.
LIVE = (ProposalStatus.PROPOSED, ProposalStatus.APPROVED)
M = TypeVar("M", bound=models.Model)


class ProposalQuerySet(models.QuerySet[M]):
    """Queries that all kinds of proposals share."""

    def waiting(self) -> Self:
        """Proposals that wait for review."""
        return self.filter(status=ProposalStatus.PROPOSED)

    def live(self) -> Self:
        """Proposals that wait for review or were approved."""
        return self.filter(status__in=LIVE)

    def lock(self, pk: int) -> M:
        """Lock one proposal for the rest of the transaction. Lock its order and payments first."""
        return self.select_for_update(no_key=True).get(pk=pk)


def one_waiting(name: str, *fields: str) -> models.UniqueConstraint:
    """Return a constraint: at most one waiting proposal for a subject. `fields` name the subject, by default the order."""
    return models.UniqueConstraint(
        fields=fields or ("order",), name=name, condition=Q(status=ProposalStatus.PROPOSED)
    )


def waiting_index(name: str) -> models.Index:
    """Return the index of proposals that wait for review, the oldest first."""
    return models.Index(fields=["proposed_at"], name=name, condition=Q(status=ProposalStatus.PROPOSED))


class Proposal(GuardedStatus, models.Model):
    """A change that waits for a second person. What was proposed never changes; the decision is added, once.

    The database itself refuses a decision of the proposer, unless it was marked as that of a single operator.
    Only `orders.approvals.workflow` calls a transition. Times are UTC.
    """

    reason = models.CharField(_("reason"), max_length=500)
    proposer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("proposed by")
    )
    proposed_at = models.DateTimeField(_("proposed at"), default=timezone.now, editable=False)
    status = FSMField(
        _("status"),
        max_length=10,
        default=ProposalStatus.PROPOSED,
        choices=ProposalStatus.choices,
        protected=True,
        db_index=False,
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True, editable=False)
    decision_note = models.CharField(_("note of the decision"), max_length=500, default="", blank=True)
    is_single_operator = models.BooleanField(_("decided alone"), default=False, editable=False)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=~Q(status__in=[ProposalStatus.APPROVED, ProposalStatus.REFUSED])
                | (Q(decided_by__isnull=False) & (~Q(decided_by=F("proposer")) | Q(is_single_operator=True))),
                name="%(class)s_two_persons",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} #{self.pk}"

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for review."""
        return bool(self.status == ProposalStatus.PROPOSED)

    @property
    def status_label(self) -> str | Promise:
        return ProposalStatus(self.status).label

    @transition(field=status, source=ProposalStatus.PROPOSED.value, target=ProposalStatus.APPROVED.value)
    def approve(self, by: AbstractUser, at: datetime, note: str) -> None:
        self._decide(by, at, note)
        self.is_single_operator = by.pk == self.proposer_id

    @transition(field=status, source=ProposalStatus.PROPOSED.value, target=ProposalStatus.REFUSED.value)
    def refuse(self, by: AbstractUser, at: datetime, note: str) -> None:
        self._decide(by, at, note)

    @transition(field=status, source=ProposalStatus.PROPOSED.value, target=ProposalStatus.WITHDRAWN.value)
    def withdraw(self, by: AbstractUser, at: datetime, note: str) -> None:
        self._decide(by, at, note)

    def _decide(self, by: AbstractUser, at: datetime, note: str) -> None:
        self.decided_by_id, self.decided_at, self.decision_note = by.pk, at, note
