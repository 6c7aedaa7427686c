"""Parses JSON from outside strictly.

No repeated keys, no NaN, no NUL, no lone surrogates, no deep nesting.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NoReturn

MAX_DEPTH = 16
_BLANKS = " \t\r\n"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


# Decimal, because a float turns 1e999 into infinity and 0.1 into something else.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Decimal, parse_constant=_no_constant, strict=True
)


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("contains NUL")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("contains half a character") from error


def _check(value: Any) -> None:
    level = [value]
    for _depth in range(MAX_DEPTH):
        for item in level:
            if isinstance(item, str):
                _check_text(item)
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise ValueError("is nested too deeply")


def _text(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode("utf-8")


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANKS:
        at += 1
    return at


def _decode(text: str, at: int) -> tuple[Any, int]:
    """Decode the value that begins at `at`; returns it and its end.

    The decoder itself handles quotes and braces.
    """
    try:
        value, end = _DECODER.raw_decode(text, at)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    _check(value)
    return value, end


def loads(raw: bytes | str) -> Any:
    """Parse one JSON value in UTF-8; numbers with a fraction become `Decimal`.

    Raises ValueError, and only that.
    """
    text = _text(raw)
    value, end = _decode(text, _skip_blanks(text, 0))
    if _skip_blanks(text, end) != len(text):
        raise ValueError("more follows after the value")
    return value


def loads_object(raw: bytes | str) -> dict[str, Any]:
    """Parse a JSON object; ValueError also for any other value."""
    value = loads(raw)
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    return value


def raw_members(raw: bytes | str) -> dict[str, str]:
    """Return the members of an object, each value as the exact text received.

    For signatures that cover the raw text of one member: nothing is re-serialised. Raises ValueError.
    """
    text = _text(raw)
    members: dict[str, str] = {}
    for name in loads_object(text):
        members[name] = ""
    at = _skip_blanks(text, 0) + 1
    for _member in range(len(members)):
        name, at = _decode(text, _skip_blanks(text, at))
        start = _skip_blanks(text, _skip_blanks(text, at) + 1)
        _value, at = _decode(text, start)
        members[name] = text[start:at]
        at = _skip_blanks(text, at) + 1
    return members
