"""Tables in the dress of a workbook: many banks call a web page, or an XML of Excel 2003, `.xls`.

Read by Python's own HTML reader, piece by piece: it knows no entities but the usual ones and follows no address.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from html.parser import HTMLParser

from payments.reconciliation.readers.containers import MAX_LINE, OpenedBill
from payments.reconciliation.readers.tables.rows import MAX_COLUMNS, PADDING, Row
from payments.reconciliation.readers.tables.texts import encoding_of
from payments.reconciliation.refusals import Refused

_PIECE = 64 * 1024
_BEGINNING = re.compile(r"<(?:\?xml|!doctype|html|head|meta|table|style|workbook|body|!--)", re.IGNORECASE)
_DECLARED = re.compile(r"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_-]+)""", re.IGNORECASE)
_ROWS, _CELLS, _HIDDEN = (
    frozenset({"tr", "row"}),
    frozenset({"td", "th", "cell"}),
    frozenset({"script", "style"}),
)
_MAX_TAG = 64 * 1024


def fits(head: bytes) -> bool:
    """Whether this is the beginning of such a file."""
    text = head[:4096].decode(
        "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1", errors="ignore"
    )
    return _BEGINNING.match(text.lstrip("\ufeff\xef\xbb\xbf" + PADDING)) is not None


class _Reader(HTMLParser):
    """Collects rows; `take` gives those that are complete."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.cells: list[str] | None = None
        self.rows: list[tuple[str, ...]] = []
        self.text: list[str] | None = None
        self.length = self.width = 0
        self.is_hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name, said = tag.removeprefix("ss:"), dict(attrs)
        if name in _HIDDEN:
            self.is_hidden = True
        elif name in _ROWS:
            self._end_row()
            self.cells = []
        elif name in _CELLS and self.cells is not None:
            self._end_cell()
            place = _number(said.get("ss:index")) - 1
            self.cells.extend("" for _gap in range(len(self.cells), min(place, MAX_COLUMNS)))
            spans = max(_number(said.get("colspan")), _number(said.get("ss:mergeacross")) + 1)
            self.text, self.length, self.width = [], 0, min(spans, MAX_COLUMNS)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        name = tag.removeprefix("ss:")
        if name in _HIDDEN:
            self.is_hidden = False
        elif name in _CELLS:
            self._end_cell()
        elif name in _ROWS or name == "table":
            self._end_row()

    def handle_data(self, data: str) -> None:
        if self.text is not None and not self.is_hidden:
            self.length += len(data)
            if self.length > MAX_LINE:
                raise Refused("line_too_long", line=self.getpos()[0])
            self.text.append(data)

    def _end_cell(self) -> None:
        if self.text is not None and self.cells is not None and len(self.cells) < MAX_COLUMNS:
            self.cells.append("".join(self.text).strip(PADDING))
            self.cells.extend("" for _span in range(1, self.width))
        self.text = None

    def _end_row(self) -> None:
        self._end_cell()
        if self.cells is not None:
            self.rows.append(tuple(self.cells))
        self.cells = None

    def take(self) -> list[tuple[str, ...]]:
        rows, self.rows = self.rows, []
        return rows


def _declared(head: bytes) -> str:
    """Return the encoding that the page names, of those that are tried anyway."""
    found = _DECLARED.search(head[:4096].decode("latin-1"))
    name = found[1].lower() if found else ""
    return "gb18030" if name.startswith("gb") else "utf-8-sig" if name.startswith("utf") else ""


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else 0


class WebPage:
    """See `tables.Table`. Rows are counted as a spreadsheet shows them."""

    delimiter, is_ended = "", True

    def __init__(self, source: OpenedBill) -> None:
        self._source = source
        self.encoding = encoding_of(source.head, given=_declared(source.head))

    def rows(self) -> Iterator[Row]:
        reader, number = _Reader(), 0
        decode = codecs.getincrementaldecoder(self.encoding)(errors="replace").decode
        while piece := self._source.stream.read(_PIECE):
            reader.feed(decode(piece))
            if len(reader.rawdata) > _MAX_TAG:
                raise Refused("line_too_long", line=reader.getpos()[0])
            for cells in reader.take():
                number += 1
                self._source.line = number
                yield Row(number, cells)
        reader.close()
        for left, cells in enumerate(reader.take(), start=number + 1):
            yield Row(left, cells)

    def is_formula(self, row: Row, position: int) -> bool:
        """A page shows values."""
        return False
