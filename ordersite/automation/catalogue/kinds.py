"""The kinds of values that conditions compare, and the operators of each: fixed functions, nothing is evaluated.

A value is None where the order has none. Money is integer fen. An operator that compares does not hold for None; one
that denies does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class ValueKind(StrEnum):
    MONEY = "money"
    NUMBER = "number"
    TEXT = "text"
    CHOICE = "choice"
    LIST = "list"
    FLAG = "flag"


class Operator(StrEnum):
    EQUALS = "equals"
    DIFFERS = "differs"
    ONE_OF = "one_of"
    NONE_OF = "none_of"
    GREATER = "greater"
    AT_LEAST = "at_least"
    LESS = "less"
    AT_MOST = "at_most"
    BETWEEN = "between"
    CONTAINS = "contains"
    LACKS = "lacks"
    HAS_ANY = "has_any"
    HAS_ALL = "has_all"
    HAS_NONE = "has_none"
    IS_TRUE = "is_true"
    IS_FALSE = "is_false"
    IS_EMPTY = "is_empty"
    IS_FILLED = "is_filled"


class OperandForm(StrEnum):
    """What an operator is compared with."""

    NONE = "none"
    ONE = "one"
    TWO = "two"
    MANY = "many"


OPERATOR_LABELS: Mapping[Operator, Promise] = {
    Operator.EQUALS: pgettext_lazy("condition", "is"),
    Operator.DIFFERS: pgettext_lazy("condition", "is not"),
    Operator.ONE_OF: pgettext_lazy("condition", "is one of"),
    Operator.NONE_OF: pgettext_lazy("condition", "is none of"),
    Operator.GREATER: pgettext_lazy("condition", "is over"),
    Operator.AT_LEAST: pgettext_lazy("condition", "is at least"),
    Operator.LESS: pgettext_lazy("condition", "is under"),
    Operator.AT_MOST: pgettext_lazy("condition", "is at most"),
    Operator.BETWEEN: pgettext_lazy("condition", "lies between"),
    Operator.CONTAINS: pgettext_lazy("condition", "contains"),
    Operator.LACKS: pgettext_lazy("condition", "does not contain"),
    Operator.HAS_ANY: pgettext_lazy("condition", "has one of"),
    Operator.HAS_ALL: pgettext_lazy("condition", "has all of"),
    Operator.HAS_NONE: pgettext_lazy("condition", "has none of"),
    Operator.IS_TRUE: pgettext_lazy("condition", "yes"),
    Operator.IS_FALSE: pgettext_lazy("condition", "no"),
    Operator.IS_EMPTY: pgettext_lazy("condition", "is empty"),
    Operator.IS_FILLED: pgettext_lazy("condition", "is not empty"),
}
_FORMS: Mapping[Operator, OperandForm] = {
    **dict.fromkeys(
        (Operator.ONE_OF, Operator.NONE_OF, Operator.HAS_ANY, Operator.HAS_ALL, Operator.HAS_NONE),
        OperandForm.MANY,
    ),
    **dict.fromkeys(
        (Operator.IS_TRUE, Operator.IS_FALSE, Operator.IS_EMPTY, Operator.IS_FILLED), OperandForm.NONE
    ),
    Operator.BETWEEN: OperandForm.TWO,
}
_ORDERED = (
    Operator.EQUALS, Operator.GREATER, Operator.AT_LEAST, Operator.LESS, Operator.AT_MOST, Operator.BETWEEN,
    Operator.IS_EMPTY, Operator.IS_FILLED,
)  # fmt: skip
OPERATORS: Mapping[ValueKind, tuple[Operator, ...]] = {
    ValueKind.MONEY: _ORDERED,
    ValueKind.NUMBER: _ORDERED,
    ValueKind.TEXT: (
        Operator.EQUALS, Operator.DIFFERS, Operator.ONE_OF, Operator.NONE_OF, Operator.CONTAINS, Operator.LACKS,
        Operator.IS_EMPTY, Operator.IS_FILLED,
    ),
    ValueKind.CHOICE: (Operator.ONE_OF, Operator.NONE_OF, Operator.IS_EMPTY, Operator.IS_FILLED),
    ValueKind.LIST: (
        Operator.HAS_ANY, Operator.HAS_ALL, Operator.HAS_NONE, Operator.IS_EMPTY, Operator.IS_FILLED,
    ),
    ValueKind.FLAG: (Operator.IS_TRUE, Operator.IS_FALSE),
}  # fmt: skip


def form_of(operator: Operator) -> OperandForm:
    return _FORMS.get(operator, OperandForm.ONE)


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """An operator that does not hold for a value that is not there."""
    return lambda value, operand: value is not None and compare(value, operand)


_TESTS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUALS: _compared(lambda value, operand: bool(value == operand)),
    Operator.DIFFERS: lambda value, operand: value != operand,
    Operator.ONE_OF: _compared(lambda value, operand: value in operand),
    Operator.NONE_OF: lambda value, operand: value not in operand,
    Operator.GREATER: _compared(lambda value, operand: bool(value > operand)),
    Operator.AT_LEAST: _compared(lambda value, operand: bool(value >= operand)),
    Operator.LESS: _compared(lambda value, operand: bool(value < operand)),
    Operator.AT_MOST: _compared(lambda value, operand: bool(value <= operand)),
    Operator.BETWEEN: _compared(lambda value, operand: bool(operand[0] <= value <= operand[1])),
    Operator.CONTAINS: _compared(lambda value, operand: operand in value),
    Operator.LACKS: lambda value, operand: value is None or operand not in value,
    Operator.HAS_ANY: _compared(lambda value, operand: not set(operand).isdisjoint(value)),
    Operator.HAS_ALL: _compared(lambda value, operand: set(operand).issubset(value)),
    Operator.HAS_NONE: lambda value, operand: value is None or set(operand).isdisjoint(value),
    Operator.IS_TRUE: lambda value, _operand: value is True,
    Operator.IS_FALSE: lambda value, _operand: value is False,
    Operator.IS_EMPTY: lambda value, _operand: value in (None, "", []),
    Operator.IS_FILLED: lambda value, _operand: value not in (None, "", []),
}


def holds(operator: Operator, value: Any, operand: Any) -> bool:
    """Whether a value meets an operator with a checked operand."""
    return _TESTS[operator](value, operand)


KIND_HINTS: Mapping[ValueKind, Promise] = {
    ValueKind.MONEY: _("In yuan, such as 500 or 199.90."),
    ValueKind.NUMBER: _("A whole number."),
    ValueKind.LIST: _("Several are separated by commas."),
    ValueKind.TEXT: _("Several are separated by commas."),
}
