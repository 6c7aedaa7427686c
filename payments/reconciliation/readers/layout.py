"""What a mapping means in one table: which column holds what, and what its words say.

Columns that a mapping does not name are watched all the same when their header says that they decide about money: a state,
a currency, a direction. Money that did not move, or moved the other way, is never read as a payment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from payments.models.statement_mapping import words_of
from payments.reconciliation.readers.base import OTHER, PAYMENT, REFUND
from payments.reconciliation.readers.guess import words
from payments.reconciliation.readers.guess.draft import FileMapping
from payments.reconciliation.readers.guess.words import key, rank
from payments.reconciliation.readers.headers import Header
from payments.reconciliation.refusals import Refused

# A column field that says: the file has none.
NONE = "-"
_DIRECTION = re.compile(
    r"借.{0,3}贷|收.{0,3}支|收/?付|cr/dr|dr/cr|c/d|d/c|debit/credit|credit/debit|存取|来往?账|往来账|direction|方向"
)
_FEES = re.compile(
    r"手续费|结息|利息|工本费|管理费|服务费|年费|短信费|(?<![a-z])(?:interest|fees?|charges?)(?![a-z])"
)
_GOODS = frozenset({"货款", "收货款", "销货款", "销售款", "订单款", "汇款", "转账", "汇入汇款"})
_BACK = re.compile(r"退|refund|返还")


class Mapping(Protocol):
    """What a saved mapping says; see `payments.models.StatementMapping`."""

    encoding: str
    delimiter: str
    skip_lines: int
    date_format: str
    unit: str
    decimal_mark: str
    currency: str
    amount_column: str
    amount_in_column: str
    amount_out_column: str
    time_column: str
    reference_column: str
    provider_reference_column: str
    refund_reference_column: str
    kind_column: str
    payment_words: str
    refund_words: str
    ignored_words: str
    status_column: str
    status_words: str
    currency_column: str
    account_column: str
    account_value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Places of cells, None for what the table does not have. Either `amount` is there or one of the other two."""

    time: int
    clock: int | None
    amount: int | None
    amount_in: int | None
    amount_out: int | None
    ours: int | None
    theirs: int | None
    refund: int | None
    kind: int | None
    status: int | None
    currency: int | None
    account: int | None
    memos: tuple[int, ...]


def find_columns(header: Header, mapping: FileMapping, given: Mapping) -> Columns:
    """Return where everything stands by a completed mapping; `given` says which columns a person knows the file has not.

    Raises `Refused` (missing_column, two_columns).
    """
    amount, into, out = _amounts(header, mapping)
    time = _place(header, mapping.time_column)
    if time is None:
        raise Refused("missing_column", column=mapping.time_column or "?")
    two = into is not None or out is not None
    kind = _place(header, mapping.kind_column)
    if kind is None and given.kind_column != NONE and not two:
        kind = _watched(header, words.KIND, _DIRECTION)
    return Columns(
        time=time,
        clock=_clock(header, time, mapping.date_format),
        amount=amount,
        amount_in=into,
        amount_out=out,
        ours=_place(header, mapping.reference_column),
        theirs=_place(header, mapping.provider_reference_column),
        refund=_place(header, mapping.refund_reference_column),
        kind=kind,
        status=_place(
            header, given.status_column or mapping.status_column or _watched_name(header, words.STATUS)
        ),
        currency=_place(
            header, given.currency_column or mapping.currency_column or _watched_name(header, words.CURRENCY)
        ),
        account=_place(header, mapping.account_column),
        memos=tuple(place for place, name in enumerate(header.names) if rank(name, words.MEMO) is not None),
    )


def _clock(header: Header, day: int, form: str) -> int | None:
    """The column of the time of day, beside a column that holds the day alone."""
    if "%H" in form or "%I" in form:
        return None
    place = _watched(header, words.CLOCK)
    return None if place == day else place


def _amounts(header: Header, mapping: FileMapping) -> tuple[int | None, int | None, int | None]:
    """A single column that is named for money in has its other half beside it, or is whole."""
    into, out = _place(header, mapping.amount_in_column), _place(header, mapping.amount_out_column)
    amount = _place(header, mapping.amount_column)
    if amount is None and into is None and out is None:
        raise Refused("missing_column", column=mapping.amount_column or mapping.amount_in_column or "?")
    if amount is not None and rank(header.names[amount], words.AMOUNT_IN) is not None:
        half = _watched(header, words.AMOUNT_OUT)
        if half is not None and half != amount:
            return None, amount, half
    return (None, into, out) if into is not None or out is not None else (amount, None, None)


def _place(header: Header, name: str) -> int | None:
    if name in ("", NONE):
        return None
    place = header.column(name)
    if place is None:
        raise Refused("missing_column", column=name)
    return place


def _watched_name(header: Header, listed: Iterable[str]) -> str:
    place = _watched(header, listed)
    return "" if place is None else header.names[place]


def _watched(header: Header, listed: Iterable[str], only: re.Pattern[str] | None = None) -> int | None:
    """Return the column with the strongest of these words."""
    strong = tuple(listed)
    ranked = [
        (strength, place)
        for place, name in enumerate(header.names)
        if (strength := rank(name, strong)) is not None and (only is None or only.search(key(name)))
    ]
    return min(ranked)[1] if ranked else None


class Words:
    """What the words of kinds, states and currencies mean: those of the mapping first, then those generally known."""

    def __init__(self, mapping: Mapping) -> None:
        self._kinds = {
            **dict.fromkeys(_keys(mapping.payment_words), PAYMENT),
            **dict.fromkeys(_keys(mapping.refund_words), REFUND),
            **dict.fromkeys(_keys(mapping.ignored_words), OTHER),
        }
        self._has_payments = bool(_keys(mapping.payment_words))
        self._ignored = _keys(mapping.ignored_words)
        self._states = _keys(mapping.status_words)

    def kind(self, word: str) -> str | None:
        """Return payment, refund (money that left) or other (left out); None for an unknown word."""
        plain = key(word)
        if plain in self._kinds:
            return self._kinds[plain]
        if plain in words.KINDS_OUT or _BACK.search(plain) or plain in _REVERSED:
            return REFUND
        if plain in words.KINDS_LEFT_OUT or _FEES.search(plain):
            return OTHER
        is_known = plain in words.KINDS_IN or plain in _GOODS
        return PAYMENT if is_known and not self._has_payments else None

    def moved(self, word: str) -> bool | None:
        """Tell whether money moved in this state; None for an unknown word.

        Where the mapping has words, any other state moved none, unless it generally means that money did.
        """
        plain = key(word)
        if plain in self._states:
            return True
        if plain in words.STATES_UNPAID:
            return False
        is_paid = plain in words.STATES_PAID
        is_back = plain in words.STATES_REFUNDED and "部分" not in plain
        if self._states:
            return None if is_paid else False
        return True if is_paid else False if is_back else None

    @staticmethod
    def is_refunded(word: str) -> bool:
        return key(word) in words.STATES_REFUNDED

    def is_left_out(self, texts: Iterable[str]) -> bool:
        """Tell fees, interest and whatever the mapping leaves out by what a line says of itself."""
        return any(
            _FEES.search(plain) or any(word in plain for word in self._ignored)
            for plain in map(key, texts)
            if plain
        )

    @staticmethod
    def is_refund(word: str) -> bool:
        """Tell a word that means money back to a buyer, not just money that left."""
        return _BACK.search(key(word)) is not None

    @staticmethod
    def is_yuan(word: str) -> bool:
        plain = key(word)
        return (
            not plain
            or plain in words.YUAN_WORDS
            or plain in _YUAN_CODES
            or _YUAN.fullmatch(plain) is not None
        )


# Codes that mainland banks have for their own currency, and its names with a code or a kind of account beside them.
_YUAN_CODES = frozenset({"01", "001", "10", "156", "本币"})
_YUAN = re.compile(
    r"(?:[0-9]{1,3}[-/:])?(?:cny|rmb|人民币元?)(?:[-/:(]?(?:cny|rmb|人民币元?|元|本位币|钞|汇|现汇|活期)\)?)*"
)
# A reversal says that something did not stand; which way the money went is then for a person.
_REVERSED = frozenset({"冲正", "红冲", "抹账", "reversal", "chargeback", "return", "returned"})


def _keys(listed: str | Iterable[str]) -> frozenset[str]:
    return frozenset(key(word) for word in words_of(listed or ()))
