"""The header of a table: found by its words, wherever it stands; full and half width are the same, blanks are nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from payments.reconciliation.readers.guess.words import key
from payments.reconciliation.readers.tables.rows import Row
from payments.reconciliation.refusals import Refused

# How far down a header may stand.
DEEPEST = 200


@dataclass(frozen=True, slots=True)
class Header:
    """The header's last `number`, its width, and its words as they stand there and folded, by column."""

    number: int
    names: tuple[str, ...]
    folded: tuple[frozenset[str], ...]

    @property
    def width(self) -> int:
        return len(self.names)

    def column(self, name: str) -> int | None:
        """Return where this word stands; None where it does not. Raises `Refused` (two_columns)."""
        wanted = key(name)
        found = [place for place, words in enumerate(self.folded) if wanted and wanted in words]
        if len(found) > 1:
            raise Refused("two_columns", column=name, line=self.number)
        return found[0] if found else None

    def is_repeated(self, row: Row) -> bool:
        """Tell the same header again, as on every page of a printed list."""
        cells = [key(cell) for cell in row.cells]
        if len([cell for cell in cells if cell]) < 2:
            return False
        said = zip(cells, self.folded, strict=False)
        return all(cell in words for cell, words in said if cell)


def find_header(rows: Sequence[Row], wanted: Mapping[str, str], *, after: int = 0) -> Header:
    """Return the first row that holds all these words, those after line `after` before the others.

    `wanted`: folded words and as they were given. A header may stand in two rows, one for groups of columns: both are
    read as one. Raises `Refused` (missing_column).
    """
    looked_at = rows[:DEEPEST]
    ordered = [row for row in looked_at if row.number > after] + [
        row for row in looked_at if row.number <= after
    ]
    for row in ordered:
        if wanted.keys() <= {key(cell) for cell in row.cells}:
            return _header(row)
    for first, second in pairwise(looked_at):
        both = _two_rows(first, second)
        if first.sheet == second.sheet and all(any(one in words for words in both.folded) for one in wanted):
            return both
    raise Refused("missing_column", column=_most_missing(looked_at, wanted))


def _header(row: Row) -> Header:
    return Header(
        row.number,
        tuple("" if cell is None else str(cell) for cell in _trimmed(row.cells)),
        tuple(frozenset({key(cell)} - {""}) for cell in _trimmed(row.cells)),
    )


def _trimmed(cells: Sequence[object]) -> Sequence[object]:
    """Leave out the blank cells at the end."""
    width = next((place for place in range(len(cells), 0, -1) if key(cells[place - 1])), 0)
    return cells[:width]


def _two_rows(first: Row, second: Row) -> Header:
    width = max(len(_trimmed(first.cells)), len(_trimmed(second.cells)))
    upper, lower = ([*row.cells, *([None] * width)][:width] for row in (first, second))
    names, folded, group = [], [], ""
    for above, below in zip(upper, lower, strict=True):
        group = key(above) or (group if key(below) else "")
        names.append(str(below or above or ""))
        folded.append(frozenset({key(below) or key(above), group + key(below)} - {""}))
    return Header(second.number, tuple(names), tuple(folded))


def _most_missing(rows: Sequence[Row], wanted: Mapping[str, str]) -> str:
    """Return the first word that the best row lacks."""
    words = [{key(cell) for cell in row.cells} for row in rows]
    best: set[str] = max(words, key=lambda one: len(one & wanted.keys()), default=set())
    return next(
        (given for folded, given in wanted.items() if folded not in best), next(iter(wanted.values()), "")
    )
