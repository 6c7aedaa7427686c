"""Guess the columns of kind, state and currency, and what their words mean."""

from __future__ import annotations

from collections.abc import Mapping

from payments.reconciliation.readers.guess import words
from payments.reconciliation.readers.guess.amounts import is_signed
from payments.reconciliation.readers.guess.draft import NONE, Doubt, Draft, text_of
from payments.reconciliation.readers.guess.words import key

KINDS = ("payment_words", "refund_words", "ignored_words")
_SHOWN = 8


def way_of(word: str) -> str:
    """Return the list that a word of kind belongs to; "" for an unknown one."""
    plain = key(word)
    if plain in words.KINDS_LEFT_OUT:
        return "ignored_words"
    if plain in words.KINDS_OUT:
        return "refund_words"
    return "payment_words" if plain in words.KINDS_IN else ""


def is_paid(word: str) -> bool | None:
    """Tell whether a word of state means that money moved; None for an unknown one."""
    plain = key(word)
    if plain in words.STATES_PAID:
        return True
    return False if plain in words.STATES_UNPAID | words.STATES_REFUNDED else None


def guess_kind(draft: Draft) -> None:
    """Fill `kind_column` and the lists of its words."""
    if draft.mapping.kind_column in ("", NONE):
        place = None if draft.mapping.kind_column else _kind_place(draft)
        if place is None:
            if draft.mapping.amount_column and not is_signed(draft):
                draft.doubts["kind_column"] = Doubt("no_direction")
            return
        draft.fill(kind_column=draft.names[place])
    _sort_words(draft, draft.count_words(draft.mapping.kind_column))


def _kind_place(draft: Draft) -> int | None:
    """Where neither two columns nor a sign say which way money went, a column of words has to."""
    if draft.mapping.amount_in_column:
        return None
    needed = 1.0 if is_signed(draft) else 0.5
    found = []
    for strength, place in enumerate(draft.named(words.KIND)):
        known = [bool(way_of(text_of(cell))) for cell in draft.cells(place)]
        share = sum(known) / len(known) if known else 0.0
        if share >= needed:
            found.append((-share, strength, place))
    return min(found)[2] if found else None


def _sort_words(draft: Draft, counted: Mapping[str, int]) -> None:
    said = _said(draft)
    free = [word for word in counted if key(word) not in said]
    for name in KINDS:
        if not getattr(draft.mapping, name):
            draft.fill(**{name: tuple(word for word in free if way_of(word) == name)})
    unknown = [word for word in free if key(word) not in _said(draft)]
    if unknown:
        draft.block("kind_column", "unknown_kinds", words=", ".join(unknown[:_SHOWN]))


def _said(draft: Draft) -> set[str]:
    return {key(word) for name in KINDS for word in getattr(draft.mapping, name)}


def guess_status(draft: Draft) -> None:
    """Fill `status_column` and the words that mean money."""
    if not draft.mapping.status_column:
        places = [place for place in draft.named(words.STATUS) if draft.cells(place)]
        if not places:
            return
        draft.fill(status_column=draft.names[places[0]])
    if draft.mapping.status_column == NONE:
        return
    counted = draft.count_words(draft.mapping.status_column)
    if draft.mapping.status_words:
        return
    draft.fill(status_words=tuple(word for word in counted if is_paid(word)))
    unknown = [word for word in counted if is_paid(word) is None]
    if unknown:
        draft.block("status_column", "unknown_states", words=", ".join(unknown[:_SHOWN]))


def guess_currency(draft: Draft) -> None:
    """Fill `currency_column` and `currency`."""
    if not draft.mapping.currency_column:
        places = [place for place in draft.named(words.CURRENCY) if draft.cells(place)]
        if places:
            draft.fill(currency_column=draft.names[places[0]])
    if draft.mapping.currency_column not in ("", NONE):
        counted = draft.count_words(draft.mapping.currency_column)
        foreign = [word for word in counted if key(word) not in words.YUAN_WORDS]
        if foreign:
            draft.doubts["currency_column"] = Doubt(
                "foreign_currency", {"words": ", ".join(foreign[:_SHOWN])}
            )
    if not draft.mapping.currency:
        draft.fill(currency="CNY")
