"""Actions on the order itself: tag, note, hold, open a case. Each goes through the order's own door."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from logistics import cases
from logistics.models import ShipmentException
from orders import lifecycle
from orders.changes import HoldUnshipped, Note, Result
from ordersite.automation.actions.interface import (
    DONE,
    ActionOutcome,
    ActionParam,
    ActionTask,
    RuleAction,
    skipped,
)
from ordersite.automation.models import OrderTag
from ordersite.automation.models.tag import LONGEST_TAG
from ordersite.database import bulk

ALREADY = "already"


def _tag(task: ActionTask) -> ActionOutcome:
    tag = OrderTag(order_id=task.order_id, name=task.params["tag"], created_by=f"rule {task.rule_id}")
    new = bulk.insert_rows(OrderTag, [tag], ignore_conflicts=True, returning=["id"])
    return DONE if new else skipped(ALREADY)


def _note(task: ActionTask) -> ActionOutcome:
    order = lifecycle.lock([task.order_id])[task.order_id]
    lifecycle.apply_one(order, Note(order.pk, "rule_note", task.actor, task.evidence, task.params["text"]))
    return DONE


def _hold(task: ActionTask) -> ActionOutcome:
    order = lifecycle.lock([task.order_id])[task.order_id]
    hold = HoldUnshipped(order.pk, task.actor, task.params["reason"], task.evidence)
    done = lifecycle.apply_one(order, hold).result is Result.DONE
    return DONE if done else skipped(ALREADY)


def _open_case(task: ActionTask) -> ActionOutcome:
    detail = {"rule": task.rule_name, "words": task.params["text"]}
    opened = cases.open_order_cases([cases.OrderCase(ShipmentException.Kind.BY_RULE, task.order_id, detail)])
    return DONE if opened else skipped(ALREADY)


TAG = RuleAction(
    key="tag",
    label=_("put a tag on the order"),
    explain=_(
        "The tag is shown in the list of orders, which can be filtered by it. It changes nothing else."
    ),
    permission="automation.add_ordertag",
    run=_tag,
    params=(ActionParam("tag", pgettext_lazy("order", "tag"), most=LONGEST_TAG),),
    words={ALREADY: _("The order has this tag already.")},
)
NOTE = RuleAction(
    key="note",
    label=_("write a note into the order's history"),
    explain=_("Nobody can change or delete the note."),
    permission="orders.view_order",
    run=_note,
    params=(ActionParam("text", pgettext_lazy("rule", "text")),),
)
HOLD = RuleAction(
    key="hold",
    label=_("hold the order"),
    explain=_("An order that has not left does not ship until a person releases it."),
    permission="orders.hold_order",
    run=_hold,
    params=(ActionParam("reason", _("hold reason"), _("Whoever releases the order reads it.")),),
    words={ALREADY: _("It was held already, or had left.")},
)
OPEN_CASE = RuleAction(
    key="open_case",
    label=_("open a case for a person"),
    explain=_(
        "It waits among the shipment exceptions until somebody resolves it; one for an order at a time."
    ),
    permission="logistics.resolve_shipmentexception",
    run=_open_case,
    params=(ActionParam("text", _("what is to be done")),),
    words={ALREADY: _("The order has an open case of a rule already.")},
)
