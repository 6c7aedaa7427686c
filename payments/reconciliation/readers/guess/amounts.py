"""Guess the column or the two columns of the amounts, their unit and their decimal mark."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from payments.reconciliation.readers.guess import words
from payments.reconciliation.readers.guess.draft import NONE, Doubt, Draft, text_of
from payments.reconciliation.readers.guess.words import key

# So many of the stronger words for one sum of money are equally good.
_PEERS = 10
_CODE = r"(?:cny|rmb|usd|hkd|eur|gbp|jpy|¥|\$|人民币|元)?"
_MONEY = re.compile(rf"[-+(]?{_CODE}[-+]?[0-9][0-9,.']*{_CODE}[-+)]?(?:cr|dr|贷|借)?")
_FIGURE = re.compile(r"[0-9][0-9,.]*")
_SOUNDS = re.compile(r"金额|发生额|amount")


def is_money(value: Any) -> bool:
    """Tell a cell that holds a figure, with or without signs and codes of currency."""
    if isinstance(value, int | float | Decimal):
        return True
    return isinstance(value, str) and _MONEY.fullmatch(key(value).replace('="', "")) is not None


def guess_amount(draft: Draft) -> None:
    """Fill `amount_column`, or `amount_in_column` and `amount_out_column`; an amount there always is."""
    mapping = draft.mapping
    if mapping.amount_in_column or mapping.amount_out_column:
        for name, listed in (("amount_in_column", words.AMOUNT_IN), ("amount_out_column", words.AMOUNT_OUT)):
            if getattr(mapping, name) in ("", NONE):
                _second(draft, name, listed)
    elif mapping.amount_column in ("", NONE):
        into, out = (_figures_named(draft, listed) for listed in (words.AMOUNT_IN, words.AMOUNT_OUT))
        if into and out and into[0] != out[0] and not mapping.amount_column:
            draft.fill(amount_in_column=draft.names[into[0]], amount_out_column=draft.names[out[0]])
        else:
            _single(draft, into)


def _second(draft: Draft, name: str, listed: Sequence[str]) -> None:
    """Two columns were chosen, and not both were said."""
    if places := _figures_named(draft, listed):
        draft.fill(**{name: draft.names[places[0]]})
    else:
        draft.block(name, "column_not_found", what="the_amount")


def _figures_named(draft: Draft, listed: Sequence[str]) -> list[int]:
    return [place for place in draft.named(listed) if _holds_money(draft.cells(place))]


def _holds_money(cells: Sequence[Any]) -> bool:
    """Whether most cells are figures: one that is none is a line to show, not another column."""
    return sum(map(is_money, cells)) * 2 >= len(cells)


def _single(draft: Draft, into: Sequence[int]) -> None:
    places = [place for place in _figures_named(draft, words.AMOUNT) if draft.cells(place)]
    places = places or [place for place in into if draft.cells(place)] or _unnamed(draft)
    if not places:
        draft.block("amount_column", "column_not_found", what="the_amount")
        return
    first = places[0]
    others = [place for place in places[1:] if draft.cells(place) != draft.cells(first)]
    peers = [draft.names[place] for place in (first, *others) if _is_peer(draft.names[place])]
    if len(peers) > 1:
        draft.block("amount_column", "columns_alike", what="the_amount", columns=", ".join(peers))
        return
    draft.fill(amount_column=draft.names[first])
    if others:
        names = ", ".join(draft.names[place] for place in others)
        draft.doubts["amount_column"] = Doubt("other_columns", {"columns": names})


def _is_peer(name: str) -> bool:
    strength = words.rank(name, words.AMOUNT)
    return strength is None or strength < _PEERS


def _unnamed(draft: Draft) -> list[int]:
    """Columns of figures under a word that only sounds like an amount."""
    sounding = [
        place
        for place, name in enumerate(draft.names)
        if _SOUNDS.search(key(name)) and not words.LEAVE_ASIDE.search(key(name))
    ]
    return [place for place in sounding if (cells := draft.cells(place)) and _holds_money(cells)]


def amount_cells(draft: Draft) -> list[Any]:
    """Return the cells of the columns of amounts."""
    mapping = draft.mapping
    names = (mapping.amount_column, mapping.amount_in_column, mapping.amount_out_column)
    return [cell for name in names for cell in draft.cells(draft.place(name))]


def is_signed(draft: Draft) -> bool:
    """Whether some amount is negative: in front, behind, or in parentheses."""
    return any(re.search(r"^[-(]|-$", key(cell)) for cell in amount_cells(draft))


def guess_figures(draft: Draft) -> None:
    """Fill `unit` and `decimal_mark`."""
    if not draft.mapping.unit:
        unit = _unit(draft)
        draft.fill(unit=unit)
        if unit == "fen":
            draft.doubts["unit"] = Doubt("fen")
    if not draft.mapping.decimal_mark:
        draft.fill(decimal_mark=_decimal_mark(draft, filter(_is_text, amount_cells(draft))))


def _is_text(cell: Any) -> bool:
    return isinstance(cell, str)


def _unit(draft: Draft) -> str:
    mapping = draft.mapping
    names = (mapping.amount_column, mapping.amount_in_column, mapping.amount_out_column)
    named = [unit for unit in map(words.unit_in, names) if unit]
    if named:
        return named[0]
    above = " ".join(text_of(cell) for row in draft.above for cell in row.cells)
    return "fen" if re.search(r"单位\s*[:：]\s*分", above) else "yuan"


def _decimal_mark(draft: Draft, texts: Iterable[str]) -> str:
    figures = [figure[0] for text in texts if (figure := _FIGURE.search(key(text)))]
    votes = Counter(map(mark_of, figures))
    if votes[","] and votes["."]:
        draft.block("decimal_mark", "decimal_marks_differ")
    elif votes["?"] and not votes[","] and not votes["."]:
        draft.doubts["decimal_mark"] = Doubt("decimal_mark")
    return "," if votes[","] > votes["."] else "."


def mark_of(figure: str) -> str:
    """Return the decimal mark of a figure; "" where it has none, "?" where it may be a mark of thousands."""
    marks = [one for one in figure if one in ",."]
    if not marks:
        return ""
    if len(set(marks)) == 2:
        return marks[-1]
    if len(marks) > 1:
        return "." if marks[-1] == "," else ","
    return "?" if len(figure) - figure.index(marks[-1]) == 4 else marks[-1]
