"""Reasons for refusing a file: a code and its parameters, stored on the statement and translated when shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from payments.models.statement_mapping import BAD_FORM, NO_YEAR, TIME_FORM_WORDS, ZONE_IN_FORM

# Parameters that stand in a text as they stand in the file.
_AS_THEY_STAND = frozenset({"cell", "column", "columns", "example", "line", "words"})
_SHOWN = 60
# The text of `bad_line` where a column and its cell are known.
BAD_CELL = "bad_cell"

MESSAGES: Mapping[str, Promise] = {
    "unknown_form": _("The file is in none of the known forms. Choose a mapping for a bank's own file."),
    "wrong_form": _("The file is a bill of %(form)s, but the account is at %(provider)s."),
    "wrong_account": _("The file is of account %(found)s, not of %(expected)s."),
    "truncated": _("The file ends before its closing totals: it is cut off."),
    "totals_differ": _("The file says %(what)s %(said)s, but its lines come to %(found)s: it was changed."),
    "bad_line": _("Line %(line)s cannot be read: %(problem)s."),
    BAD_CELL: _("Line %(line)s, column %(column)s: %(problem)s: “%(cell)s”."),
    "cut": _(
        "The last line (%(line)s) has no end and its column %(column)s is shorter than in the others: “%(cell)s”. "
        "The file is cut off."
    ),
    "saved_by_spreadsheet": _(
        "Line %(line)s, column %(column)s: %(problem)s: “%(cell)s”. The file was saved by a spreadsheet program, which "
        "rounds numbers and rewrites times: hand in the file as it was downloaded."
    ),
    "wrong_sort": _(
        "This is %(found)s. It cannot be matched with orders: download %(wanted)s and hand that in."
    ),
    "two_columns": _("Two columns are named %(column)s."),
    "column_not_found": _("No column could be taken for %(what)s."),
    "columns_alike": _("%(columns)s could each be %(what)s: choose one."),
    "times_unknown": _("The form of the times is not known: %(example)s."),
    "decimal_marks_differ": _("Amounts stand with a decimal point and with a decimal comma."),
    "unknown_kinds": _("Words of the kind that are not known: %(words)s. Say what they mean."),
    "unknown_states": _("States that are not known: %(words)s. Say which mean money."),
    "header_not_found": _("No line of the file is a header: none names a time and an amount."),
    "no_year": TIME_FORM_WORDS[NO_YEAR],
    "zone_in_form": TIME_FORM_WORDS[ZONE_IN_FORM],
    "bad_form": TIME_FORM_WORDS[BAD_FORM],
    "too_many_lines": _(
        "The file has more than %(most)s lines without a number of the bank: cut it into days."
    ),
    "read_again": _("The file was read again meanwhile, as statement %(statement)s."),
    "reader_failed": _(
        "Line %(line)s made the reader fail (%(problem)s): the file is no table that it knows."
    ),
    "line_too_long": _("Line %(line)s is longer than any bill's."),
    "nul": _("The file holds NUL characters: it is no bill."),
    "bad_encoding": _("The file is not in the encoding %(encoding)s."),
    "missing_column": _("The file has no column %(column)s."),
    "too_large": _("The file is larger than %(megabytes)s MB unpacked."),
    "bomb": _("The file unpacks to far more than a bill does."),
    "encrypted": _("The file is encrypted. Unpack it first."),
    "broken_file": _("The file is damaged: it cannot be unpacked."),
    "no_bill_inside": _("There is no bill in this archive."),
    "empty": _("The file is empty."),
    "lost": _("The stored file is gone or was changed on disk."),
    "failed": _("The file could not be read in %(attempts)s attempts; the last problem: %(problem)s"),
}

# Values of the parameters `problem`, `what`, `form` and `provider`.
PROBLEMS: Mapping[str, Promise] = {
    "the_time": _("the time"),
    "the_amount": _("the amount"),
    "the_account": _("the account's number"),
    "columns": _("it has another number of columns than the header"),
    "line_break": _("a line break inside a cell"),
    "rounded": _("a number stands there as a rounded figure, as spreadsheet programs write it"),
    "formula": _("the amount is a formula without a saved value"),
    "blank": _("the cell is empty"),
    "two_amounts": _("money came in and went out on one line"),
    "kind_word": _("the word is in none of the lists of kinds"),
    "status_word": _("the word is in none of the lists of states"),
    "unreadable": _("it holds characters that cannot be read"),
    "too_long": _("the number is longer than any"),
    "amount": _("the amount is not one"),
    "time": _("the time is not one"),
    "currency": _("the currency is not CNY"),
    "kind": _("a payment cannot be negative"),
    "number_as_id": _("a number of an order stands there as a rounded figure; format the column as text"),
    "count": _("lines:"),
    "alipay_account_detail": _("Alipay's account detail (账务明细)"),
    "alipay_summary": _("Alipay's summary (汇总)"),
    "alipay_personal": _("a personal bill of Alipay (交易记录)"),
    "alipay_saved_again": _("a bill of Alipay that a program saved again"),
    "alipay_trade_detail": _("the trade detail (业务明细) as Alipay delivers it"),
    "wechat_fund_flow": _("WeChat Pay's fund flow (资金账单)"),
    "wechat_personal": _("a personal bill of WeChat Pay (微信支付账单明细)"),
    "wechat_saved_again": _("a bill of WeChat Pay that a program saved again"),
    "wechat_trade_bill": _("the trade bill (交易账单) as WeChat Pay delivers it"),
    "payments": _("payments:"),
    "refunds": _("refunds:"),
    "alipay": _("Alipay"),
    "wechatpay": _("WeChat Pay"),
    "unionpay": _("UnionPay"),
    "webhook": _("another provider"),
}


class Refused(Exception):
    """The file is refused. `code` is a key of WORDS; `params` fill its text and are stored as strings."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code)
        self.code = code
        self.params = params

    def as_dict(self) -> dict[str, Any]:
        return {"code": self.code, "params": {name: str(value) for name, value in self.params.items()}}


def bad_line(number: int | str, problem: str) -> Refused:
    return Refused("bad_line", line=number, problem=problem)


def bad_cell(line: int | str, problem: str, column: str, cell: object) -> Refused:
    """Refuse a line for one of its cells, which is shown as far as it helps."""
    text = " ".join(str("" if cell is None else cell).split())
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return Refused("bad_line", line=line, problem=problem, column=column, cell=shown)


def message_of(refusal: Mapping[str, Any]) -> str:
    """Return the reason in the current language; "" when nothing was refused."""
    if not refusal:
        return ""
    params = {
        name: value if name in _AS_THEY_STAND else PROBLEMS.get(value, value)
        for name, value in refusal.get("params", {}).items()
    }
    code = BAD_CELL if refusal["code"] == "bad_line" and "column" in params else refusal["code"]
    return str(MESSAGES.get(code, _("The file was refused."))) % params
