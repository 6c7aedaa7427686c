"""A bank's own file, CSV or XLSX, read by a saved mapping: columns by the words of the header line.

Cells are values: a formula is text in a CSV, and the figure that was saved with it in a workbook. A line without time
and numbers is a footer and left out; any other line that cannot be read refuses the file.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol
from xml.etree.ElementTree import ParseError

import openpyxl
from defusedxml import DefusedXmlException

from ordersite.lib.china_time import BEIJING
from payments.reconciliation.readers.base import PAYMENT, REFUND, BillLine, Brief, make_line
from payments.reconciliation.readers.containers import MAX_LINE, UNREADABLE, OpenedBill
from payments.reconciliation.refusals import Refused, bad_line

MAX_COLUMNS = 200
# Beyond this a workbook's figure has lost digits.
EXACT = 10**15
_TEXT_FORMULA = re.compile(r'="(.*)"', re.DOTALL)
_BLANKS = re.compile(r"[\s,¥￥]")


class Mapping(Protocol):
    """What a saved mapping says; see `payments.models.StatementMapping`."""

    encoding: str
    delimiter: str
    skip_lines: int
    date_format: str
    unit: str
    amount_column: str
    time_column: str
    reference_column: str
    provider_reference_column: str
    refund_reference_column: str
    kind_column: str
    refund_words: str
    account_column: str
    account_value: str


def read(source: OpenedBill, brief: Brief, mapping: Mapping) -> Iterator[BillLine]:
    """See `readers.base`."""
    rows = _workbook_rows(source) if source.is_workbook else _text_rows(source, mapping)
    columns: dict[str, int] = {}
    for number, cells in rows:
        if number <= mapping.skip_lines:
            continue
        if not columns:
            columns = _columns(cells, mapping)
            continue
        line = _Row(number, cells, columns, mapping).line()
        if line is not None:
            yield line
    if not columns:
        raise Refused("missing_column", column=mapping.amount_column)


def _text_rows(source: OpenedBill, mapping: Mapping) -> Iterator[tuple[int, Sequence[Any]]]:
    text = io.TextIOWrapper(source.stream, encoding=mapping.encoding, newline="")
    reader = csv.reader(_bounded(text), delimiter=mapping.delimiter, strict=True)
    try:
        yield from enumerate(reader, start=1)
    except UnicodeDecodeError as error:
        raise Refused("bad_encoding", encoding=mapping.encoding) from error
    except csv.Error as error:
        raise bad_line(reader.line_num, "columns") from error


def _bounded(text: io.TextIOWrapper) -> Iterator[str]:
    number = 0
    while line := text.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise Refused("line_too_long", line=number)
        if "\0" in line:
            raise Refused("nul")
        yield line


def _workbook_rows(source: OpenedBill) -> Iterator[tuple[int, Sequence[Any]]]:
    """The first sheet, as a stream. What it says of its own size is not believed."""
    source.raw.seek(0)
    try:
        book = openpyxl.load_workbook(source.raw, read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        yield from enumerate(sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), start=1)
    except (
        *UNREADABLE,
        KeyError,
        IndexError,
        ValueError,
        TypeError,
        ParseError,
        DefusedXmlException,
    ) as error:
        raise Refused("broken_file") from error


def _columns(cells: Sequence[Any], mapping: Mapping) -> dict[str, int]:
    names = {_text(cell): position for position, cell in reversed(list(enumerate(cells)))}
    wanted = (
        mapping.amount_column, mapping.time_column, mapping.reference_column, mapping.provider_reference_column,
        mapping.refund_reference_column, mapping.kind_column, mapping.account_column,
    )  # fmt: skip
    for name in wanted:
        if name and name not in names:
            raise Refused("missing_column", column=name)
    return names


def _text(value: Any) -> str:
    """A cell as text, without the dress that keeps a spreadsheet from rounding it."""
    plain = "" if value is None else str(value).strip().lstrip("`'")
    found = _TEXT_FORMULA.fullmatch(plain)
    return (found[1] if found else plain).strip()


class _Row:
    """One line of the table on its way to a `BillLine`."""

    def __init__(self, number: int, cells: Sequence[Any], columns: dict[str, int], mapping: Mapping) -> None:
        self.number, self.cells, self.columns, self.mapping = number, cells, columns, mapping

    def line(self) -> BillLine | None:
        mapping = self.mapping
        refund_number = self._number(mapping.refund_reference_column)
        ours, theirs = self._number(mapping.reference_column), self._number(mapping.provider_reference_column)
        moment = self._value(mapping.time_column)
        if moment in (None, "") and not (ours or theirs or refund_number):
            return None
        self._check_account()
        fen = self._fen()
        kind = REFUND if self._is_refund(fen) else PAYMENT
        numbers = (ours, theirs, refund_number if kind == REFUND else "")
        raw = "\x1f".join(_text(cell) for cell in self.cells).encode()
        return make_line(raw, self.number, kind, numbers, (abs(fen), self._time(moment)))

    def _value(self, column: str) -> Any:
        if not column:
            return ""
        position = self.columns[column]
        if position >= len(self.cells):
            if any(cell not in (None, "") for cell in self.cells):
                raise bad_line(self.number, "columns")
            return ""
        return self.cells[position]

    def _number(self, column: str) -> str:
        value = self._value(column)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, float) or (isinstance(value, int) and abs(value) >= EXACT):
            raise bad_line(self.number, "number_as_id")
        return _text(value)

    def _check_account(self) -> None:
        if self.mapping.account_column and self.mapping.account_value:
            found = _text(self._value(self.mapping.account_column))
            if found != self.mapping.account_value:
                raise Refused("wrong_account", found=found, expected=self.mapping.account_value)

    def _fen(self) -> int:
        """Signed. A workbook's figure is the nearest binary one: its shortest decimal is what stood in the cell."""
        value = self._value(self.mapping.amount_column)
        plain = _BLANKS.sub("", repr(value) if isinstance(value, float) else _text(value))
        try:
            amount = Decimal(plain)
            scaled = amount if self.mapping.unit == "fen" else amount.scaleb(2)
            if not scaled.is_finite() or scaled != scaled.to_integral_value() or abs(scaled) >= 10**11:
                raise bad_line(self.number, "amount")
        except InvalidOperation:
            raise bad_line(self.number, "amount") from None
        return int(scaled)

    def _is_refund(self, fen: int) -> bool:
        """Money that left is never a payment, whatever the bank calls it (a reversal, a correction)."""
        if fen < 0 or not self.mapping.kind_column:
            return fen < 0
        return _text(self._value(self.mapping.kind_column)) in self.mapping.refund_words.split()

    def _time(self, value: Any) -> datetime:
        if isinstance(value, datetime):
            return value.replace(tzinfo=BEIJING)
        try:
            at = datetime.strptime(f"{_text(value)} +0800", f"{self.mapping.date_format} %z")
        except ValueError:
            raise bad_line(self.number, "time") from None
        if at.year < 2000:
            raise bad_line(self.number, "time")
        return at
