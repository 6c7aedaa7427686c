"""Pages of proposed releases: a person decides about what a rule proposed."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from orders.admin.review import ReviewFilter
from ordersite.automation.models import ReleaseRequest
from ordersite.automation.releases import RELEASE
from ordersite.lib.adminkit.search import order_number, row_id
from payments.admin.approvals import MoneyProposalAdmin, actions


@admin.register(ReleaseRequest)
class ReleaseRequestAdmin(MoneyProposalAdmin):
    list_display = ("row", "order_link", "sum", "proposer", "age", "state", "decided_by")
    list_filter = (ReviewFilter,)
    list_select_related = ("order", "proposer", "decided_by")
    search_fields = ("order__number",)
    search_help_text = _("Order number or #request")
    shapes = (row_id(), order_number())
    fields = (
        "order_link", "order_state", "sum", "reason", "proposer", "age", "state", "decided_by", "decided",
        "decision_note",
    )  # fmt: skip
    readonly_fields = ("order_link", "order_state", "sum", "age", "state", "decided")
    kind = RELEASE
    confirmed = actions(RELEASE)
