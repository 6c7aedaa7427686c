"""XLSX workbooks: the visible sheets, streamed. What a sheet says of its own size is not believed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
from defusedxml import DefusedXmlException

from payments.reconciliation.readers.containers import UNREADABLE, OpenedBill, unpacked
from payments.reconciliation.readers.tables.rows import MAX_COLUMNS, Cell, Row
from payments.reconciliation.refusals import Refused

MOST_SHEETS = 50
_ODD = (
    *UNREADABLE,
    KeyError,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    ParseError,
    DefusedXmlException,
)


def plain_cell(value: Any) -> Cell:
    """Return what a workbook's cell holds; a date without time is its midnight, a time of day is its text."""
    if value is None or isinstance(value, str | dt.datetime):
        return value
    if isinstance(value, bool | dt.time | dt.timedelta):
        return str(value)
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time())  # a workbook knows no zones
    return value if isinstance(value, int | float) else str(value)


class Workbook:
    """See `tables.Table`."""

    encoding, delimiter, is_ended = "", "", True

    def __init__(self, source: OpenedBill) -> None:
        self._source = source

    def rows(self) -> Iterator[Row]:
        with unpacked():
            yield from self._rows()

    def _rows(self) -> Iterator[Row]:
        before = 0
        try:
            for index, sheet in enumerate(self._sheets(values=True)):
                number = 0
                for number, cells in enumerate(
                    sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), start=1
                ):
                    place = f"{sheet.title} {number}" if index else ""
                    self._source.line = before + number
                    yield Row(before + number, tuple(map(plain_cell, cells)), place, index)
                before += number
        except _ODD as error:
            raise Refused("broken_file") from error

    def is_formula(self, row: Row, position: int) -> bool:
        """Look the row up once more, with formulas instead of values."""
        before = 0
        try:
            for index, sheet in enumerate(self._sheets(values=False)):
                for number, cells in enumerate(
                    sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), start=1
                ):
                    if index == row.sheet and before + number == row.number:
                        return str(cells[position] or "").startswith("=")
                before += number
        except _ODD:
            return False
        return False

    def _sheets(self, *, values: bool) -> list[Any]:
        self._source.raw.seek(0)
        book = openpyxl.load_workbook(self._source.raw, read_only=True, data_only=values, keep_links=False)
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"][:MOST_SHEETS]
        for sheet in sheets:
            sheet.reset_dimensions()
        return sheets
