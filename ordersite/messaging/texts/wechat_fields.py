"""The fields of a WeChat template: one line each, a name and its value with variables."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from ordersite.messaging.texts.lengths import cut_field, field_kind
from ordersite.messaging.texts.variables import VARIABLES, fill, one_line, problems_of


def read_fields(lines: str) -> dict[str, str]:
    """The fields by name, in order. Raises ValueError with a sentence for a line that is none."""
    fields: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in lines.splitlines())):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not value or not field_kind(name) or name in fields:
            raise ValueError(
                _("“%(line)s” is no field: write each on a line of its own, like thing1: {products}.")
                % {"line": line[:60]}
            )
        fields[name] = value
    return fields


def field_problems(lines: str, *, allowed: tuple[str, ...] = tuple(VARIABLES)) -> list[str]:
    """What is wrong with the lines, in the reader's language."""
    try:
        fields = read_fields(lines)
    except ValueError as error:
        return [str(error)]
    return [problem for value in fields.values() for problem in problems_of(value, allowed=allowed)]


def fill_fields(lines: str, values: Mapping[str, str]) -> dict[str, str]:
    """The fields with their values, cut to what WeChat takes. Raises ValueError for lines that are wrong."""
    return {name: cut_field(name, one_line(fill(text, values))) for name, text in read_fields(lines).items()}
