"""The beginning of a bank's file as a mapping would read it: for a person who looks before it is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ordersite.lib.files import private
from payments.models import Statement, StatementMapping
from payments.reconciliation.readers.base import BillLine
from payments.reconciliation.readers.containers import OpenedBill, opened
from payments.reconciliation.readers.guess import SAMPLE, Doubt, FileMapping, Guess, suggest
from payments.reconciliation.readers.guess.words import key
from payments.reconciliation.readers.headers import find_header
from payments.reconciliation.readers.lines import LineReader
from payments.reconciliation.readers.tables import Table, open_table
from payments.reconciliation.readers.tables.rows import CellRow, text_of
from payments.reconciliation.refusals import Refused

SHOWN = 20
_BANK = re.compile(r"[\u4e00-\u9fff]{2,10}?银行|\b[A-Z]\w{2,20} Bank\b")


@dataclass(frozen=True, slots=True)
class SampleLine:
    """A line as it would be read: `line` is None for one that is left out, or with the `problem` why it cannot be read."""

    number: str
    cells: Sequence[str]
    line: BillLine | None
    problem: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What is found in a file. `own` is what it says by itself, `own_encoding` and `own_delimiter` too."""

    guess: Guess
    own: FileMapping
    lines: Sequence[SampleLine]
    above: str
    encoding: str
    delimiter: str
    own_encoding: str
    own_delimiter: str
    is_workbook: bool

    @property
    def found(self) -> FileMapping:
        return self.guess.mapping

    @property
    def doubts(self) -> Mapping[str, Doubt]:
        return self.guess.doubts

    @property
    def blocked(self) -> set[str]:
        """The fields that only a person can know."""
        return {name for name, doubt in self.doubts.items() if doubt.is_blocking}

    @property
    def header_number(self) -> int:
        return self.guess.header.number

    @property
    def encoding_label(self) -> str:
        return dict(StatementMapping.Encoding.choices).get(self.encoding, self.encoding)

    @property
    def delimiter_label(self) -> str:
        return str(dict(StatementMapping.Delimiter.choices).get(self.delimiter, ""))


def look(statement: Statement, chosen: FileMapping) -> Sample:
    """Read the beginning of a stored file as far as `chosen` goes, and recognise the rest. Raises `Refused`."""
    with _table(statement, chosen) as (table, source):
        rows = list(islice(table.rows(), SAMPLE))
        guess = suggest(rows, chosen)
        lines = _lines(table, rows, guess)
        is_workbook = source.is_workbook
    plain_rows, plain = rows, table
    if chosen.encoding or chosen.delimiter:
        with _table(statement, FileMapping()) as (plain, _source):
            plain_rows = list(islice(plain.rows(), SAMPLE))
    return Sample(
        guess=guess,
        own=_own(plain_rows),
        lines=lines,
        above=" ".join(
            text_of(cell) for row in rows if row.number < guess.header.number for cell in row.cells
        ),
        encoding=_named(table),
        delimiter=table.delimiter,
        own_encoding=_named(plain),
        own_delimiter=plain.delimiter,
        is_workbook=is_workbook,
    )


@contextmanager
def _table(statement: Statement, chosen: FileMapping) -> Iterator[tuple[Table, OpenedBill]]:
    try:
        with private.local(statement.stored_name) as raw, opened(raw, statement.stored_name) as source:
            words = tuple(chosen.columns().values())
            yield (
                open_table(source, encoding=chosen.encoding, delimiter=chosen.delimiter, words=words),
                source,
            )
    except FileNotFoundError as error:
        raise Refused("lost") from error


def _named(table: Table) -> str:
    """The encoding as a mapping names it."""
    return "utf-16" if table.encoding.startswith("utf-16") else table.encoding


def _lines(table: Table, rows: Sequence[CellRow], guess: Guess) -> list[SampleLine]:
    """The first lines below the header, each with what is wrong with it alone."""
    below = [row for row in rows if row.number > guess.header.number and any(map(text_of, row.cells))][:SHOWN]
    try:
        _check_needed(guess)
        wanted = {key(name): name for name in guess.mapping.columns().values()}
        mapping: Any = guess.mapping
        reader = LineReader(table, find_header(rows, wanted), mapping, mapping, before=None)
    except Refused as refused:
        return [_raw(row, refused.as_dict()) for row in below]
    return [_line(reader, row) for row in below]


def _check_needed(guess: Guess) -> None:
    """Raise what keeps the time or the amount from being read at all."""
    found = guess.mapping
    if found.time_column and (found.amount_column or found.amount_in_column or found.amount_out_column):
        return
    for doubt in guess.doubts.values():
        if doubt.is_blocking:
            raise Refused(doubt.code, **doubt.params)


def _line(reader: LineReader, row: CellRow) -> SampleLine:
    try:
        line = next(reader.read(iter([row])), None)
    except Refused as refused:
        return _raw(row, refused.as_dict())
    return SampleLine(row.line, tuple(map(text_of, row.cells)), line, {})


def _raw(row: CellRow, problem: Mapping[str, object]) -> SampleLine:
    return SampleLine(row.line, tuple(map(text_of, row.cells)), None, problem)


def _own(rows: Sequence[CellRow]) -> FileMapping:
    try:
        return suggest(rows, FileMapping()).mapping
    except Refused:
        return FileMapping()


def bank_of(statement: Statement, sample: Sample) -> str:
    """Return a name for the mapping of this file: its bank's, else the account's, with a number where it is taken."""
    found = _BANK.search(f"{sample.above} {statement.file_name}")
    name = found[0] if found else statement.account.slug
    taken = set(StatementMapping.objects.filter(name__startswith=name).values_list("name", flat=True))
    numbered = (f"{name} {number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(one for one in numbered if one not in taken)
