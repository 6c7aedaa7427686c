"""Reads the body of a push that is a form."""

from __future__ import annotations

from urllib.parse import parse_qsl

from logistics.carriers.types import PushRejected

_MOST_FIELDS = 20


def fields_of(body: bytes) -> dict[str, str]:
    """The fields of a form, decoded once. Raises `PushRejected`: no form in UTF-8, or a field that is given twice."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as error:
        raise PushRejected("malformed", "not a form in UTF-8") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise PushRejected("malformed", "a field is given twice")
    return fields
