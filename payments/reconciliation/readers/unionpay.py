"""UnionPay's merchant bill, the ZM file `INN<yyMMdd>88ZM_<merId>`: fixed width in bytes, GBK, one blank between fields.

The widths of the fields that stand before what we read are those of 「全渠道平台接入接口规范 第3部分 文件接口」, 6.1. The
file has neither header nor totals; times have no year, which comes from the file's name or the requested day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from ordersite.lib.china_time import BEIJING
from payments.reconciliation.readers.base import OTHER, PAYMENT, REFUND, BillLine, Brief, make_line
from payments.reconciliation.readers.containers import OpenedBill
from payments.reconciliation.refusals import Refused, bad_cell

WIDTHS = (3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2, 6, 2, 4, 32, 1, 21, 15)
_STARTS = tuple(sum(WIDTHS[:i]) + i for i in range(len(WIDTHS)))
_LENGTH = _STARTS[-1] + WIDTHS[-1]
CODE, TIME, AMOUNT, QUERY_ID, ORDER, ORIGINAL, MERCHANT = 0, 4, 6, 9, 11, 26, 27
# S22 consumption, S30 goods returned; pre-authorisations and others move no money of an order of ours.
_KINDS = {"S22": PAYMENT, "S30": REFUND}
_FIRST = re.compile(rb"[A-Z][0-9]{2} [0-9 ]{11} ")
_NAME_DAY = re.compile(r"INN(\d{6})\d{2}ZM", re.IGNORECASE)


def fits(head: bytes) -> bool:
    """Whether this is the beginning of such a file."""
    first = head.split(b"\n", 1)[0].rstrip(b"\r")
    return len(first) >= _LENGTH and _FIRST.match(first) is not None


def _field(raw: bytes, index: int) -> str:
    start = _STARTS[index]
    return raw[start : start + WIDTHS[index]].decode("gb18030", errors="replace").strip()


def _day(source: OpenedBill, brief: Brief) -> datetime | None:
    """Return the bill's day (Beijing midnight) from the file's name, else the requested day."""
    found = _NAME_DAY.search(source.name) or _NAME_DAY.search(brief.file_name)
    if found:
        try:
            return datetime.strptime(found[1], "%y%m%d").replace(tzinfo=BEIJING)
        except ValueError:
            pass
    return brief.day


def _time(text: str, day: datetime, number: int) -> datetime:
    """`MMddHHmmss`: of the bill's year, or of the year before around New Year."""
    for year in (day.year, day.year - 1):
        try:
            at = datetime.strptime(f"{year}{text}", "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
        except ValueError:
            continue
        if (at - day).days <= 1:
            return at
    raise bad_cell(number, "time", "交易传输时间", text)


def read(source: OpenedBill, brief: Brief) -> Iterator[BillLine]:
    """See `readers.base`. A refund's own order number is ours for the refund; the original trade stands behind it."""
    day, ours = _day(source, brief), brief.config.get("mer_id", "")
    if day:
        # UnionPay's day of clearing ends at 23:00.
        brief.period_from, brief.period_to = day - timedelta(hours=1), day + timedelta(hours=23)
    else:
        brief.covers_payments = False
        day = timezone.now().astimezone(BEIJING)
    for number, raw in source.lines():
        if not raw.strip():
            continue
        if len(raw) < _LENGTH:
            raise Refused("truncated") if number > 1 else Refused("unknown_form")
        merchant = _field(raw, MERCHANT)
        if ours and merchant and merchant != ours:
            raise Refused("wrong_account", found=merchant, expected=ours)
        yield _line(raw, number, day)


def _line(raw: bytes, number: int, day: datetime) -> BillLine:
    kind = _KINDS.get(_field(raw, CODE), OTHER)
    figure = _field(raw, AMOUNT)
    if not (figure.isascii() and figure.isdigit()):
        raise bad_cell(number, "amount", "交易金额", figure)
    at = _time(_field(raw, TIME), day, number).astimezone(UTC)
    if kind == REFUND:
        numbers = ("", _field(raw, ORIGINAL), _field(raw, ORDER))
    else:
        numbers = (_field(raw, ORDER), _field(raw, QUERY_ID), "")
    return make_line(raw, number, kind, numbers, (int(figure), at))
