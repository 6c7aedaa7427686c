"""The base of the admin pages of requests that take two persons: buttons, filter and columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from orders.approvals import workflow
from orders.approvals.kinds import ApprovalKind
from orders.models import Proposal, ProposalStatus
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm, person
from ordersite.lib.adminkit.queues import QueueFilter

TONES: dict[str, str] = {
    ProposalStatus.PROPOSED: "waiting",
    ProposalStatus.APPROVED: "good",
    ProposalStatus.REFUSED: "bad",
    ProposalStatus.WITHDRAWN: "plain",
}
Decide = Callable[..., Any]


class DecisionForm(ReasonForm):
    """Ask for the note of a decision: what was checked, or why it is refused."""

    reason = forms.CharField(
        label=_("note of the decision"),
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autofocus": True}),
    )


@dataclass(frozen=True, slots=True)
class Effect:
    """The two texts of a button: the explanation before the click and the message after it."""

    before: Promise
    after: Promise


def review_actions(
    kind: ApprovalKind[Any],
    *,
    approve: Effect,
    refuse: Effect,
    withdraw: Effect,
    form: type[ReasonForm] = DecisionForm,
) -> tuple[Confirmed, ...]:
    """Build the buttons approve, refuse and withdraw of a kind; each calls the approvals engine."""
    return (
        Confirmed(
            "approve",
            _("Approve"),
            kind.may_approve,
            **_deciding(workflow.approve, kind, approve),
            form=form,
            icon="verified",
        ),
        Confirmed(
            "refuse",
            pgettext_lazy("review", "Refuse"),
            kind.may_approve,
            **_deciding(workflow.refuse, kind, refuse),
            form=form,
            tone="bad",
            icon="block",
        ),
        Confirmed(
            "withdraw",
            _("Withdraw"),
            kind.may_propose,
            **_deciding(workflow.withdraw, kind, withdraw),
            form=ReasonForm,
            icon="undo",
        ),
    )


def is_waiting(row: Any) -> bool:
    return bool(row.is_waiting)


def _deciding(decide: Decide, kind: ApprovalKind[Any], effect: Effect) -> dict[str, Any]:
    """Build the fields that all three actions share: explanation, call of the engine, and the rows it fits."""

    def run(request: HttpRequest, row: Model, data: Mapping[str, Any]) -> Promise:
        decide(kind, row.pk, user=person(request), note=data["reason"])
        return effect.after

    return {"explain": effect.before, "run": run, "fits": is_waiting}


class ReviewFilter(QueueFilter):
    """Filter by review. Without a choice: requests that wait for review."""

    title = _("review")
    opens_with = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("waiting", _("waiting for review")),
            ("for_me", _("I may decide")),
            ("mine", _("proposed by me")),
            ("decided", _("decided")),
            ("all", _("all of them")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        waiting = queryset.filter(status=ProposalStatus.PROPOSED)
        return {
            "for_me": waiting.exclude(proposer_id=request.user.pk),
            "mine": queryset.filter(proposer_id=request.user.pk),
            "decided": queryset.exclude(status=ProposalStatus.PROPOSED),
            "all": queryset,
        }.get(self.chosen, waiting)


class ReviewButtonsMixin(ConfirmedActionsMixin):
    """Shows withdraw to the proposer, approve and refuse to everybody else; the engine checks again.

    A proposer who may decide alone may approve after the wait, but never refuses: the request is withdrawn instead.
    """

    kind: ApprovalKind[Any]

    def buttons(self, request: HttpRequest, row: Model) -> list[dict[str, Any]]:
        proposal: Any = row
        is_own = proposal.proposer_id == request.user.pk
        is_alone = is_own and self.kind.alone_from(proposal) is not None
        hidden = {"withdraw"} if not is_own else {"refuse"} if is_alone else {"approve", "refuse"}
        return [one for one in super().buttons(request, row) if one["action"].code not in hidden]


class ReviewColumnsMixin:
    """Columns of a `Proposal`."""

    @admin.display(description="#")
    def row(self, proposal: Proposal) -> str:
        return f"#{proposal.pk}"

    @admin.display(description=_("proposed at"))
    def age(self, proposal: Proposal) -> SafeString:
        return badges.ago(proposal.proposed_at)

    @admin.display(description=_("decided at"))
    def decided(self, proposal: Proposal) -> SafeString:
        return badges.ago(proposal.decided_at)

    @admin.display(description=_("status"))
    def state(self, proposal: Proposal) -> SafeString:
        status = ProposalStatus(proposal.status)
        label = f"{status.label} · {_('decided alone')}" if proposal.is_single_operator else status.label
        return badges.badge(label, tone=TONES[status])
