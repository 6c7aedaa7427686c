"""Guess the columns of our number, of the bank's number, of a refund's and of the account's."""

from __future__ import annotations

import re
import unicodedata

from payments.reconciliation.readers.guess import words
from payments.reconciliation.readers.guess.draft import Doubt, Draft, text_of
from payments.reconciliation.readers.guess.words import key

_STRICT = re.compile(r"(?<![0-9A-Z])[0-9A-HJKMNP-TV-Z]{24}(?![0-9A-Z])")
_LOOSE = re.compile(r"(?<![0-9A-Z])(?=[0-9]*[A-Z])(?=[A-Z]*[0-9])[0-9A-Z]{16,40}(?![0-9A-Z])")
# An order's own number, which buyers write into a transfer's purpose, with and without its hyphens.
_ORDER = re.compile(
    r"(?<![0-9A-Z-])(20[0-9]{6})-?([0-9A-HJKMNP-TV-Z]{4})-?([0-9A-HJKMNP-TV-Z]{4})(?![0-9A-Z-])"
)
_SERIAL = re.compile(r"[0-9A-Za-z_./-]{2,64}")


def our_numbers(cell: object) -> list[str]:
    """Return what looks like a number of ours in a cell, the likelier first: of a payment, or of an order."""
    plain = unicodedata.normalize("NFKC", str(cell or "")).upper()
    return _STRICT.findall(plain) or _orders(plain) or _LOOSE.findall(plain)


def _orders(plain: str) -> list[str]:
    """Sixteen digits are a card or a serial, no order."""
    found = ("-".join(parts) for parts in _ORDER.findall(plain))
    return [number for number in found if not number.replace("-", "").isdigit()]


def guess_numbers(draft: Draft) -> None:
    """Fill the columns of numbers."""
    if not draft.mapping.reference_column:
        _reference(draft)
    if not draft.mapping.provider_reference_column:
        _serial(draft)
    if not draft.mapping.refund_reference_column and (places := draft.named(words.REFUND_SERIAL)):
        draft.fill(refund_reference_column=draft.names[places[0]])
    if draft.mapping.account_value and not draft.mapping.account_column:
        _account(draft)


def _reference(draft: Draft) -> None:
    """By content among the columns that may hold our number; an order's column without such content counts less."""
    found = []
    for listed, is_memo in ((words.REFERENCE, False), (words.MEMO, True)):
        for strength, place in enumerate(draft.named(listed)):
            cells = draft.cells(place)
            hits = sum(bool(our_numbers(cell)) for cell in cells)
            if hits or (cells and not is_memo):
                found.append((not hits, is_memo, -hits, strength, place))
    if not found:
        draft.doubts["reference_column"] = Doubt("no_reference")
        return
    place = min(found)[-1]
    draft.fill(reference_column=draft.names[place])
    if any(our_numbers(cell) not in ([], [key(cell).upper()]) for cell in draft.cells(place)):
        draft.doubts["reference_column"] = Doubt("inside_text")


def _serial(draft: Draft) -> None:
    """Only a column whose numbers are all different: a repeated one would make two payments one."""
    taken = {key(name) for name in draft.mapping.columns().values()}
    for place in draft.named(words.SERIAL):
        texts = [text_of(cell) for cell in draft.cells(place)]
        is_full = bool(texts) and len(texts) == len(draft.below) == len(set(texts))
        if is_full and key(draft.names[place]) not in taken and all(map(_SERIAL.fullmatch, texts)):
            draft.fill(provider_reference_column=draft.names[place])
            return


def _account(draft: Draft) -> None:
    """Only where an account's number was said: what the file says of itself proves nothing."""
    if places := draft.named(words.ACCOUNT):
        draft.fill(account_column=draft.names[places[0]])
    else:
        draft.block("account_column", "column_not_found", what="the_account")
