"""Tables of any bank: text, workbooks old and new, web pages that are named like one; row by row in bounded memory.

A table knows no mapping. It says what stands where: cells as they are, numbers of lines as an editor counts them, of rows
as a spreadsheet does. Which row is the header, and what a column means, is for others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from payments.reconciliation.readers.containers import OpenedBill
from payments.reconciliation.readers.tables import old_workbooks, texts, web_pages, workbooks
from payments.reconciliation.readers.tables.rows import Row


class Table(Protocol):
    """The rows of one file. `encoding` and `delimiter` are "" for a workbook.

    `is_ended`: whether the last line had an end, known once all rows were read.
    """

    encoding: str
    delimiter: str
    is_ended: bool

    def rows(self) -> Iterator[Row]:
        """Yield the rows of all sheets, once. Raises `Refused`."""

    def is_formula(self, row: Row, position: int) -> bool:
        """Tell a cell that holds a formula whose value was not saved."""


def open_table(
    source: OpenedBill, *, encoding: str = "", delimiter: str = "", words: Sequence[str] = ()
) -> Table:
    """Open the table in this file; nothing but its beginning is read yet.

    Encoding and delimiter are read off the content; those given are tried first. `words` of the header decide where more
    than one would do. Raises `Refused`.
    """
    if source.is_old_workbook:
        return old_workbooks.OldWorkbook(source)
    if source.is_workbook:
        return workbooks.Workbook(source)
    if web_pages.fits(source.head):
        return web_pages.WebPage(source)
    return texts.TextTable(source, encoding=encoding, delimiter=delimiter, words=words)
