"""What the desks of two-person decisions share: the columns, the buttons, and who sees which of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from orders.models import OrderStatus
from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm, person
from ordersite.lib.adminkit.queues import QueueFilter
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin
from payments.approvals.workflow import Kind
from payments.models import Proposal, ProposalStatus, RefundRequest

S = ProposalStatus
TONES: dict[str, str] = {S.PROPOSED: "waiting", S.APPROVED: "good", S.REFUSED: "bad", S.WITHDRAWN: "plain"}


class DecisionForm(ReasonForm):
    """The words of a decision: what was checked, or why not."""

    reason = forms.CharField(
        label=_("note of the decision"),
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autofocus": True}),
    )


class Door(Protocol):
    """The functions of a kind's module: approve, refuse and withdraw have this form."""

    def __call__(self, request_id: int, *, user: User, note: str) -> Any: ...


class ReviewFilter(QueueFilter):
    """Shows what waits for review unless another choice is made."""

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
        waiting = queryset.filter(status=S.PROPOSED)
        return {
            "for_me": waiting.exclude(proposer_id=request.user.pk),
            "mine": queryset.filter(proposer_id=request.user.pk),
            "decided": queryset.exclude(status=S.PROPOSED),
            "all": queryset,
        }.get(self.chosen, waiting)


def is_waiting(row: Proposal | RefundRequest) -> bool:
    return row.is_waiting


def actions(kind: Kind, approve: Door, refuse: Door, withdraw: Door) -> tuple[Confirmed, ...]:
    """Approve, refuse and withdraw through the doors of a kind."""
    return (
        Confirmed(
            "approve",
            _("Approve"),
            kind.may_decide,
            _(
                "You confirm with your name that you checked it. Say what you checked; it stands in the order's history."
            ),
            through(approve, _("Approved. It is done.")),
            form=DecisionForm,
            fits=is_waiting,
            icon="verified",
        ),
        Confirmed(
            "refuse",
            pgettext_lazy("review", "Refuse"),
            kind.may_decide,
            _("Nothing is changed on the order. Say why not; it stands in the order's history."),
            through(refuse, _("Refused. Nothing was changed.")),
            form=DecisionForm,
            fits=is_waiting,
            tone="bad",
            icon="block",
        ),
        Confirmed(
            "withdraw",
            _("Withdraw"),
            kind.may_propose,
            _("You take your request back. Nothing is changed on the order."),
            through(withdraw, _("Withdrawn. Nothing was changed.")),
            form=ReasonForm,
            fits=is_waiting,
            icon="undo",
        ),
    )


def through(door: Door, told: Promise) -> Any:
    """The action that goes through a door and tells the person so."""

    def run(request: HttpRequest, row: Model, data: Mapping[str, Any]) -> Promise:
        door(row.pk, user=person(request), note=data["reason"])
        return told

    return run


class ProposalAdmin(ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin):
    """The list opens with what waits for review."""

    order_link = columns.order()
    sum = columns.amount()

    def buttons(self, request: HttpRequest, row: Model) -> list[dict[str, Any]]:
        """Offers the proposer to withdraw and everybody else to decide; the decision itself checks again.

        A single operator may approve their own request after the wait, but never refuses it: it is withdrawn instead.
        """
        assert isinstance(row, Proposal)
        own = row.proposer_id == request.user.pk
        alone = own and row.order.merchant.allows_single_operator
        hidden = {"withdraw"} if not own else {"refuse"} if alone else {"approve", "refuse"}
        return [one for one in super().buttons(request, row) if one["action"].code not in hidden]

    def facts_of(self, row: Model) -> SafeString:
        assert isinstance(row, Proposal)
        return badges.facts(self.told_before_deciding(row))

    def told_before_deciding(self, proposal: Any) -> list[tuple[str | Promise, object]]:
        order = proposal.order
        return [
            (_("order"), order.number),
            (_("amount"), badges.money(proposal.amount)),
            (_("the order is"), badges.badge(OrderStatus(order.status).label)),
            (_("proposed by"), proposal.proposer),
            (_("reason"), proposal.reason),
        ]

    @admin.display(description="#")
    def row(self, proposal: Proposal) -> str:
        return f"#{proposal.pk}"

    @admin.display(description=_("the order is"))
    def order_state(self, proposal: Proposal) -> SafeString:
        return badges.badge(OrderStatus(proposal.order.status).label)

    @admin.display(description=_("proposed at"))
    def age(self, proposal: Proposal) -> SafeString:
        return badges.ago(proposal.proposed_at)

    @admin.display(description=_("decided at"))
    def decided(self, proposal: Proposal) -> SafeString:
        return badges.ago(proposal.decided_at)

    @admin.display(description=_("payment exception"))
    def case_link(self, proposal: Proposal) -> SafeString:
        if proposal.case is None:
            return badges.NOTHING
        return badges.link(str(proposal.case), "admin:payments_paymentexception_change", proposal.case_id)

    @admin.display(description=_("status"))
    def state(self, proposal: Proposal) -> SafeString:
        status = S(proposal.status)
        label = f"{status.label} · {_('decided alone')}" if proposal.is_single_operator else status.label
        return badges.badge(label, tone=TONES[status])
