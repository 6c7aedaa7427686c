"""The actions of the order's state machine. A file of its own, below the models that store their names."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """A transition of an order. The value is the name of the transition method and stands in `TransitionRule.action`."""

    PAY = "pay"
    SHIP = "ship"
    COMPLETE = "complete"
    CLOSE = "close"
    REVIVE = "revive"
    REFUND = "refund"
