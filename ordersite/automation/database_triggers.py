"""The trigger that keeps versions of rules as they were saved, after every migrate."""

from __future__ import annotations

from typing import Any

from ordersite.database import triggers

GUARDS: tuple[triggers.Guard, ...] = (triggers.AppendOnly("automation_ruleversion"),)


def prepare_database(**_kwargs: Any) -> None:
    """Install the triggers. Runs after every migrate."""
    triggers.install(GUARDS)
