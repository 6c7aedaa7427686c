"""Numbers in cells: ours, the bank's and a refund's; what a spreadsheet rounded, and ours inside a text."""

from __future__ import annotations

import re

from payments.reconciliation.readers.guess.numbers import our_numbers
from payments.reconciliation.readers.tables.rows import EXACT, Cell, Row, folded, text_of

MAX_REFERENCE = 64
# What stands in a column of numbers where there is none.
_NOTHING = frozenset(
    {"", "-", "--", "---", "—", "——", "0", "无", "空", "N/A", "NA", "NULL", "NONE", "n/a", "null", "none"}
)
_CLEAN = re.compile(r"[0-9A-Z_.-]{1,64}|[0-9a-z_.-]{1,15}")
# A hexadecimal number may hold an E as well, but neither point nor plus.
_EXPONENT = re.compile(r"[0-9]\.[0-9]+[eE]\+?[0-9]+|[0-9][eE]\+[0-9]+")
_KEPT, _ZEROS, _SURE = 15, "0" * 9, 5
_BROKEN = re.compile(r"[\x00-\x1f\ufffd]")


def is_rounded(text: str) -> bool:
    """Tell what a spreadsheet surely made of a long number: an exponent, or nine zeros at the end of it."""
    if text.endswith(_ZEROS) and lost_digits(text):
        return True
    return _EXPONENT.fullmatch(text) is not None if "E" in text or "e" in text else False


def lost_digits(text: str) -> int:
    """Return how many digits a spreadsheet may have lost: those behind the fifteenth, where all are zeros.

    A true number ends in n zeros once in 10**n.
    """
    if len(text) > _KEPT and text.isascii() and text.isdigit() and not text[_KEPT:].strip("0"):
        return len(text) - _KEPT
    return 0


class LostDigits:
    """Tells a column of which a spreadsheet kept fifteen digits from numbers that end in zeros by chance."""

    def __init__(self) -> None:
        self._lost, self._is_sound = 0, False
        self.first: Row | None = None

    def add(self, text: str, row: Row) -> None:
        """Take the next number of the column."""
        if len(text) <= _KEPT or self._is_sound:
            return
        lost = lost_digits(text)
        self._is_sound = not lost
        self._lost += lost
        self.first = self.first or row

    @property
    def is_sure(self) -> bool:
        return not self._is_sound and self._lost >= _SURE


def number_problem(cell: Cell, text: str) -> str:
    """Return why a cell with this text cannot be a number; "" where it can. A key of `refusals.PROBLEMS`."""
    if isinstance(cell, str):
        if text.isalnum() and not (text.isdigit() and text.endswith(_ZEROS)):
            return ""
    elif isinstance(cell, int | float) and (abs(cell) >= EXACT or not float(cell).is_integer()):
        return "number_as_id"
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
