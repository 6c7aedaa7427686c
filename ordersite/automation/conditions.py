"""Conditions: parsed from JSON once, then judged over a snapshot. Groups of all or any, nested one level.

    {"match": "all", "items": [{"field": "total_amount", "operator": "greater", "value": 50000}, {"match": "any", …}]}

Money is integer fen, so that it is compared exactly. Nothing is evaluated: fields and operators are the catalogue's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from ordersite.automation.catalogue.fields import FIELDS, ConditionField
from ordersite.automation.catalogue.kinds import (
    OPERATORS,
    OperandForm,
    Operator,
    ValueKind,
    form_of,
    holds,
)
from ordersite.automation.errors import bad_rule
from ordersite.lib.errors import DomainError

MOST_CONDITIONS, MOST_VALUES, LONGEST_VALUE, LARGEST_NUMBER = 20, 50, 100, 99_999_999_999
ALL, ANY = "all", "any"
Snapshot = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. `value` is what the operator compares with: None, a value, two of them, or a tuple."""

    field: ConditionField
    operator: Operator
    value: Any

    def holds(self, seen: Snapshot) -> bool:
        return holds(self.operator, seen.get(self.field.key), self.value)

    def as_json(self) -> dict[str, Any]:
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"field": self.field.key, "operator": str(self.operator), "value": value}


@dataclass(frozen=True, slots=True)
class ConditionGroup:
    """Conditions of which all or any must hold. An empty group holds."""

    match: str
    items: tuple[Condition | ConditionGroup, ...]

    def holds(self, seen: Snapshot) -> bool:
        return not self.failed(seen)

    def failed(self, seen: Snapshot) -> str:
        """The place of the first item that decided against it, such as `2` or `3.1`; empty where it holds."""
        if self.match == ALL:
            return next((place for place in self._failed(seen) if place), "")
        if not self.items or any(item.holds(seen) for item in self.items):
            return ""
        return next(self._failed(seen))

    def _failed(self, seen: Snapshot) -> Iterator[str]:
        for number, item in enumerate(self.items, start=1):
            if isinstance(item, Condition):
                yield "" if item.holds(seen) else str(number)
            else:
                inner = item.failed(seen)
                yield f"{number}.{inner}" if inner else ""

    def conditions(self) -> Iterator[Condition]:
        for item in self.items:
            if isinstance(item, Condition):
                yield item
            else:
                yield from item.conditions()

    def fields(self) -> dict[str, ConditionField]:
        """The fields that it names, by key."""
        return {one.field.key: one.field for one in self.conditions()}

    def as_json(self) -> dict[str, Any]:
        return {"match": self.match, "items": [item.as_json() for item in self.items]}


def parse(data: Any) -> ConditionGroup:
    """Read conditions. Raises `DomainError` bad_rule for anything that is not exactly of this form."""
    group = _group(data, is_inner=False)
    if sum(1 for _one in group.conditions()) > MOST_CONDITIONS:
        raise bad_rule(_("A rule takes at most %(most)s conditions.") % {"most": MOST_CONDITIONS})
    return group


def _group(data: Any, *, is_inner: bool) -> ConditionGroup:
    if not isinstance(data, dict) or set(data) != {"match", "items"} or data["match"] not in (ALL, ANY):
        raise _malformed()
    if not isinstance(data["items"], list) or (is_inner and not data["items"]):
        raise _malformed()
    return ConditionGroup(data["match"], tuple(_item(item, is_inner=is_inner) for item in data["items"]))


def _item(data: Any, *, is_inner: bool) -> Condition | ConditionGroup:
    if isinstance(data, dict) and "match" in data:
        if is_inner:
            raise bad_rule(_("A group of conditions holds no further group."))
        return _group(data, is_inner=True)
    if not isinstance(data, dict) or set(data) != {"field", "operator", "value"}:
        raise _malformed()
    return condition_of(data["field"], data["operator"], data["value"])


def condition_of(key: Any, operator: Any, value: Any) -> Condition:
    """One checked condition. Raises `DomainError` bad_rule."""
    field = FIELDS.get(key) if isinstance(key, str) else None
    if field is None:
        raise bad_rule(_("There is no field “%(name)s”.") % {"name": str(key)[:40]})
    if operator not in OPERATORS[field.kind]:
        raise bad_rule(_("“%(field)s” cannot be compared in this way.") % {"field": field.label})
    found = Operator(operator)
    return Condition(field, found, _operand(field, form_of(found), value))


def _operand(field: ConditionField, form: OperandForm, value: Any) -> Any:
    if form is OperandForm.NONE:
        return None
    if form is OperandForm.ONE:
        return _value(field, value)
    if not isinstance(value, list) or not value or len(value) > MOST_VALUES:
        raise _wrong(field)
    values = tuple(_value(field, one) for one in value)
    if form is OperandForm.TWO and (len(values) != 2 or values[0] > values[1]):
        raise bad_rule(
            _("Of “%(field)s” the first value must not be above the second.") % {"field": field.label}
        )
    return values


def _value(field: ConditionField, value: Any) -> Any:
    if field.kind in (ValueKind.MONEY, ValueKind.NUMBER):
        if type(value) is not int or not 0 <= value <= LARGEST_NUMBER:
            raise _wrong(field)
        return value
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_VALUE or "\0" in value:
        raise _wrong(field)
    return value.strip()


def _wrong(field: ConditionField) -> DomainError:
    return bad_rule(_("“%(field)s” needs another value.") % {"field": field.label})


def _malformed() -> DomainError:
    return bad_rule(_("The conditions are not of the form that rules have."))
