"""WeChat Pay's trade bill: UTF-8 with or without BOM, CRLF, every cell of a line behind a backtick, nothing quoted.

ALL (27 columns, 24 for old merchants), SUCCESS (20), REFUND (29): columns are found by name. The last two lines are a
summary, whose count and sums must agree. Amounts are yuan. Source: pay.weixin.qq.com, 「交易账单」 format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

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
from payments.reconciliation.readers.containers import MAX_LINE, OpenedBill
from payments.reconciliation.refusals import Refused, bad_cell, bad_line

FIRST, APP, MERCHANT, SUB_MERCHANT = "交易时间", "公众账号ID", "商户号", "特约商户号"
TRADE, REFERENCE, STATE, CURRENCY = "微信订单号", "商户订单号", "交易状态", "货币种类"
REFUND_REFERENCE, REFUND_REQUESTED = "商户退款单号", "退款申请时间"
# The first column that the file has counts: with coupons the others are smaller than the ordered or refunded amount.
ORDERED, REFUNDED = ("订单金额", "总金额"), ("申请退款金额", "退款金额")
COUNT = "总交易单数"
_SUMS = {
    "订单总金额": "订单金额",
    "总交易额": "总金额",
    "申请退款总金额": "申请退款金额",
    "总退款金额": "退款金额",
}
_KINDS = {"SUCCESS": PAYMENT, "REFUND": REFUND}
_CURRENCIES = ("CNY", "RMB", "")


def fits(head: bytes) -> bool:
    """Whether this is the beginning of such a file."""
    first = head.split(b"\n", 1)[0].decode("utf-8-sig", errors="ignore")
    return first.startswith(FIRST + ",") and TRADE in first


def _name(names: dict[str, int], choices: tuple[str, ...]) -> str:
    return next((name for name in choices if name in names), "")


@dataclass(slots=True)
class WechatPayReader:
    """The columns by name, and what the lines come to."""

    brief: Brief
    names: dict[str, int]
    count: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    apps: set[str] = field(default_factory=set)
    known: tuple[str, ...] = ()  # of the line before: nearly always the same
    ordered: str = ""
    refunded: str = ""

    @property
    def width(self) -> int:
        return len(self.names)

    def __post_init__(self) -> None:
        self.ordered, self.refunded = _name(self.names, ORDERED), _name(self.names, REFUNDED)
        for name in (MERCHANT, TRADE, REFERENCE, STATE):
            if name not in self.names:
                raise Refused("missing_column", column=name)
        if not self.ordered and not self.refunded:
            raise Refused("missing_column", column=ORDERED[0])
        self.sums = {name: 0 for name in (self.ordered, self.refunded) if name}
        self.brief.covers_payments = REFUND_REQUESTED not in self.names

    def line(self, number: int, raw: bytes, cells: list[str]) -> BillLine:
        if len(cells) != len(self.names):
            raise bad_cell(number, "columns", str(len(cells)), cells[-1])
        self._check_account(cells, number)
        kind = _KINDS.get(self._cell(cells, STATE), OTHER)
        self.count += 1
        amounts = {
            name: read_fen(self._cell(cells, name) or "0", line=number, column=name) for name in self.sums
        }
        for name, fen in amounts.items():
            self.sums[name] += fen
        column = self.refunded if kind == REFUND else self.ordered
        fen = amounts.get(column, 0)
        if fen < 0:
            raise bad_cell(number, "kind", column, self._cell(cells, column))
        numbers = (
            read_number(self._cell(cells, REFERENCE), line=number, column=REFERENCE),
            read_number(self._cell(cells, TRADE), line=number, column=TRADE),
            read_number(self._cell(cells, REFUND_REFERENCE), line=number, column=REFUND_REFERENCE)
            if kind == REFUND
            else "",
        )
        moment = REFUND_REQUESTED if kind == REFUND and self._cell(cells, REFUND_REQUESTED) else FIRST
        at = read_time(self._cell(cells, moment), line=number, column=moment)
        return make_line(raw, number, kind, numbers, (fen, at))

    def _cell(self, cells: list[str], name: str) -> str:
        position = self.names.get(name)
        return "" if position is None else cells[position].strip()

    def _check_account(self, cells: list[str], number: int) -> None:
        account = tuple(self._cell(cells, name) for name in (MERCHANT, SUB_MERCHANT, CURRENCY, APP))
        if account == self.known:
            return
        ours = self.brief.config.get("mchid", "")
        merchants = {self._cell(cells, MERCHANT), self._cell(cells, SUB_MERCHANT)}
        if ours and ours not in merchants:
            raise Refused("wrong_account", found=self._cell(cells, MERCHANT), expected=ours)
        if self._cell(cells, CURRENCY) not in _CURRENCIES:
            raise bad_cell(number, "currency", CURRENCY, self._cell(cells, CURRENCY))
        self.apps.add(self._cell(cells, APP))
        self.known = account

    def check_summary(self, names: list[str], figures: list[str]) -> None:
        """One merchant number may serve several apps; but a file without one line of ours is of another account."""
        said = {name: read_total(figure) for name, figure in zip(names, figures, strict=False)}
        count = said.get(COUNT)
        if count is None:
            raise Refused("truncated")
        check_total("count", count, Decimal(self.count))
        for name, column in _SUMS.items():
            total = said.get(name)
            if column in self.sums and total is not None:
                what = "refunds" if column == self.refunded else "payments"
                check_total(what, total, yuan(self.sums[column]))
        app = self.brief.config.get("appid", "")
        if app and self.apps and app not in self.apps:
            raise Refused("wrong_account", found=min(self.apps), expected=app)


def read(source: OpenedBill, brief: Brief) -> Iterator[BillLine]:
    """See `readers.base`. Only «,`» separates cells: a product's name may hold commas, backticks and line breaks."""
    reader: WechatPayReader | None = None
    summary: list[str] = []
    is_done, begun = False, ""
    for number, raw in source.lines():
        text = _decode(raw)
        if not text.strip():
            continue
        if is_done:
            raise bad_line(number, "columns")
        if reader is None:
            names = [name.strip().lstrip("`") for name in text.split(",")]
            reader = WechatPayReader(brief, {name: position for position, name in enumerate(names)})
        elif summary:
            reader.check_summary(summary, text.removeprefix("`").split(",`"))
            is_done = True
        elif text.startswith(COUNT):
            summary = [name.strip().lstrip("`") for name in text.split(",")]
        elif not (begun or text.startswith("`")):
            raise bad_line(number, "columns")
        else:
            text = f"{begun} {text}".lstrip()
            cells = text[1:].split(",`")
            begun = text if len(cells) < reader.width and len(text) <= MAX_LINE else ""
            if not begun:
                yield reader.line(number, raw, cells)
    if not is_done or begun:
        raise Refused("truncated")


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused("bad_encoding", encoding="UTF-8") from error
