"""Versions as the engine judges by them, parsed once in a process: a version never changes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ordersite.automation import conditions
from ordersite.automation.conditions import ConditionGroup, Snapshot
from ordersite.automation.models import RuleVersion

_MOST = 2_000
_known: dict[tuple[int, str], ConditionGroup] = {}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a version says of a fact: `failed` is the place of the condition that did not hold, empty if it matched."""

    failed: str
    seen: dict[str, Any]

    @property
    def is_match(self) -> bool:
        return not self.failed


def group_of(version: RuleVersion) -> ConditionGroup:
    """The parsed conditions. Raises `DomainError` bad_rule where a newer program saved what this one does not know."""
    key = (version.pk, version.digest)
    found = _known.get(key)
    if found is None:
        if len(_known) >= _MOST:
            _known.clear()
        found = _known[key] = conditions.parse(version.conditions)
    return found


def judge(group: ConditionGroup, values: Snapshot, keys: Collection[str]) -> Judgement:
    """Judge a fact by conditions, whose fields are `keys`; the engine and a dry run both do it here."""
    return Judgement(group.failed(values), {key: values.get(key) for key in keys})
