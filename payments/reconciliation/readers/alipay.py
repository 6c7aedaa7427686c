"""Alipay's trade bill: GBK text, bare or in a zip; `#` comments around a table whose columns are found by name.

The totals in the closing comments (交易合计, 退款合计) must agree with the lines, or the file was cut or changed.
Source of the form: Alipay's open platform, 「业务明细」 of the downloadable bill.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from ordersite.lib.china_time import BEIJING
from ordersite.lib.money import yuan
from payments.reconciliation.readers.base import (
    OTHER,
    PAYMENT,
    REFUND,
    BillLine,
    Brief,
    check_total,
    make_line,
    read_fen,
    read_number,
    read_time,
    read_total,
)
from payments.reconciliation.readers.containers import OpenedBill
from payments.reconciliation.readers.sorts import check_comment
from payments.reconciliation.refusals import Refused, bad_cell, bad_line

ENCODINGS = ("gb18030", "utf-8-sig")
TRADE, REFERENCE, KIND, ORDERED, RECEIVED = "支付宝交易号", "商户订单号", "业务类型", "订单金额", "商家实收"
DONE, CREATED, REQUEST = "完成时间", "创建时间", "退款批次号/请求号"
_NEEDED = (TRADE, REFERENCE, KIND, ORDERED)
_KINDS = {"交易": PAYMENT, "退款": REFUND}
# What a spreadsheet program does to a bill that it saves.
_SPOILED = ("time", "number_as_id", "rounded", "amount")
_UNIT = re.compile(r"[（(]元[)）]$")
_ACCOUNT = re.compile(r"#账号[：:]\s*\[?([0-9*]+)\]?")
_DATE = r"\[?(\d{4})年(\d{2})月(\d{2})日\s*(\d{2}:\d{2}:\d{2})\]?"
_PERIOD = re.compile(rf"#起始日期[：:]\s*{_DATE}\s*终止日期[：:]\s*{_DATE}")
_TOTALS = re.compile(r"#(交易|退款)合计[：:]\s*(\d+)\s*笔(.*)")
# «商家实收共1.00元», «商家实收退款共-1.00元», «订单金额共1.00元»
_SUM = re.compile(rf"({ORDERED}|{RECEIVED})(?:退款)?共\s*(-?[0-9,]+(?:\.[0-9]+)?)\s*元")


def fits(head: bytes) -> bool:
    """Whether this is the beginning of such a file."""
    return any(head.decode(encoding, errors="ignore").startswith("#支付宝") for encoding in ENCODINGS)


@dataclass(slots=True)
class Sums:
    """Lines, and fen by column, of one kind."""

    count: int = 0
    fen: dict[str, int] = field(default_factory=lambda: {ORDERED: 0, RECEIVED: 0})


@dataclass(slots=True)
class AlipayReader:
    """The state of one reading: comments before the table, the table, comments after it."""

    brief: Brief
    has_lines: bool = False
    columns: dict[str, int] = field(default_factory=dict)
    width: int = 0
    sums: dict[str, Sums] = field(default_factory=lambda: {PAYMENT: Sums(), REFUND: Sums()})
    checked: set[str] = field(default_factory=set)
    is_saved: bool = False
    begun: tuple[int, bytes, list[str]] | None = None  # a line that goes on in the next one

    def first(self, text: str) -> None:
        """Look at the first line. A spreadsheet program pads it with commas. Raises `Refused` (wrong_sort)."""
        check_comment(text)
        self.is_saved = text.endswith(",")

    def comment(self, text: str) -> None:
        if found := _ACCOUNT.match(text):
            self._check_account(found[1])
        elif found := _PERIOD.match(text):
            self._note_period(found.groups())
        elif found := _TOTALS.match(text):
            self._check_totals(_KINDS[found[1]], Decimal(found[2]), found[3])

    def _check_account(self, account: str) -> None:
        """The file shows the seller's id and four digits more, its middle perhaps as asterisks."""
        ours = self.brief.config.get("seller_id", "")
        if ours and any(a not in ("*", b) for a, b in zip(account[: len(ours)], ours, strict=False)):
            raise Refused("wrong_account", found=account, expected=ours)

    def _note_period(self, words: tuple[str, ...]) -> None:
        try:
            start, end = (
                datetime.fromisoformat(f"{year}-{month}-{day} {clock}")
                .replace(tzinfo=BEIJING)
                .astimezone(UTC)
                for year, month, day, clock in (words[:4], words[4:])
            )
        except ValueError:
            return
        self.brief.period_from, self.brief.period_to = start, end

    def _check_totals(self, kind: str, count: Decimal, text: str) -> None:
        sums, what = self.sums[kind], "payments" if kind == PAYMENT else "refunds"
        check_total("count", count, Decimal(sums.count))
        for column, figure in _SUM.findall(text):
            said = read_total(figure)
            if said is not None:
                check_total(what, abs(said), yuan(abs(sums.fen[column])))
        self.checked.add(kind)

    def header(self, cells: list[str]) -> None:
        names = [_UNIT.sub("", cell) for cell in cells]
        self.columns = {name: position for position, name in enumerate(names)}
        self.width = len(cells)
        for name in _NEEDED:
            if name not in self.columns:
                raise Refused("missing_column", column=name)

    def take(self, number: int, raw: bytes, text: str) -> BillLine | None:
        """Return the bill line of a line of the table; None for a part of one, since a note may hold line breaks."""
        cells = self._cells(text)
        if self.begun:
            number, raw, before = self.begun
            cells = [*before[:-1], f"{before[-1]} {cells[0]}", *cells[1:]]
        elif len(cells) == 1 and self.has_lines:
            return None
        if len(cells) > self.width:
            raise bad_cell(number, "line_break" if self.begun else "columns", str(len(cells)), cells[-1])
        self.begun = (number, raw, cells) if len(cells) < self.width else None
        if self.begun:
            return None
        self.has_lines = True
        try:
            return self._line(number, raw, cells)
        except Refused as refused:
            if self.is_saved and refused.params.get("problem") in _SPOILED:
                raise Refused("saved_by_spreadsheet", **refused.params) from refused
            raise

    def _cells(self, text: str) -> list[str]:
        """Alipay quotes nothing; what was quoted by somebody else has more commas than columns."""
        plain = text.split(",")
        if len(plain) > self.width and '"' in text:
            with suppress(csv.Error):
                quoted = next(csv.reader([text], strict=True))
                plain = quoted if len(quoted) == self.width else plain
        return [cell.strip() for cell in plain]

    def _line(self, number: int, raw: bytes, cells: list[str]) -> BillLine:
        kind = _KINDS.get(self._cell(cells, KIND), OTHER)
        fen = read_fen(self._cell(cells, ORDERED), line=number, column=ORDERED)
        if kind == PAYMENT and fen < 0:
            raise bad_cell(number, "kind", ORDERED, self._cell(cells, ORDERED))
        self._add(kind, fen, self._cell(cells, RECEIVED), number)
        moment = DONE if self._cell(cells, DONE) else CREATED
        at = read_time(self._cell(cells, moment), line=number, column=moment)
        numbers = (
            read_number(self._cell(cells, REFERENCE), line=number, column=REFERENCE),
            read_number(self._cell(cells, TRADE), line=number, column=TRADE),
            read_number(self._cell(cells, REQUEST), line=number, column=REQUEST) if kind == REFUND else "",
        )
        return make_line(raw, number, kind, numbers, (abs(fen), at))

    def _cell(self, cells: list[str], name: str) -> str:
        position = self.columns.get(name)
        return "" if position is None else cells[position]

    def _add(self, kind: str, fen: int, received: str, number: int) -> None:
        if kind not in self.sums:
            return
        sums = self.sums[kind]
        sums.count += 1
        sums.fen[ORDERED] += fen
        if received:
            sums.fen[RECEIVED] += read_fen(received, line=number, column=RECEIVED)

    def finish(self) -> None:
        self.check_complete()
        if not self.columns or self.checked != {PAYMENT, REFUND}:
            raise Refused("truncated")

    def check_complete(self) -> None:
        """Refuse a table that ends within a line."""
        if self.begun:
            number, _raw, cells = self.begun
            raise bad_cell(number, "columns", str(len(cells)), cells[-1])


def read(source: OpenedBill, brief: Brief) -> Iterator[BillLine]:
    """See `readers.base`. Names may hold quotes, which quote nothing, and notes may hold line breaks."""
    reader = AlipayReader(brief)
    encoding = next(e for e in ENCODINGS if source.head.decode(e, errors="ignore").startswith("#支付宝"))
    for number, raw in source.lines():
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError as error:
            raise Refused("bad_encoding", encoding="GBK") from error
        if number == 1:
            reader.first(text.strip())
        if text.startswith("#") or not text.strip():
            reader.check_complete()
            reader.comment(text.strip())
            continue
        if reader.checked:
            raise bad_line(number, "columns")  # a line after the totals was not counted in them
        if not reader.columns:
            reader.header([cell.strip() for cell in text.split(",")])
        elif line := reader.take(number, raw, text):
            yield line
    reader.finish()
