"""The base of the admin pages of settlements and revivals: links to the order and the case of a money proposal."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from orders.admin.review import Effect, ReviewButtonsMixin, ReviewColumnsMixin, review_actions
from orders.approvals.kinds import ApprovalKind
from orders.models import OrderStatus
from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import Confirmed
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin
from payments.models import MoneyProposal


def actions(kind: ApprovalKind[Any]) -> tuple[Confirmed, ...]:
    return review_actions(
        kind,
        approve=Effect(
            _(
                "You confirm with your name that you checked it. Say what you checked; it stands in the order's history."
            ),
            _("Approved. It is done."),
        ),
        refuse=Effect(
            _("Nothing is changed on the order. Say why not; it stands in the order's history."),
            _("Refused. Nothing was changed."),
        ),
        withdraw=Effect(
            _("You take your request back. Nothing is changed on the order."),
            _("Withdrawn. Nothing was changed."),
        ),
    )


class MoneyProposalAdmin(ReviewButtonsMixin, ReviewColumnsMixin, ShapeSearchMixin, ReadOnlyAdmin):
    """Admin of a money proposal. The list opens with the proposals that wait for review."""

    order_link = columns.order()
    sum = columns.amount()

    def facts_of(self, row: Any) -> SafeString:
        return badges.facts(self.facts_before_deciding(row))

    def facts_before_deciding(self, proposal: Any) -> list[tuple[str | Promise, object]]:
        order = proposal.order
        return [
            (_("order"), order.number),
            (_("amount"), badges.money(proposal.amount)),
            (_("order's total"), badges.money(order.total_amount)),
            (_("the order is"), badges.badge(OrderStatus(order.status).label)),
            (_("proposed by"), proposal.proposer),
            (_("reason"), proposal.reason),
        ]

    @admin.display(description=_("the order is"))
    def order_state(self, proposal: MoneyProposal) -> SafeString:
        return badges.badge(OrderStatus(proposal.order.status).label)

    @admin.display(description=_("payment exception"))
    def case_link(self, proposal: MoneyProposal) -> SafeString:
        if proposal.case is None:
            return badges.NOTHING
        return badges.link(str(proposal.case), "admin:payments_paymentexception_change", proposal.case_id)
