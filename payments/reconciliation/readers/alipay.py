"""Alipay's trade bill: GBK text, bare or in a zip; `#` comments around a table whose columns are found by name.

The totals in the closing comments (交易合计, 退款合计) must agree with the lines, or the file was cut or changed.
Source of the form: Alipay's open platform, 「业务明细」 of the downloadable bill.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
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
    read_time,
    read_total,
)
from payments.reconciliation.readers.containers import OpenedBill
from payments.reconciliation.refusals import Refused, bad_line

ENCODINGS = ("gb18030", "utf-8-sig")
TRADE, REFERENCE, KIND, ORDERED, RECEIVED = "支付宝交易号", "商户订单号", "业务类型", "订单金额", "商家实收"
DONE, CREATED, REQUEST = "完成时间", "创建时间", "退款批次号/请求号"
_NEEDED = (TRADE, REFERENCE, KIND, ORDERED)
_KINDS = {"交易": PAYMENT, "退款": REFUND}
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
    columns: dict[str, int] = field(default_factory=dict)
    width: int = 0
    sums: dict[str, Sums] = field(default_factory=lambda: {PAYMENT: Sums(), REFUND: Sums()})
    checked: set[str] = field(default_factory=set)

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

    def line(self, number: int, raw: bytes, cells: list[str]) -> BillLine:
        if len(cells) != self.width:
            raise bad_line(number, "columns")
        kind = _KINDS.get(self._cell(cells, KIND), OTHER)
        fen = read_fen(self._cell(cells, ORDERED), line=number)
        if kind == PAYMENT and fen < 0:
            raise bad_line(number, "kind")
        self._add(kind, fen, self._cell(cells, RECEIVED), number)
        moment = self._cell(cells, DONE) or self._cell(cells, CREATED)
        request = self._cell(cells, REQUEST) if kind == REFUND else ""
        numbers = (self._cell(cells, REFERENCE), self._cell(cells, TRADE), request)
        return make_line(raw, number, kind, numbers, (abs(fen), read_time(moment, line=number)))

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
            sums.fen[RECEIVED] += read_fen(received, line=number)

    def finish(self) -> None:
        if not self.columns or self.checked != {PAYMENT, REFUND}:
            raise Refused("truncated")


def read(source: OpenedBill, brief: Brief) -> Iterator[BillLine]:
    """See `readers.base`. Product names may hold commas: quoted, as in any CSV."""
    reader = AlipayReader(brief)
    encoding = next(e for e in ENCODINGS if source.head.decode(e, errors="ignore").startswith("#支付宝"))
    for number, raw in source.lines():
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError as error:
            raise Refused("bad_encoding", encoding="GBK") from error
        if text.startswith("#") or not text.strip():
            reader.comment(text.strip())
            continue
        if reader.checked:
            raise bad_line(number, "columns")  # a line after the totals was not counted in them
        cells = _cells(text, number)
        if not reader.columns:
            reader.header(cells)
        else:
            yield reader.line(number, raw, cells)
    reader.finish()


def _cells(text: str, number: int) -> list[str]:
    """Numbers end in a TAB, others may be padded with blanks."""
    if '"' not in text:
        return [cell.strip() for cell in text.split(",")]
    try:
        return [cell.strip() for cell in next(csv.reader([text], strict=True))]
    except csv.Error as error:
        raise bad_line(number, "columns") from error
