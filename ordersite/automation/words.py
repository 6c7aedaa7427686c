"""Rules in plain sentences: when, if and then, what a run saw, and which condition did not hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from ordersite.automation.actions.registry import ACTIONS
from ordersite.automation.catalogue.fields import FIELDS, ConditionField
from ordersite.automation.catalogue.kinds import OPERATOR_LABELS, OperandForm, ValueKind, form_of
from ordersite.automation.catalogue.triggers import label_of
from ordersite.automation.conditions import ALL, Condition, ConditionGroup
from ordersite.automation.engine.compiled import group_of
from ordersite.automation.models import RuleVersion
from ordersite.lib.errors import DomainError
from ordersite.lib.money import display_amount, yuan


def when_words(version: RuleVersion) -> str:
    """When the version looks, with the hours of a schedule."""
    label = label_of(version.trigger)
    if version.hours is None:
        return label
    return _("%(label)s: %(hours)s hours") % {"label": label, "hours": version.hours}


def value_words(field: ConditionField, value: Any) -> str:
    """One value, or a list of them, in the reader's language; a dash for nothing."""
    if value in (None, "", []):
        return "–"
    if isinstance(value, bool):
        return pgettext("condition", "yes") if value else pgettext("condition", "no")
    if isinstance(value, list | tuple):
        return pgettext("between two names", ", ").join(value_words(field, one) for one in value)
    if field.kind is ValueKind.MONEY:
        return display_amount(yuan(value))
    return str(dict(field.choices()).get(value, value))


def condition_words(condition: Condition) -> str:
    field, operator = condition.field, condition.operator
    head = f"{field.label} {OPERATOR_LABELS[operator]}"
    form = form_of(operator)
    if form is OperandForm.NONE:
        return head
    if form is OperandForm.TWO:
        low, high = (value_words(field, one) for one in condition.value)
        return f"{head} {low} – {high}"
    return f"{head} {value_words(field, condition.value)}"


def match_words(match: str) -> str:
    return _("all of these hold") if match == ALL else _("any of these holds")


def if_lines(version: RuleVersion) -> list[tuple[str, str]]:
    """Place and words of each condition; a group has a line of its own before its conditions."""
    try:
        return list(_lines(group_of(version), ""))
    except DomainError as unknown:
        return [("", unknown.message)]


def _lines(group: ConditionGroup, before: str) -> Iterator[tuple[str, str]]:
    for number, item in enumerate(group.items, start=1):
        place = f"{before}{number}"
        if isinstance(item, Condition):
            yield place, condition_words(item)
        else:
            yield place, match_words(item.match)
            yield from _lines(item, f"{place}.")


def failed_words(version: RuleVersion, place: str) -> str:
    """The condition that did not hold."""
    return dict(if_lines(version)).get(place, place)


def action_words(stored: Mapping[str, Any]) -> str:
    """What an action of a version does, with its parameters."""
    action = ACTIONS.get(str(stored.get("action")))
    if action is None:
        return str(stored.get("action"))
    given = stored.get("params", {})
    values = []
    for param in action.params:
        value = given.get(param.key, "")
        values.append(str(dict(param.choices()).get(value, value)) if param.choices else value)
    shown = "; ".join(value for value in values if value)
    return (
        _("%(action)s: %(values)s") % {"action": action.label, "values": shown}
        if shown
        else str(action.label)
    )


def seen_words(seen: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and value of what a run saw."""
    return [
        (str(FIELDS[key].label), value_words(FIELDS[key], value)) if key in FIELDS else (key, str(value))
        for key, value in seen.items()
    ]


def unknown_past(version: RuleVersion) -> list[str]:
    """What a dry run of this version cannot know, in words."""
    try:
        fields = group_of(version).fields().values()
    except DomainError:
        return []
    return [f"{field.label}: {field.past}" for field in fields if field.past]
