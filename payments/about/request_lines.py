"""Requests about an order's money that have not ended: a manual settlement, a revival, a refund."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import CharField, F, QuerySet, Value
from django.utils.translation import gettext as _

from orders.models import Order, OrderStatus
from orders.truth.facts import BuyerWords, TruthLine
from orders.truth.states import being_checked_words, join, received_words
from ordersite.lib.money import display_amount
from payments.models import RefundStatus

_PAGES = {
    "settlement": "payments_settlementrequest_change",
    "revival": "payments_revivalrequest_change",
    "refund": "payments_refundrequest_change",
}


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """A row of one of the three tables; `proposer` is empty where the merchant's rule proposed."""

    kind: str
    order_id: int
    pk: int
    amount: Decimal
    status: str
    since: datetime
    proposer: str | None

    @staticmethod
    def rows(requests: QuerySet[Any], kind: str, *, since: str) -> QuerySet[Any]:
        """The requests with their kind and the time of the proposal, unordered, so that tables can be united."""
        return requests.order_by().annotate(kind=Value(kind, CharField()), since=F(since))

    @property
    def names(self) -> Mapping[str, str]:
        """What its sentences name."""
        return {"amount": display_amount(self.amount), "name": self.proposer or ""}


def request_line(request: WaitingRequest, order: Order) -> TruthLine:
    """The line about a request."""
    if request.kind == "settlement":
        return _settlement(request)
    if request.kind == "revival":
        return _revival(request)
    return _proposed_refund(request, order) if request.status == RefundStatus.PROPOSED else _refund(request)


def _settlement(request: WaitingRequest) -> TruthLine:
    return TruthLine(
        code="request_settlement",
        tone="waiting",
        staff=_("The manual settlement of %(amount)s by %(name)s waits for review.") % request.names,
        merchant=_("A payment of %(amount)s by the buyer is being checked.") % request.names,
        buyer=being_checked_words(),
        mark=_("settlement to review"),
        url_name=_PAGES[request.kind],
        url_id=request.pk,
    )


def _revival(request: WaitingRequest) -> TruthLine:
    merchant = _(
        "The buyer's payment of %(amount)s was received after the closing; reviving the order waits for review."
    )
    return TruthLine(
        code="request_revival",
        tone="waiting",
        staff=_("Reviving the order with %(amount)s, proposed by %(name)s, waits for review.")
        % request.names,
        merchant=merchant % request.names,
        buyer=received_words(),
        mark=_("revival to review"),
        url_name=_PAGES[request.kind],
        url_id=request.pk,
    )


def _proposed_refund(request: WaitingRequest, order: Order) -> TruthLine:
    staff = _("The refund of %(amount)s waits for approval.") % request.names
    merchant = _("A refund of %(amount)s waits for approval.") % request.names
    if order.status == OrderStatus.PAID and order.refunds_pending:
        merchant = join(merchant, _("The order does not ship meanwhile."))
    return TruthLine(
        code="request_refund",
        tone="waiting",
        staff=staff,
        merchant=merchant,
        buyer=BuyerWords(
            _("A refund is being checked"),
            _("The shop decides about a refund of %(amount)s.") % request.names,
        ),
        mark=_("refund to approve"),
        url_name=_PAGES[request.kind],
        url_id=request.pk,
    )


def _refund(request: WaitingRequest) -> TruthLine:
    is_stuck = request.status == RefundStatus.ABNORMAL
    staff = (
        _("The refund of %(amount)s is stuck at the payment provider.")
        if is_stuck
        else _("The refund of %(amount)s is on its way; the payment provider has not confirmed it.")
    )
    return TruthLine(
        code="refund_stuck" if is_stuck else "refund_under_way",
        tone="bad" if is_stuck else "waiting",
        staff=staff % request.names,
        merchant=_("%(amount)s is on its way back to the buyer.") % request.names,
        buyer=BuyerWords(
            _("A refund is under way"), _("%(amount)s goes back the way you paid.") % request.names
        ),
        mark=_("refund under way"),
        url_name=_PAGES[request.kind],
        url_id=request.pk,
    )
