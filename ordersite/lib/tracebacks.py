"""Formats errors for logs and for stored problems, without the data that PostgreSQL quotes in its messages.

A failed statement names the whole row in DETAIL, a failed COPY its line in CONTEXT, and Django sends the values inside
the statement, so that LINE quotes them as well: names, addresses and phone numbers of buyers.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator

import psycopg
from django.db import Error as DatabaseError

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
# PostgreSQL's labels follow the server's language, so they are recognised by their form: two blanks after the colon.
_QUOTED = re.compile(r"(?:\n|\\n)\s*(?:(?:LINE|第) ?[0-9].{0,4}[:：]|[^\s:：]{1,12}[:：]  ).*", re.DOTALL)
_VALUE = re.compile(r"[:：] *[\"“「].*", re.DOTALL)
# Class 22, data exception: the message itself ends with the value.
_DATA_EXCEPTION = "22"
_LEFT_OUT = ": (left out)"


def without_rows(text: str) -> str:
    """Cut off what PostgreSQL's message quotes of rows, statements and values, to the end of the text."""
    return _QUOTED.sub(" (details left out)", text)


def text_of(error: BaseException) -> str:
    """Return the error's message without row data; a database error keeps its first sentence and its names."""
    found = error if isinstance(error, psycopg.Error) else error.__cause__
    is_database = isinstance(error, psycopg.Error | DatabaseError) and isinstance(found, psycopg.Error)
    if not is_database or not isinstance(found, psycopg.Error) or not found.diag.message_primary:
        return without_rows(str(error))
    diag = found.diag
    text = without_rows(diag.message_primary or "")
    if (diag.sqlstate or "").startswith(_DATA_EXCEPTION):
        text = _VALUE.sub(_LEFT_OUT, text)
    names = (diag.sqlstate, diag.table_name, diag.column_name, diag.constraint_name)
    return f"{text} ({', '.join(name for name in names if name)})"


def brief(error: BaseException) -> str:
    """Return one line for a row's last problem: like `repr`, without row data."""
    if isinstance(error, psycopg.Error | DatabaseError):
        return f"{type(error).__name__}({text_of(error)!r})"
    return without_rows(repr(error))


def formatted(error: BaseException) -> str:
    """Return the traceback of an error and of the errors that led to it, without row data."""
    return "".join(_parts(error, set())).rstrip("\n")


def _parts(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _parts(before, seen)
        yield _CAUSE if error.__cause__ is not None else _CONTEXT
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    yield f"{name}: {text_of(error)}\n"
    for note in getattr(error, "__notes__", ()):
        yield f"{without_rows(str(note))}\n"
    if isinstance(error, BaseExceptionGroup):
        for number, part in enumerate(error.exceptions, 1):
            yield f"--- {number} of {len(error.exceptions)} in this group ---\n"
            yield from _parts(part, seen)
