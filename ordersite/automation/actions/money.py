"""Proposes to give money back: a rule never decides about money, a second person does."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from orders import lifecycle
from ordersite.automation.actions.interface import (
    ActionOutcome,
    ActionParam,
    ActionTask,
    RuleAction,
    one_by_one,
    skipped,
)
from ordersite.automation.models import ActionState
from ordersite.lib.money import ZERO
from payments.models import Payment
from payments.refunds.request import propose_refund

NOTHING = "nothing_to_refund"


def _request_refund(task: ActionTask) -> ActionOutcome:
    """Request back what each payment of the order still holds, in the name of the rule's owner."""
    lifecycle.lock([task.order_id])
    proposed = [
        propose_refund(payment.pk, left, actor_user=task.owner, reason=task.params["reason"])
        for payment in Payment.objects.lock_of_order(task.order_id)
        if not payment.is_surplus and (left := payment.refundable_amount) > ZERO
    ]
    if not proposed:
        return skipped(NOTHING)
    return ActionOutcome(ActionState.PROPOSED, ", ".join(request.reference for request in proposed)[:60])


REQUEST_REFUND = RuleAction(
    key="request_refund",
    label=_("propose to refund the order"),
    explain=_(
        "A request for all that the order's payments still hold. A second person approves it before any money moves, "
        "whatever the limit of the rule's owner; the order does not ship meanwhile."
    ),
    permission="payments.request_refund",
    run=one_by_one(_request_refund),
    params=(ActionParam("reason", _("reason"), _("Whoever approves the refund reads it.")),),
    is_proposal=True,
    words={NOTHING: _("No payment of this order holds money to give back.")},
)
