"""Proposes to release a held order: a rule lets nothing ship, a second person does."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from ordersite.automation.actions.interface import (
    ActionOutcome,
    ActionParam,
    ActionTask,
    RuleAction,
    one_by_one,
    skipped,
)
from ordersite.automation.models import ActionState
from ordersite.automation.releases import propose_release
from ordersite.lib.errors import DomainError

NOT_HELD, WAITING = "not_held", "proposal_waiting"


def _release(task: ActionTask) -> ActionOutcome:
    try:
        request = propose_release(task.order_id, user=task.owner, reason=task.params["reason"])
    except DomainError as refused:
        if refused.code in (NOT_HELD, WAITING):
            return skipped(refused.code)
        raise
    return ActionOutcome(ActionState.PROPOSED, f"#{request.pk}")


PROPOSE_RELEASE = RuleAction(
    key="propose_release",
    label=_("propose to release the order"),
    explain=_("The order stays held until a second person, not the rule's owner, approves the proposal."),
    permission="orders.hold_order",
    run=one_by_one(_release),
    params=(ActionParam("reason", _("reason"), _("Whoever decides reads it.")),),
    is_proposal=True,
    words={
        NOT_HELD: _("The order was not held."),
        WAITING: _("Its release was proposed already."),
    },
)
