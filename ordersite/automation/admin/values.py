"""Between what a person types or picks and what a condition stores."""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext as _

from ordersite.automation.catalogue.fields import ConditionField
from ordersite.automation.catalogue.kinds import OperandForm, ValueKind
from ordersite.automation.errors import bad_rule
from ordersite.lib.money import fen, format_amount, parse_amount, yuan

# Commas, semicolons, the Chinese ones, line ends.
_BETWEEN = re.compile(r"[,，、;；\n]+")


def typed_value(field: ConditionField, form: OperandForm, text: str, text_to: str) -> Any:
    """What a condition compares with, from the two inputs. Raises `DomainError` bad_rule."""
    if form is OperandForm.NONE:
        return None
    if form is OperandForm.TWO:
        return [_one(field, text), _one(field, text_to)]
    if form is OperandForm.MANY:
        return [_one(field, part) for part in _BETWEEN.split(text) if part.strip()]
    return _one(field, text)


def _one(field: ConditionField, text: str) -> Any:
    word = text.strip()
    if field.kind is ValueKind.MONEY:
        return _money(field, word)
    if field.kind is ValueKind.NUMBER:
        if not (word.isascii() and word.isdecimal()):
            raise bad_rule(_("“%(field)s” is compared with a whole number.") % {"field": field.label})
        return int(word)
    by_label = {str(label): key for key, label in field.choices()}
    if by_label and word not in by_label.values() and word not in by_label:
        raise bad_rule(
            _("“%(field)s” has no value “%(value)s”.") % {"field": field.label, "value": word[:40]}
        )
    return by_label.get(word, word)


def _money(field: ConditionField, word: str) -> int:
    try:
        return fen(parse_amount(word.lstrip("¥￥").replace(",", "")))
    except ValueError as error:
        raise bad_rule(
            _("“%(field)s” is compared with an amount in yuan, such as 500 or 199.90.")
            % {"field": field.label}
        ) from error


def shown_value(field: ConditionField, value: Any) -> str:
    """A stored value as it stands in the input."""
    if value in (None, ""):
        return ""
    if isinstance(value, list):
        return ",".join(shown_value(field, one) for one in value)
    if field.kind is ValueKind.MONEY:
        return format_amount(yuan(value)).removesuffix(".00")
    return str(value)
