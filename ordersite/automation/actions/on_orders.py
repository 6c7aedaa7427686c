"""Actions on the order itself: tag, note, hold, open a case. Each goes through the order's own door."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from logistics import cases
from logistics.models import ShipmentException
from orders import lifecycle
from orders.changes import Change, HoldUnshipped, Note, Outcome, Result
from ordersite.automation.actions.interface import (
    DONE,
    ActionOutcome,
    ActionParam,
    ActionTask,
    RuleAction,
    one_by_one,
    skipped,
)
from ordersite.automation.models import OrderTag
from ordersite.automation.models.tag import LONGEST_TAG
from ordersite.database import bulk

ALREADY = "already"
MANY = 100


def _tag(tasks: Sequence[ActionTask]) -> list[ActionOutcome]:
    tags = [
        OrderTag(order_id=task.order_id, name=task.params["tag"], created_by=f"rule {task.rule_id}")
        for task in sorted(tasks, key=lambda task: (task.order_id, task.params["tag"]))
    ]
    new = set(bulk.insert_rows(OrderTag, tags, ignore_conflicts=True, returning=["order", "name"]))
    return [_done_once(new, (task.order_id, task.params["tag"])) for task in tasks]


def _done_once(new: set[tuple[Any, ...]], key: tuple[int, str]) -> ActionOutcome:
    """The first task that names a new row has made it."""
    if key not in new:
        return skipped(ALREADY)
    new.remove(key)
    return DONE


def _note(tasks: Sequence[ActionTask]) -> list[ActionOutcome]:
    _apply(
        [Note(task.order_id, "rule_note", task.actor, task.evidence, task.params["text"]) for task in tasks]
    )
    return [DONE] * len(tasks)


def _hold(tasks: Sequence[ActionTask]) -> list[ActionOutcome]:
    outcomes = _apply(
        [HoldUnshipped(task.order_id, task.actor, task.params["reason"], task.evidence) for task in tasks]
    )
    return [DONE if outcome.result is Result.DONE else skipped(ALREADY) for outcome in outcomes]


def _apply(changes: Sequence[Change]) -> list[Outcome]:
    return lifecycle.apply(lifecycle.lock(change.order_id for change in changes), changes)


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
    at_once=MANY,
    params=(ActionParam("tag", pgettext_lazy("order", "tag"), most=LONGEST_TAG),),
    words={ALREADY: _("The order has this tag already.")},
)
NOTE = RuleAction(
    key="note",
    label=_("write a note into the order's history"),
    explain=_("Nobody can change or delete the note."),
    permission="orders.view_order",
    run=_note,
    at_once=MANY,
    params=(ActionParam("text", pgettext_lazy("rule", "text")),),
)
HOLD = RuleAction(
    key="hold",
    label=_("hold the order"),
    explain=_("An order that has not left does not ship until a person releases it."),
    permission="orders.hold_order",
    run=_hold,
    at_once=MANY,
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
    run=one_by_one(_open_case),
    params=(ActionParam("text", _("what is to be done")),),
    words={ALREADY: _("The order has an open case of a rule already.")},
)
