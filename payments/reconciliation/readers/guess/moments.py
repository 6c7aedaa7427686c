"""Guess the column of the time and its form."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

from payments.reconciliation.readers.guess import times, words
from payments.reconciliation.readers.guess.draft import NONE, Doubt, Draft, text_of


def guess_time(draft: Draft) -> None:
    """Fill `time_column` and `date_format`, and keep only the rows that have a time."""
    place = draft.place(draft.mapping.time_column)
    if place is None:
        place = _place(draft)
    if place is None:
        draft.block("time_column", "column_not_found", what="the_time")
        return
    if draft.mapping.time_column in ("", NONE):
        draft.fill(time_column=draft.names[place])
    _form(draft, draft.cells(place))
    draft.keep_rows(place, times.is_moment)


def _place(draft: Draft) -> int | None:
    """By word and content: a column with a time of day before one with the day alone."""
    named = draft.named(words.TIME)
    found = [
        (not any(map(_has_clock, moments)), strength, place)
        for strength, place in enumerate(named)
        if (moments := [cell for cell in draft.cells(place) if times.is_moment(cell)])
    ]
    if found:
        return min(found)[2]
    return named[0] if named else _unnamed(draft)


def _has_clock(cell: Any) -> bool:
    text = text_of(cell)
    return ":" in text or "时" in text or "." in text[10:] or (text.isdigit() and len(text) == 14)


def _unnamed(draft: Draft) -> int | None:
    """A column of times under an unknown word."""
    for place, name in enumerate(draft.names):
        texts = [text_of(cell) for cell in draft.cells(place)]
        if name and texts and all(map(times.forms_of, texts)):
            draft.doubts["time_column"] = Doubt("unusual_column", {"column": name})
            return place
    return None


def _form(draft: Draft, cells: list[Any]) -> None:
    texts = [text_of(cell) for cell in cells if not isinstance(cell, date)]
    read = [text for text in texts if times.forms_of(text)]
    draft.moments = tuple(dict.fromkeys(read))
    if draft.mapping.date_format:
        return
    if not read:
        _explain(draft, cells)
        return
    forms = times.common_forms(read)
    if not forms:
        forms = [Counter(times.forms_of(text)[0] for text in read).most_common(1)[0][0]]
        draft.doubts["date_format"] = Doubt("several_forms")
    draft.fill(date_format=forms[0])
    if len(forms) > 1:
        _doubt_order(draft, read, forms)


def _explain(draft: Draft, cells: list[Any]) -> None:
    """Say why no form is known, unless a workbook holds true dates."""
    texts = [text_of(cell) for cell in cells]
    yearless = [text for text in texts if times.is_yearless(text)]
    if yearless:
        draft.block("date_format", "no_year", form=yearless[0])
    elif texts and not any(map(times.is_moment, cells)):
        draft.block("date_format", "times_unknown", example=texts[0])


def _doubt_order(draft: Draft, texts: list[str], forms: list[str]) -> None:
    one, other = forms[:2]
    telling = next((text for text in texts if times.read(text, one) != times.read(text, other)), "")
    if telling:
        taken, not_taken = (f"{times.read(telling, form):%Y-%m-%d}" for form in (one, other))
        params = {"text": telling, "taken": taken, "other": not_taken}
        draft.doubts["date_format"] = Doubt("day_and_month", params)
