"""Reasons for refusing a file: a code and its parameters, stored on the statement and translated when shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

MESSAGES: Mapping[str, Promise] = {
    "unknown_form": _("The file is in none of the known forms. Choose a mapping for a bank's own file."),
    "wrong_form": _("The file is a bill of %(form)s, but the account is at %(provider)s."),
    "wrong_account": _("The file is of account %(found)s, not of %(expected)s."),
    "truncated": _("The file ends before its closing totals: it is cut off."),
    "totals_differ": _("The file says %(what)s %(said)s, but its lines come to %(found)s: it was changed."),
    "bad_line": _("Line %(line)s cannot be read: %(problem)s."),
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
    "columns": _("it has another number of columns than the header"),
    "amount": _("the amount is not one"),
    "time": _("the time is not one"),
    "currency": _("the currency is not CNY"),
    "kind": _("a payment cannot be negative"),
    "number_as_id": _("a number of an order stands there as a rounded figure; format the column as text"),
    "count": _("lines:"),
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


def bad_line(number: int, problem: str) -> Refused:
    return Refused("bad_line", line=number, problem=problem)


def message_of(refusal: Mapping[str, Any]) -> str:
    """Return the reason in the current language; "" when nothing was refused."""
    if not refusal:
        return ""
    params = {name: PROBLEMS.get(value, value) for name, value in refusal.get("params", {}).items()}
    return str(MESSAGES.get(refusal["code"], _("The file was refused."))) % params
