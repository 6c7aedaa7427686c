"""What is known of a file while its mapping is guessed: the header, the rows below it, the fields and the doubts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

from payments.models.statement_mapping import words_of
from payments.reconciliation.readers.guess import times
from payments.reconciliation.readers.guess.words import HEADER_WORDS, key, rank, stem
from payments.reconciliation.refusals import Refused

# How far down a header may stand.
DEEPEST_HEADER = 80
# A column field that says: the file has none. Blank says nothing, and is guessed.
NONE = "-"


class SampleRow(Protocol):
    """A row of the file: `number` as an editor counts lines, `cells` as they stand there."""

    @property
    def number(self) -> int: ...
    @property
    def cells(self) -> Sequence[Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMapping:
    """What a mapping says, with the names of `payments.models.StatementMapping`; blank is not said, `NONE` is none."""

    encoding: str = ""
    delimiter: str = ""
    date_format: str = ""
    unit: str = ""
    decimal_mark: str = ""
    currency: str = ""
    amount_column: str = ""
    amount_in_column: str = ""
    amount_out_column: str = ""
    time_column: str = ""
    reference_column: str = ""
    provider_reference_column: str = ""
    refund_reference_column: str = ""
    kind_column: str = ""
    status_column: str = ""
    currency_column: str = ""
    account_column: str = ""
    payment_words: tuple[str, ...] = ()
    refund_words: tuple[str, ...] = ()
    ignored_words: tuple[str, ...] = ()
    status_words: tuple[str, ...] = ()
    account_value: str = ""

    def columns(self) -> dict[str, str]:
        """Return the header words that are said, by field."""
        return {name: getattr(self, name) for name in COLUMNS if getattr(self, name) not in ("", NONE)}

    def without_none(self) -> FileMapping:
        """Return the mapping with blanks for what the file does not have."""
        blanks: dict[str, Any] = {name: "" for name in COLUMNS if getattr(self, name) == NONE}
        return replace(self, **blanks)


FIELDS = tuple(one.name for one in fields(FileMapping))
COLUMNS = tuple(name for name in FIELDS if name.endswith("_column"))
WORD_LISTS = tuple(name for name in FIELDS if name.endswith("_words"))


def mapping_of(source: object) -> FileMapping:
    """Return what an object with the fields of a mapping says."""
    values: dict[str, Any] = {name: getattr(source, name, None) or "" for name in FIELDS}
    for name in WORD_LISTS:
        values[name] = tuple(sorted(words_of(values[name])))
    return FileMapping(**values)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a field may be read wrongly; a blocking one has to be answered by a person before the file is read."""

    code: str
    params: Mapping[str, str] = field(default_factory=dict)
    is_blocking: bool = False


class Draft:
    """A mapping on its way to being complete, over the first rows of its file."""

    def __init__(self, rows: Sequence[SampleRow], mapping: FileMapping) -> None:
        self.header = find_header(rows, mapping)
        self.names = tuple(text_of(cell) for cell in self.header.cells)
        self.above = [row for row in rows if row.number < self.header.number]
        self.below = [row for row in rows if row.number > self.header.number]
        self.given = self.mapping = mapping
        self.doubts: dict[str, Doubt] = {}
        self.words: dict[str, Mapping[str, int]] = {}
        self.moments: tuple[str, ...] = ()

    def fill(self, **values: Any) -> None:
        """Set fields of the mapping."""
        self.mapping = replace(self.mapping, **values)

    def block(self, name: str, code: str, **params: str) -> None:
        """Keep a doubt that a person has to answer."""
        self.doubts[name] = Doubt(code, params, is_blocking=True)

    def place(self, name: str) -> int | None:
        """Return the column of this header word; None where there is none. Raises `Refused` (two_columns)."""
        wanted = "" if name == NONE else key(name)
        found = [place for place, one in enumerate(self.names) if wanted and key(one) == wanted]
        if len(found) > 1:
            raise Refused("two_columns", column=name, line=self.header.number)
        return found[0] if found else None

    def cells(self, place: int | None) -> list[Any]:
        """Return what stands in a column, blanks left out."""
        if place is None:
            return []
        column = [row.cells[place] for row in self.below if place < len(row.cells)]
        return [cell for cell in column if not is_blank(cell)]

    def named(self, words: Sequence[str]) -> list[int]:
        """Return the columns whose header is one of these words, that of the strongest word first."""
        ranked = [(rank(name, words), place) for place, name in enumerate(self.names) if name]
        return [
            place for _strength, place in sorted((one, place) for one, place in ranked if one is not None)
        ]

    def keep_rows(self, place: int, fits: Callable[[Any], bool]) -> None:
        """Leave out what is no line: footers, blank lines, repeated headers."""
        kept = [row for row in self.below if place < len(row.cells) and fits(row.cells[place])]
        self.below = kept or self.below

    def count_words(self, name: str) -> Mapping[str, int]:
        """Count the words of a column and keep them."""
        counted = Counter(text_of(cell) for cell in self.cells(self.place(name)))
        self.words[name] = dict(counted.most_common())
        return self.words[name]


def find_header(rows: Sequence[SampleRow], mapping: FileMapping) -> SampleRow:
    """Return the row of the header: the one with the mapping's columns, else the one with the most known words.

    Raises `Refused` (missing_column, header_not_found).
    """
    wanted = {key(name): name for name in mapping.columns().values()}
    if not wanted:
        return _header_by_words(rows[:DEEPEST_HEADER])
    best = max(
        rows[:DEEPEST_HEADER], key=lambda row: len(wanted.keys() & set(map(key, row.cells))), default=None
    )
    found = set(map(key, best.cells)) if best else set()
    missing = [name for folded, name in wanted.items() if folded not in found]
    if best is None or missing:
        raise Refused("missing_column", column=missing[0])
    return best


def _header_by_words(rows: Sequence[SampleRow]) -> SampleRow:
    best = max(rows, key=_known_words, default=None)
    if best is None or _known_words(best) < 2:
        raise Refused("header_not_found")
    return best


def _known_words(row: SampleRow) -> int:
    texts = [cell for cell in row.cells if isinstance(cell, str)]
    return sum(bool({key(text), stem(text)} & HEADER_WORDS) for text in texts)


def is_blank(value: Any) -> bool:
    return value is None or not text_of(value)


def text_of(value: Any) -> str:
    """Return a cell as text without what pads it."""
    return "" if value is None else times.tidy(str(value))
