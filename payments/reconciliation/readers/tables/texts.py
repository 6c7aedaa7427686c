"""Tables as text: encoding and delimiter recognised by content, cells quoted or not, lines numbered as an editor does."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence

from payments.reconciliation.readers.containers import MAX_LINE, OpenedBill
from payments.reconciliation.readers.guess.words import key
from payments.reconciliation.readers.tables.rows import PADDING, Row
from payments.reconciliation.refusals import Refused

DELIMITERS = (",", "\t", ";", "|")
# A quote that nothing closes within so many lines is a character like any other.
MOST_LINES_OF_A_CELL = 30
_LOOKED_AT = 200
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_HIGH = re.compile(rb"[\x80-\xff]+")

Line = tuple[int, str]


def encoding_of(head: bytes, *, given: str = "", words: Sequence[str] = ()) -> str:
    """Return the encoding of a text that begins so. A mark decides, then zero bytes, then what decodes and has `words`.

    Raises `Refused` (nul).
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if b"\0" in head:
        return _wide(head)
    choices = dict.fromkeys(filter(None, (given, "utf-8-sig", "gb18030")))
    fitting = [name for name in choices if _decodes(head, name)]
    wanted = {key(word) for word in words}
    for name in fitting:
        text = key(head.decode(name, errors="ignore"))
        if wanted and all(word in text for word in wanted):
            return name
    if fitting:
        return "utf-8-sig" if "utf-8-sig" in fitting else fitting[0]
    is_western = all(len(found[0]) == 1 for found in _HIGH.finditer(head))
    return "cp1252" if is_western else "gb18030"


def _wide(head: bytes) -> str:
    """UTF-16 without a mark: every second byte of what is ASCII is zero."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) * 8 < len(head) or min(even, odd) * 8 > max(even, odd):
        raise Refused("nul")
    return "utf-16-be" if even > odd else "utf-16-le"


def _decodes(head: bytes, name: str) -> bool:
    """Whether it is text of this encoding; its last character may be cut."""
    for cut in range(4):
        try:
            head[: len(head) - cut].decode(name)
        except UnicodeDecodeError:
            continue
        except LookupError:
            return False
        return True
    return False


def delimiter_of(lines: Sequence[str], *, given: str = "", words: Sequence[str] = ()) -> str:
    """Return what separates the cells of these lines: what makes a header of `words`, else most cells of most lines."""
    choices = list(dict.fromkeys(filter(None, (given, *DELIMITERS))))
    wanted = {key(word) for word in words}
    tables = {one: [cells for _number, cells in _records(_numbered(lines), one)] for one in choices}
    for one, rows in tables.items():
        if wanted and any(wanted <= set(map(key, cells)) for cells in rows):
            return one
    if given and len(wanted) < 2:
        return given
    return max(choices, key=lambda one: _fitness(tables[one]))


def _fitness(rows: Sequence[Sequence[str]]) -> float:
    """How many lines have the usual number of cells, each counting by that number. Cells do not begin with commas."""
    widths = Counter(len(cells) for cells in rows if len(cells) > 1)
    if not widths:
        return 0.0
    width, number = widths.most_common(1)[0]
    cells = [cell for row in rows if len(row) == width for cell in row]
    is_padding = sum(cell.startswith(",") for cell in cells) * 2 > len(cells)
    return 0.0 if is_padding else number * width


def _numbered(lines: Iterable[str]) -> Lines:
    return Lines(enumerate(lines, start=1))


class Lines:
    """Lines with their numbers, some of which may be given back."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines, self._returned = lines, deque[Line]()

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> Line:
        return self._returned.popleft() if self._returned else next(self._lines)

    def give_back(self, lines: Sequence[Line]) -> None:
        self._returned.extendleft(reversed(lines))


def _records(lines: Lines, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the first line, cells)."""
    for number, text in lines:
        if '"' not in text:
            yield number, text.rstrip("\r\n").split(delimiter)
        else:
            yield number, _quoted(number, text, lines, delimiter)


def _quoted(number: int, text: str, lines: Lines, delimiter: str) -> list[str]:
    """Read a record with quotes as CSV where it is that, else cell by cell: some banks quote nothing."""
    taken: list[Line] = []
    dressed = text.replace(f'{delimiter}="', f'{delimiter}"')
    dressed = dressed[1:] if dressed.startswith('="') else dressed

    def feed() -> Iterator[str]:
        yield dressed
        for line in lines:
            taken.append(line)
            yield line[1]
            if len(taken) >= MOST_LINES_OF_A_CELL:
                return

    reader = csv.reader(feed(), delimiter=delimiter, strict=True, skipinitialspace=delimiter != "\t")
    try:
        return next(reader)
    except (csv.Error, StopIteration):
        lines.give_back(taken)
        return text.rstrip("\r\n").split(delimiter)


class TextTable:
    """See `tables.Table`. A character that is none of the encoding becomes U+FFFD, which no cell that counts may hold."""

    def __init__(
        self, source: OpenedBill, *, encoding: str = "", delimiter: str = "", words: Sequence[str] = ()
    ) -> None:
        self._source = source
        self.encoding = encoding_of(source.head, given=encoding, words=words)
        beginning = source.head.decode(self.encoding, errors="replace").lstrip("\ufeff")
        lines = beginning.splitlines(keepends=True)
        self.delimiter = delimiter_of(lines[:_LOOKED_AT], given=delimiter, words=words)
        self.is_ended = True

    def rows(self) -> Iterator[Row]:
        text = io.TextIOWrapper(self._source.stream, encoding=self.encoding, errors="replace", newline="")
        for number, cells in _records(Lines(self._lines(text)), self.delimiter):
            yield Row(number, tuple([cell.strip(PADDING) for cell in cells]))

    def _lines(self, text: io.TextIOWrapper) -> Iterator[Line]:
        number, readline = 0, text.readline
        while line := readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise Refused("line_too_long", line=number)
            if "\0" in line:
                raise Refused("nul")
            self._source.line = number
            self.is_ended = line[-1] in "\r\n\x1a"
            yield number, line

    def is_formula(self, row: Row, position: int) -> bool:
        """Nothing that stands in a text is calculated."""
        return False
