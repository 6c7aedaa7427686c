"""A row of a table, and what a cell is as text."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

Cell = str | int | float | Decimal | datetime | None
MAX_COLUMNS = 200
# Beyond this a workbook's figure has lost digits.
EXACT = 10**15
# What pads cells beside blanks: marks of order, a byte order mark, the end of a file of old systems.
PADDING = " \t\r\n\x0b\x0c\x1a\xa0\u200b\u200e\u200f\u2060\u3000\ufeff"
_DRESS = frozenset(PADDING + "`'=")
_TEXT_FORMULA = re.compile(r'="(.*)"', re.DOTALL)


class CellRow(NamedTuple):
    """`number` grows over all sheets; `place` is how a person finds the row: a line, or a sheet's name and row."""

    number: int
    cells: tuple[Cell, ...]
    place: str = ""
    sheet: int = 0

    @property
    def line(self) -> str:
        return self.place or str(self.number)


Row = CellRow


def text_of(value: Cell) -> str:
    """Return a cell as text, without padding and without the dress that keeps a spreadsheet from rounding it."""
    if isinstance(value, str) and value and value[0] not in _DRESS and value[-1] not in _DRESS:
        return value  # nearly all are plain
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        value = int(value)
    plain = str(value).strip(PADDING).lstrip("`'")
    if plain.startswith('="') and (found := _TEXT_FORMULA.fullmatch(plain)):
        plain = found[1]
    return plain.strip(PADDING)


def folded(value: Cell) -> str:
    """Return a cell's text in the half-width forms of its characters."""
    text = text_of(value)
    return text if text.isascii() else unicodedata.normalize("NFKC", text).strip()
