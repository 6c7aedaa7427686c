"""Guess how a bank's file is to be read: header, columns, the forms of times and amounts, the words of kinds and states.

Pure: it reads some hundred rows and fills what a mapping leaves blank, with the reasons for doubt beside each field. It
never changes what a person chose. Header words say what a column may hold; its cells decide whether it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from payments.reconciliation.readers.guess.amounts import guess_amount, guess_figures
from payments.reconciliation.readers.guess.draft import (
    FIELDS,
    NONE,
    Doubt,
    Draft,
    FileMapping,
    SampleRow,
    mapping_of,
)
from payments.reconciliation.readers.guess.kinds import guess_currency, guess_kind, guess_status
from payments.reconciliation.readers.guess.moments import guess_time
from payments.reconciliation.readers.guess.numbers import guess_numbers
from payments.reconciliation.refusals import Refused

__all__ = [
    "FIELDS",
    "NONE",
    "SAMPLE",
    "Doubt",
    "FileMapping",
    "Guess",
    "SampleRow",
    "complete",
    "mapping_of",
    "suggest",
]

# How many rows are looked at.
SAMPLE = 500
_STEPS = (guess_time, guess_amount, guess_numbers, guess_kind, guess_status, guess_currency, guess_figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A completed mapping. `guessed`: the fields that were filled. `words`: how often each word of a column occurs.

    `names` are the words of the header; `moments` the times as they stand in the file.
    """

    mapping: FileMapping
    doubts: Mapping[str, Doubt]
    guessed: frozenset[str]
    header: SampleRow
    names: tuple[str, ...]
    words: Mapping[str, Mapping[str, int]]
    moments: tuple[str, ...]


def complete(rows: Iterable[SampleRow], mapping: object) -> Guess:
    """Fill the blanks of a mapping. Raises `Refused` with what cannot be known without a person."""
    guess = suggest(rows, mapping)
    for name in FIELDS:
        doubt = guess.doubts.get(name)
        if doubt and doubt.is_blocking:
            raise Refused(doubt.code, **doubt.params)
    return guess


def suggest(rows: Iterable[SampleRow], mapping: object) -> Guess:
    """Fill the blanks of a mapping as far as they can be.

    Raises `Refused` (header_not_found, missing_column, two_columns) where the table itself is not understood.
    """
    draft = Draft(list(islice(rows, SAMPLE)), mapping_of(mapping))
    for step in _STEPS:
        step(draft)
    changed = (name for name in FIELDS if getattr(draft.mapping, name) != getattr(draft.given, name))
    return Guess(
        mapping=draft.mapping.without_none(),
        doubts=draft.doubts,
        guessed=frozenset(changed),
        header=draft.header,
        names=draft.names,
        words=draft.words,
        moments=draft.moments,
    )
