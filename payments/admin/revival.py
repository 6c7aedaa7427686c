"""Admin pages of revivals: closed orders that were paid late and are to be delivered after all."""

from __future__ import annotations

from django.contrib import admin
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from orders.admin.review import ReviewFilter
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.search import order_number, row_id
from payments.admin.approvals import MoneyProposalAdmin, actions
from payments.manual.revive import REVIVAL
from payments.models import RevivalRequest


@admin.register(RevivalRequest)
class RevivalRequestAdmin(MoneyProposalAdmin):
    """Review of revivals. They are proposed on the page of the late payment's case."""

    list_display = ("row", "order_link", "sum", "proposer", "age", "state", "decided_by")
    list_filter = (ReviewFilter,)
    list_select_related = ("order__merchant", "proposer", "decided_by")
    search_fields = ("order__number",)
    search_help_text = _("Order number or #request")
    shapes = (row_id(), order_number())
    fields = (
        "order_link", "order_state", "sum", "payment_link", "reason", "stock", "proposer", "age", "state",
        "decided_by", "decided", "decision_note", "case_link",
    )  # fmt: skip
    readonly_fields = (
        "order_link",
        "order_state",
        "sum",
        "payment_link",
        "stock",
        "age",
        "state",
        "decided",
        "case_link",
    )
    kind = REVIVAL
    confirmed = actions(REVIVAL)

    def facts_before_deciding(self, proposal: RevivalRequest) -> list[tuple[str | Promise, object]]:
        return [
            *super().facts_before_deciding(proposal),
            (_("stock confirmed by"), proposal.stock_confirmed_by),
        ]

    @admin.display(description=_("payment"))
    def payment_link(self, request: RevivalRequest) -> SafeString:
        return badges.link(request.payment.reference, "admin:payments_payment_change", request.payment_id)

    @admin.display(description=_("stock confirmed by"))
    def stock(self, request: RevivalRequest) -> str:
        return str(request.stock_confirmed_by or "–")
