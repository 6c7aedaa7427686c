"""Amounts as banks write them: signs before and behind, parentheses, currencies, full-width digits, either decimal mark."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from payments.reconciliation.readers.tables.rows import Cell, text_of

YUAN = frozenset({"", "CNY", "RMB", "¥", "CN¥", "元", "圆", "人民币", "人民币元", "YUAN"})
MOST_FEN = 10**11
_LONGEST = 40
# What most banks write most of the time.
_PLAIN = re.compile(r"(-?)([0-9]{1,9})\.([0-9]{2})", re.ASCII)
_DASHES = str.maketrans("−–—﹣‐‑", "------")
_PARTS = re.compile(
    r"(?P<before>[^0-9.,()+-]*)(?P<open>\()?(?P<sign>[+-]?)(?P<inside>[^0-9.,()+-]*)"
    r"(?P<figure>[0-9.,'’ ]*[0-9])(?P<after>[^0-9.,()+-]*)(?P<close>\))?(?P<trail>[+-]?)(?P<end>[^0-9.,()+-]*)"
)
_ROUNDED = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+]?[0-9]+")
# Thousands stand before three digits each, or the comma was none.
_FIGURES = {
    ".": re.compile(r"([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,3}(?:[ '’][0-9]{3})+)(?:\.([0-9]+))?"),
    ",": re.compile(r"([0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]{1,3}(?:[ '’][0-9]{3})+)(?:,([0-9]+))?"),
}
_WAYS = {"CR": 1, "CR.": 1, "贷": 1, "DR": -1, "DR.": -1, "借": -1}


class Money(NamedTuple):
    """Signed fen, and what stood beside the figure: a currency, or "" for none and for yuan."""

    fen: int
    currency: str = ""


class OddAmount(ValueError):
    """The cell is no amount; `problem` is a key of `refusals.PROBLEMS`."""

    def __init__(self, problem: str = "amount") -> None:
        super().__init__(problem)
        self.problem = problem


def read_money(cell: Cell, *, unit: str = "yuan", mark: str = ".") -> Money:
    """Parse a cell exactly. Raises `OddAmount` (amount, rounded)."""
    if isinstance(cell, int | float | Decimal):
        # A workbook shows fifteen digits of its binary figure: what it shows is what stood in the cell.
        return Money(_fen(f"{cell:.15g}" if isinstance(cell, float) else str(cell), unit))
    text = text_of(cell)
    if mark != "," and unit == "yuan" and (plain := _PLAIN.fullmatch(text)):
        fen = int(plain[2]) * 100 + int(plain[3])
        return Money(-fen if plain[1] else fen)
    text = unicodedata.normalize("NFKC", text).translate(_DASHES).strip()
    if _ROUNDED.fullmatch(text):
        raise OddAmount("rounded")
    found = _PARTS.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or bool(found["open"]) != bool(found["close"]):
        raise OddAmount
    way, currency = _beside(found)
    minus = [found["sign"] == "-", found["trail"] == "-", bool(found["open"]), way == -1]
    if sum(minus[:3]) > 1 or (found["sign"] and found["trail"]):
        raise OddAmount
    fen = _fen(_digits(found["figure"], mark or "."), unit)
    return Money(-fen if any(minus) else fen, currency)


def _beside(found: re.Match[str]) -> tuple[int, str]:
    """Return the way that CR or DR says, 0 for neither, and the currency that is not yuan."""
    words = [found[name].strip().upper() for name in ("before", "inside", "after", "end")]
    said = [word for word in words if word]
    ways = [_WAYS[word] for word in said if word in _WAYS]
    foreign = [word for word in said if word not in _WAYS and word not in YUAN]
    if len(ways) > 1 or len(foreign) > 1:
        raise OddAmount
    return (ways[0] if ways else 0), (foreign[0] if foreign else "")


def _digits(figure: str, mark: str) -> str:
    plain = figure.strip()
    # Some databases write no zero before the mark.
    found = _FIGURES[mark].fullmatch(f"0{plain}" if plain.startswith(mark) else plain)
    if found is None:
        raise OddAmount
    whole = re.sub(r"[^0-9]", "", found[1])
    return f"{whole}.{found[2]}" if found[2] else whole


def _fen(text: str, unit: str) -> int:
    try:
        amount = Decimal(text)
        scaled = amount if unit == "fen" else amount.scaleb(2)
        is_whole = scaled.is_finite() and scaled == scaled.to_integral_value()
    except InvalidOperation:
        raise OddAmount from None
    if not is_whole or abs(scaled) >= MOST_FEN:
        raise OddAmount
    return int(scaled)
