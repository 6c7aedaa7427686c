"""A bank's own file of any kind, read by a saved mapping: columns by the words of the header, the rest by their content.

Lines before the header, blank lines, totals and notes are left aside: they have no time, or no amount and no number of
ours. Any other line that cannot be read refuses the file and is named: line, column and cell. Money in is a payment, money
out never is, and what the words leave out is kept as a line that nobody has to look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, groupby, islice

from payments.reconciliation.readers import guess
from payments.reconciliation.readers.base import BillLine, Brief
from payments.reconciliation.readers.containers import OpenedBill
from payments.reconciliation.readers.guess.draft import FileMapping
from payments.reconciliation.readers.guess.words import key
from payments.reconciliation.readers.headers import Header, find_header
from payments.reconciliation.readers.layout import NONE, Mapping
from payments.reconciliation.readers.lines import LineReader
from payments.reconciliation.readers.tables import open_table
from payments.reconciliation.readers.tables.rows import Row
from payments.reconciliation.refusals import Refused

COLUMNS = (
    "amount_column", "amount_in_column", "amount_out_column", "time_column", "reference_column",
    "provider_reference_column", "refund_reference_column", "kind_column", "status_column", "currency_column",
    "account_column",
)  # fmt: skip
# How many rows are looked at before one is read.
SAMPLE = 500
# What a person's lists of words leave open shows itself line by line.
_READ_ON = frozenset({"unknown_kinds", "unknown_states"})


def read(source: OpenedBill, brief: Brief, mapping: Mapping) -> Iterator[BillLine]:
    """See `readers.base`. Every sheet that has the header is read."""
    wanted = wanted_words(mapping)
    table = open_table(source, encoding=mapping.encoding, delimiter=mapping.delimiter, words=tuple(wanted))
    reader: LineReader | None = None
    problem = Refused("header_not_found")
    for _sheet, rows in groupby(table.rows(), key=_sheet_of):
        head = list(islice(rows, SAMPLE))
        try:
            header, complete = understand(head, mapping, wanted)
        except Refused as refused:
            problem = problem if reader else refused
            continue
        reader = LineReader(table, header, complete, mapping, before=reader)
        yield from reader.read(chain(head, rows))
        reader.check_end()
    if reader is None:
        raise problem


def _sheet_of(row: Row) -> int:
    return row.sheet


def wanted_words(mapping: Mapping | FileMapping) -> dict[str, str]:
    """Return the header words that the mapping names: folded, and as they were given."""
    names = (getattr(mapping, column) for column in COLUMNS)
    return {key(name): name for name in names if name not in ("", NONE)}


def understand(head: list[Row], mapping: Mapping, wanted: dict[str, str]) -> tuple[Header, FileMapping]:
    """Find the header, and complete what the mapping leaves blank from the rows below it. Raises `Refused`."""
    rows = head
    if wanted:
        found = find_header(head, wanted, after=mapping.skip_lines)
        rows = [Row(found.number, found.names), *(row for row in head if row.number > found.number)]
    guessed = guess.suggest(rows, mapping)
    for field, doubt in guessed.doubts.items():
        if doubt.is_blocking and doubt.code not in _READ_ON and not getattr(mapping, field):
            raise Refused(doubt.code, **doubt.params)
    complete = guessed.mapping
    header = find_header(head, wanted_words(complete), after=mapping.skip_lines)
    return header, complete
