"""Numbers in cells: ours, the bank's and a refund's; what a spreadsheet rounded, and ours inside a text."""

from __future__ import annotations

import re

from payments.reconciliation.readers.guess.numbers import our_numbers
from payments.reconciliation.readers.tables.rows import EXACT, Cell, folded, text_of

MAX_REFERENCE = 64
# What stands in a column of numbers where there is none.
_NOTHING = frozenset(
    {"", "-", "--", "---", "—", "——", "0", "无", "空", "N/A", "NA", "NULL", "NONE", "n/a", "null", "none"}
)
_CLEAN = re.compile(r"[0-9A-Z_.-]{1,64}|[0-9a-z_.-]{1,15}")
# A hexadecimal number may hold an E as well, but neither point nor plus.
_EXPONENT = re.compile(r"[0-9]\.[0-9]+[eE]\+?[0-9]+|[0-9][eE]\+[0-9]+")
_BROKEN = re.compile(r"[\x00-\x1f\ufffd]")


def is_rounded(text: str) -> bool:
    """Tell what a spreadsheet made of a long number: an exponent, or fifteen digits at most before zeros.

    A true number of n digits ends like this once in 10**(n - 15); six zeros at least are asked for.
    """
    if text.endswith("000000") and len(text) > 15 and text.isascii() and text.isdigit():
        return text.rstrip("0") == text[:15].rstrip("0")
    return _EXPONENT.fullmatch(text) is not None if "E" in text or "e" in text else False


def number_problem(cell: Cell) -> str:
    """Return why a cell cannot be a number; "" where it can. A key of `refusals.PROBLEMS`."""
    if isinstance(cell, int | float) and (abs(cell) >= EXACT or not float(cell).is_integer()):
        return "number_as_id"
    text = text_of(cell)
    if is_rounded(text):
        return "number_as_id"
    return "unreadable" if _BROKEN.search(text) else ""


def number_of(cell: Cell) -> str:
    """Return the number in a cell, "" for none."""
    text = text_of(cell)
    return "" if text in _NOTHING else text


def our_number(text: str) -> tuple[str, bool]:
    """Return our number in this text, and whether it is the whole text. ("", False) where there is none.

    Blanks inside it and small letters are forgiven; whether it is ours indeed is for a person then.
    """
    if _CLEAN.fullmatch(text):
        return text, True
    plain = folded(text).upper()
    found = our_numbers(plain) or our_numbers("".join(plain.split()))
    return (found[0], False) if found else ("", False)
