"""Rules to start from. An example is offered once all that it does is known; nothing of it is saved by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.automation.actions.registry import ACTIONS

STALLED = ("no_news", "not_picked_up", "not_signed", "carrier_silent")


@dataclass(frozen=True, slots=True)
class RuleExample:
    """`actions` may name some that are not installed: these are left out."""

    key: str
    name: str | Promise
    explain: str | Promise
    trigger: str
    hours: int | None = None
    conditions: tuple[Mapping[str, Any], ...] = ()
    actions: tuple[tuple[str, Mapping[str, str | Promise]], ...] = field(default=())

    def stored_actions(self) -> list[dict[str, Any]]:
        """The actions in the form in which a version stores them, their texts in the reader's language."""
        return [
            {"action": key, "params": {name: str(value) for name, value in params.items()}}
            for key, params in self.actions
            if key in ACTIONS
        ]


_ALL = (
    RuleExample(
        "paid",
        _("Payment succeeded → tell the buyer"),
        _("The buyer hears that the money has arrived, over the first channel that works."),
        "order.paid",
        actions=(("send_message", {"message": "order.paid", "channels": "shop"}),),
    ),
    RuleExample(
        "unshipped",
        _("Paid but not shipped in 24 hours → tell operations"),
        _("Each such order is told of once."),
        "clock.unshipped",
        hours=24,
        actions=(
            (
                "mail_staff",
                {"role": "operations", "text": _("Paid a day ago and not shipped: ask the warehouse.")},
            ),
        ),
    ),
    RuleExample(
        "held",
        _("Order held → tell supervisors"),
        _("The risk rules count and hold by themselves; this only tells the people who decide."),
        "order.stopped",
        conditions=({"field": "is_held", "operator": "is_true", "value": None},),
        actions=(
            ("mail_staff", {"role": "supervisor", "text": _("An order is held: look at it and decide.")}),
        ),
    ),
    RuleExample(
        "stalled",
        _("Stalled parcel → tell the buyer and open a case"),
        _("A parcel that does not move, was not picked up or not signed for in time."),
        "shipment.exception_raised",
        conditions=({"field": "case_kind", "operator": "one_of", "value": list(STALLED)},),
        actions=(
            ("send_message", {"message": "shipment.stalled", "channels": "shop"}),
            ("open_case", {"text": _("The parcel has stalled: ask the carrier, then call the buyer.")}),
        ),
    ),
    RuleExample(
        "large",
        _("Large order → tag it"),
        _("The tag can be filtered by in the list of orders."),
        "order.paid",
        conditions=({"field": "total_amount", "operator": "greater", "value": 500_000},),
        actions=(("tag", {"tag": _("large order")}),),
    ),
)


def examples() -> dict[str, RuleExample]:
    """The examples that can be offered, by key."""
    return {one.key: one for one in _ALL if one.stored_actions()}
