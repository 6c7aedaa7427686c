"""Releases that two persons decide: a rule proposes in its owner's name, another person releases the order."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders import lifecycle
from orders.approvals import workflow
from orders.approvals.errors import not_allowed, proposal_waiting, unknown_request
from orders.approvals.kinds import Approval
from orders.approvals.order_kind import OrderKind
from orders.errors import refused
from orders.risk import reviews
from ordersite.automation.models import ReleaseRequest


class ReleaseKind(OrderKind[ReleaseRequest]):
    """An approved one releases the order as a person does by hand, and ends its review."""

    name = "release_request"
    trigger = "release"
    event = "release.proposed"
    model = ReleaseRequest
    may_propose = "orders.hold_order"
    may_approve = "orders.hold_order"
    tile = _("releases to decide")

    def lock(self, request_id: int) -> ReleaseRequest:
        order_id = ReleaseRequest.objects.filter(pk=request_id).values_list("order_id", flat=True).first()
        if order_id is None:
            raise unknown_request(request_id)
        order = lifecycle.lock([order_id])[order_id]
        request = ReleaseRequest.objects.lock(request_id)
        request.order = order
        return request

    def apply(self, request: ReleaseRequest, approval: Approval) -> None:
        if approval.user is None:
            raise not_allowed()
        reviews.release_order(request.order_id, user=approval.user, reason=approval.note)


RELEASE = ReleaseKind()


def propose_release(order_id: int, *, user: AbstractUser, reason: str) -> ReleaseRequest:
    """Propose to release a held order; it stays held until a second person approves.

    Raises `DomainError`: not_allowed, reason_missing, not_held, proposal_waiting.
    """

    def draft(note: str) -> ReleaseRequest:
        order = lifecycle.lock([order_id])[order_id]
        if not order.held:
            raise refused("not_held", order.number)
        if ReleaseRequest.objects.waiting().filter(order=order).exists():
            raise proposal_waiting(gettext("order %(number)s") % {"number": order.number})
        request = ReleaseRequest(order=order, reason=note, proposer_id=user.pk)
        request.save(force_insert=True)
        return request

    return workflow.propose(RELEASE, draft, user=user, reason=reason)
