"""Admin pages of change requests: the values before and after side by side, for the person who approves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.admin.review import DecisionForm, ReviewColumnsMixin, ReviewFilter, is_waiting
from orders.approvals import workflow
from orders.approvals.change_kind import ChangeKind, kind_of
from orders.models import ChangeRequest, Proposal
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm, person
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin

# The right to see requests opens the confirmation page; the engine checks the right of the kind.
SEE = "orders.view_changerequest"


def _through(decide: Callable[..., Any], done: Promise) -> Any:
    def run(request: HttpRequest, row: ChangeRequest, data: Mapping[str, Any]) -> Promise:
        decide(kind_of(row), row.pk, user=person(request), note=data["reason"])
        return done

    return run


@admin.register(ChangeRequest)
class ChangeRequestAdmin(ConfirmedActionsMixin, ReviewColumnsMixin, ReadOnlyAdmin):
    """Admin of change requests. The list opens with those that wait for review."""

    list_display = ("row", "what", "name", "proposer", "age", "state", "decided_by")
    list_filter = (ReviewFilter, "kind")
    list_select_related = ("merchant", "proposer", "decided_by")
    fields = (
        "what", "name", "merchant", "table", "reason", "proposer", "age", "state", "decided_by", "decided",
        "decision_note",
    )  # fmt: skip
    readonly_fields = ("what", "name", "table", "age", "state", "decided")
    confirmed = (
        Confirmed(
            "approve",
            _("Approve"),
            SEE,
            _("You confirm with your name that this change is right. The new values hold at once."),
            _through(workflow.approve, _("Approved. The new values hold.")),
            form=DecisionForm,
            fits=is_waiting,
            icon="verified",
        ),
        Confirmed(
            "refuse",
            pgettext_lazy("review", "Refuse"),
            SEE,
            _("The old values stay. Say why."),
            _through(workflow.refuse, _("Refused. The old values hold.")),
            form=DecisionForm,
            fits=is_waiting,
            tone="bad",
            icon="block",
        ),
        Confirmed(
            "withdraw",
            _("Withdraw"),
            SEE,
            _("You take your proposal back. The old values stay."),
            _through(workflow.withdraw, _("Withdrawn. The old values hold.")),
            form=ReasonForm,
            fits=is_waiting,
            icon="undo",
        ),
    )

    def buttons(self, request: HttpRequest, row: Model) -> list[dict[str, Any]]:
        """Return the buttons: withdraw for the proposer, approve and refuse for people with the kind's right."""
        change: Any = row
        offered = _offered(request, change, kind_of(change))
        return [one for one in super().buttons(request, row) if one["action"].code in offered]

    def confirmed_view(self, request: HttpRequest, object_id: int, code: str) -> HttpResponse:
        """Show the confirmation page only to people with the right of this kind."""
        change = ChangeRequest.objects.filter(pk=object_id).first()
        decides = code in {"approve", "refuse"}
        if change and decides and not request.user.has_perm(kind_of(change).may_approve):
            raise PermissionDenied
        return super().confirmed_view(request, object_id, code)

    def facts_of(self, row: Model) -> SafeString:
        change: Any = row
        return badges.facts(
            [
                (_("what is changed"), change.get_kind_display()),
                (_("name"), self.name(change)),
                (_("changes"), self.table(change)),
                (_("reason"), change.reason),
                (_("proposed by"), change.proposer),
            ]
        )

    @admin.display(description=_("what is changed"))
    def what(self, change: ChangeRequest) -> str:
        return change.get_kind_display()

    @admin.display(description=_("name"))
    def name(self, change: ChangeRequest) -> str:
        return kind_of(change).name_of(change)

    @admin.display(description=_("changes"))
    def table(self, change: ChangeRequest) -> SafeString:
        kind = kind_of(change)
        rows = format_html_join(
            "",
            "<tr><th scope=row>{}</th><td>{}</td><td>{}</td></tr>",
            (
                (kind.label_of(name), kind.text_of(name, before) or "–", kind.text_of(name, after) or "–")
                for name, (before, after) in change.changes.items()
            ),
        )
        head = format_html(
            "<thead><tr><th></th><th>{}</th><th>{}</th></tr></thead>",
            pgettext_lazy("change", "before"),
            pgettext_lazy("change", "after"),
        )
        return format_html('<table class="os-changes">{}<tbody>{}</tbody></table>', head, rows)

    @admin.display(description=_("status"))
    def state(self, proposal: Proposal) -> SafeString:
        if isinstance(proposal, ChangeRequest) and proposal.is_setup:
            return badges.badge(_("set up alone by the first administrator"), tone="waiting")
        return super().state(proposal)


def _offered(request: HttpRequest, change: ChangeRequest, kind: ChangeKind) -> set[str]:
    may_approve = request.user.has_perm(kind.may_approve)
    if change.proposer_id != request.user.pk:
        return {"approve", "refuse"} if may_approve else set()
    return {"withdraw", "approve"} if may_approve and kind.alone_from(change) else {"withdraw"}


def outcome_of(change: ChangeRequest) -> Promise:
    """Return the proposer's message: the change waits for a colleague, or was made at once as part of the set-up."""
    if change.is_setup:
        return _("Done at once: until a second person who may approve has logged in, you set up alone.")
    return _("Proposed. The old values hold until a colleague approves; those who may do so get mail.")
