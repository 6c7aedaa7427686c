"""Lines of a bank's table on their way to being payments, refunds, or nothing of ours."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NoReturn

from payments.reconciliation.readers.amounts import Money, OddAmount, read_money
from payments.reconciliation.readers.base import (
    CURRENCY,
    IN_TEXT,
    LEFT_OUT,
    OTHER,
    PAYMENT,
    REFUND,
    BillLine,
    digest,
    identity,
)
from payments.reconciliation.readers.guess.draft import FileMapping
from payments.reconciliation.readers.guess.words import key
from payments.reconciliation.readers.headers import Header
from payments.reconciliation.readers.layout import Mapping, Words, find_columns
from payments.reconciliation.readers.moments import Moments, clock_of
from payments.reconciliation.readers.numbers import (
    MAX_REFERENCE,
    LostDigits,
    number_of,
    number_problem,
    our_number,
)
from payments.reconciliation.readers.tables import Table
from payments.reconciliation.readers.tables.rows import Cell, Row, folded, text_of
from payments.reconciliation.refusals import Refused, bad_cell

# So many lines without a number of the bank can be counted apart; a day of any shop is less.
MOST_COUNTED = 1_000_000
_NO_AMOUNT = frozenset({"", "-", "--", "—", "——", "/"})
_SUMMARY = re.compile(
    r"^[*#=\-_\s]*(?:第?[0-9]+页)?(?:本页|本期|本次|本月|本日|当日|当页|当前|累计|借方|贷方|收入|支出|以上|交易)*"
    r"(?:合计|总计|小计|共计|总共|汇总|总额|总数|总笔数|笔数|总金额|期初|期末|上期|承前|过次|余额|打印|导出|制表|下载|查询|说明|备注|注[::]"
    r"|温馨提示|起始|终止|截止|明细|共|total|sub-?total|sum|count|opening|closing|balance|brought|carried|page|end)"
)
_CONTROL = re.compile(r"[\x00-\x1f]+")
_FIGURE = re.compile(r"[-+0-9.,() ¥元]+")
_BALANCES = re.compile(r"期初|期末|承前|过次|余额|opening|closing|balance|brought|carried")


class LineReader:
    """Reads the rows below one header. Rows of the sheets `before` it count among the equal lines."""

    def __init__(
        self,
        table: Table,
        header: Header,
        complete: FileMapping,
        given: Mapping,
        *,
        before: LineReader | None,
    ) -> None:
        self.table, self.header, self.mapping = table, header, complete
        self.columns, self.words = find_columns(header, complete, given), Words(given)
        self.moments = Moments(complete.date_format)
        self.equal: Counter[int] = before.equal if before else Counter()
        self.is_trailer = False
        self.is_foreign = not Words.is_yuan(complete.currency)
        self.last: Row | None = None
        self.seen: Row | None = None
        watched = {*self._amount_places(), *self._number_places()}
        self.is_last_watched = bool(table.delimiter) and header.width - 1 in watched
        self.lost = {place: LostDigits() for place in self._number_places()}
        self.lengths: Counter[int] = Counter()
        self.most_decimals = -1

    def read(self, rows: Iterator[Row]) -> Iterator[BillLine]:
        """Yield a line for each row that is one. Raises `Refused`."""
        for row in rows:
            if row.number > self.header.number:
                self.seen, line = row, self._line(row)
                if line is not None:
                    yield line

    def _line(self, row: Row) -> BillLine | None:
        at = self.moments.read(self._cell(row, self.columns.time))
        if at is None or not self._fits(row) or not self._has_amount(row):
            if self._is_aside(row, at):
                return None
            self._refuse(row, at)
        self._check_account(row)
        self._remember(row)
        return self._bill_line(row, at)

    def _cell(self, row: Row, place: int | None) -> Cell:
        return row.cells[place] if place is not None and place < len(row.cells) else None

    def _name(self, place: int | None) -> str:
        return self.header.names[place] if place is not None else ""

    def _bad(self, row: Row, problem: str, place: int | None) -> NoReturn:
        raise bad_cell(row.line, problem, self._name(place), self._cell(row, place))

    # --- Which rows are lines ---

    def _fits(self, row: Row) -> bool:
        """Whether the cells stand below the header's. Only a workbook leaves out blank cells at the end."""
        width, found = self.header.width, len(row.cells)
        if found == width:
            return True
        if found < width:
            return not self.table.delimiter
        return not any(text_of(cell) for cell in row.cells[width:])

    def _amount_places(self) -> list[int]:
        columns = self.columns
        return [
            place for place in (columns.amount, columns.amount_in, columns.amount_out) if place is not None
        ]

    def _has_amount(self, row: Row) -> bool:
        return any(text_of(self._cell(row, place)) not in _NO_AMOUNT for place in self._amount_places())

    def _is_aside(self, row: Row, at: datetime | None) -> bool:
        """Tell blank lines, repeated headers, totals and notes. Our number on a line makes it none of them."""
        texts = [text for text in map(folded, row.cells) if text]
        if not texts or self.header.is_repeated(row):
            return True
        if self._has_our_number(row):
            return False
        if at is not None and self._fits(row):
            return any(map(_BALANCES.search, map(key, texts)))
        if _SUMMARY.match(key(texts[0])):
            self.is_trailer = True
        if self.is_trailer or at is not None:
            return self.is_trailer
        return not self._has_amount(row) or all(map(_FIGURE.fullmatch, texts))

    def _has_our_number(self, row: Row) -> bool:
        number, _is_whole = our_number(number_of(self._cell(row, self.columns.ours)))
        return len(number) >= 16

    def _is_unsaved(self, row: Row, place: int) -> bool:
        return self._cell(row, place) is None and self.table.is_formula(row, place)

    def _refuse(self, row: Row, at: datetime | None) -> NoReturn:
        if not self._fits(row):
            raise bad_cell(row.line, "columns", str(len(row.cells)), row.cells[-1])
        if at is None:
            self._bad(row, "time", self.columns.time)
        place = self._amount_places()[0]
        self._bad(row, "formula" if self._is_unsaved(row, place) else "blank", place)

    def _check_account(self, row: Row) -> None:
        wanted = self.mapping.account_value
        if self.columns.account is not None and wanted:
            found = text_of(self._cell(row, self.columns.account))
            if not _is_same_account(key(found), key(wanted)):
                raise Refused("wrong_account", found=found, expected=wanted)

    # --- What a line says ---

    def _bill_line(self, row: Row, at: datetime) -> BillLine:
        money = self._money(row)
        ours, theirs, refund = (
            self._number(row, place)
            for place in (self.columns.ours, self.columns.theirs, self.columns.refund)
        )
        reference, is_whole = self._reference(row, ours)
        kind, note = self._kind(row, money, bool(reference or refund))
        if not note:
            note = CURRENCY if self._is_foreign(row) else IN_TEXT if reference and not is_whole else ""
        numbers = (
            reference or _CONTROL.sub(" ", ours)[:MAX_REFERENCE],
            theirs,
            refund if kind == REFUND else "",
        )
        fen = abs(money.fen)
        raw = "\x1f".join(map(str, row.cells)).encode()
        return BillLine(
            row.number, kind, *numbers, fen, self._with_clock(row, at), digest(raw),
            self._identity(kind, (ours, *numbers[1:]), fen, at.isoformat()), note,
        )  # fmt: skip

    def _with_clock(self, row: Row, day: datetime) -> datetime:
        """Add the time of day that stands in a column of its own.

        It is no part of a line's identity: the same payment in a file without that column is the same payment.
        """
        if self.columns.clock is None or (day.hour, day.minute, day.second) != (0, 0, 0):
            return day
        return day + (clock_of(self._cell(row, self.columns.clock)) or timedelta())

    def _number(self, row: Row, place: int | None) -> str:
        if place is None:
            return ""
        cell = self._cell(row, place)
        number = number_of(cell)
        problem = number_problem(cell, number)
        # Our number may stand in a memo, whose writer may have cut a character in half.
        if problem and not (problem == "unreadable" and place == self.columns.ours):
            self._bad(row, problem, place)
        if len(number) > MAX_REFERENCE and place != self.columns.ours:
            self._bad(row, "too_long", place)
        self.lost[place].add(number, row)
        return number

    def _number_places(self) -> list[int]:
        columns = self.columns
        return [place for place in (columns.ours, columns.theirs, columns.refund) if place is not None]

    def _reference(self, row: Row, ours: str) -> tuple[str, bool]:
        """Return our number in its column, else inside what the line says; whether it stood alone."""
        number, is_whole = our_number(ours)
        if number or self.columns.ours is None:
            return number, is_whole
        found = (our_number(text_of(self._cell(row, place)))[0] for place in self.columns.memos)
        return next((one for one in found if len(one) >= 16), ""), False

    def _money(self, row: Row) -> Money:
        columns = self.columns
        if columns.amount is not None:
            return self._read(row, columns.amount)
        into = self._read(row, columns.amount_in)
        out = self._read(row, columns.amount_out)
        if into.fen and out.fen:
            self._bad(row, "two_amounts", columns.amount_out)
        return into if not out.fen else Money(-abs(out.fen))

    def _read(self, row: Row, place: int | None) -> Money:
        if place is None or text_of(self._cell(row, place)) in _NO_AMOUNT:
            return Money(0)
        try:
            money = read_money(
                self._cell(row, place), unit=self.mapping.unit or "yuan", mark=self.mapping.decimal_mark
            )
        except OddAmount as odd:
            self._bad(row, odd.problem, place)
        if money.currency:
            self._bad(row, "currency", place)
        return money

    def _is_foreign(self, row: Row) -> bool:
        if self.columns.currency is None:
            return self.is_foreign
        said = folded(self._cell(row, self.columns.currency))
        return not Words.is_yuan(said or self.mapping.currency)

    def _kind(self, row: Row, money: Money, has_number: bool) -> tuple[str, str]:
        """Return the kind and, for what is no buyer's money, the note that says so."""
        word = folded(self._cell(row, self.columns.kind))
        way = self._way(row, word)
        if self.columns.status is not None and not self._has_moved(row, way == REFUND or money.fen < 0):
            return OTHER, LEFT_OUT
        if way == OTHER or (not has_number and self._is_left_out(row)):
            return OTHER, LEFT_OUT
        if way != REFUND and money.fen >= 0:
            return PAYMENT, ""
        # Money that left for nobody of ours: fees, suppliers, wages.
        return (REFUND, "") if has_number or Words.is_refund(word) else (OTHER, LEFT_OUT)

    def _has_moved(self, row: Row, is_out: bool) -> bool:
        word = folded(self._cell(row, self.columns.status))
        has_moved = self.words.moved(word)
        if has_moved is None:
            self._bad(row, "status_word", self.columns.status)
        # «Refunded» says of a payment that it is no more, and of a refund that it was made.
        return has_moved or (is_out and self.words.is_refunded(word))

    def _way(self, row: Row, word: str) -> str:
        if self.columns.kind is None:
            return PAYMENT
        way = self.words.kind(word)
        if way is None:
            self._bad(row, "kind_word", self.columns.kind)
        return way

    def _is_left_out(self, row: Row) -> bool:
        return self.words.is_left_out(folded(self._cell(row, place)) for place in self.columns.memos)

    def _identity(self, kind: str, numbers: tuple[str, str, str], fen: int, when: str) -> str:
        """Equal lines without a number of the bank are different payments: the n-th of them is the n-th in any file."""
        own = numbers[2] if kind == REFUND else numbers[1]
        first = identity(kind, numbers, fen, when)
        if own:
            return first
        short = int(first[:16], 16)
        count = self.equal[short]
        self.equal[short] = count + 1
        if len(self.equal) > MOST_COUNTED:
            raise Refused("too_many_lines", most=MOST_COUNTED)
        return identity(kind, numbers, fen, f"{when}#{count}") if count else first

    # --- Whether the file is whole ---

    def _remember(self, row: Row) -> None:
        """Keep how the last column looks, until the next line shows that this one was not the last."""
        if self.is_last_watched and self.last is not None:
            text = folded(self.last.cells[self.header.width - 1])
            self.lengths[len(text)] += 1
            self.most_decimals = max(self.most_decimals, _decimals(text, self.mapping.decimal_mark or "."))
        self.last = row

    def check_end(self) -> None:
        """Refuse numbers that lost their digits, and a last line without an end that is shorter than the others.

        Raises `Refused` (bad_line, cut).
        """
        for place, lost in self.lost.items():
            if lost.is_sure and lost.first is not None:
                self._bad(lost.first, "number_as_id", place)
        self._check_last_line()

    def _check_last_line(self) -> None:
        place, seen = self.header.width - 1, self.seen
        if self.table.is_ended or seen is None or self.is_trailer:
            return
        if not self._fits(seen) and text_of(seen.cells[0])[:1].isdigit():
            raise Refused(
                "cut", line=seen.line, column=self._name(len(seen.cells) - 1), cell=text_of(seen.cells[-1])
            )
        if self.last is not seen or not self.lengths:
            return
        text = folded(self.last.cells[place])
        if place in self._amount_places():
            # Empty is no amount that was cut: the line's money stands in the other column.
            is_cut = bool(text) and _decimals(text, self.mapping.decimal_mark or ".") < self.most_decimals
        elif place in self._number_places():
            is_cut = len(self.lengths) == 1 and 0 < len(text) < min(self.lengths)
        else:
            is_cut = False
        if is_cut:
            raise Refused("cut", line=self.last.line, column=self._name(place), cell=text)


def _is_same_account(found: str, wanted: str) -> bool:
    """Compare account numbers; banks show the middle as asterisks."""
    pairs = zip(found, wanted, strict=False)
    return len(found) == len(wanted) and all(one in ("*", other) for one, other in pairs)


def _decimals(text: str, mark: str) -> int:
    """Count what stands behind the mark, a sign there too: one that was cut off would turn the money round."""
    return len(text.partition(mark)[2])
