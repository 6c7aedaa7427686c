"""Builders of banks' tables, and what became of their lines."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from payments.models import Statement, StatementMapping
from payments.reconciliation.tests.shop import account_at, take

COLUMNS = {"amount_column": "交易金额", "time_column": "交易日期", "reference_column": "订单号"}
DAY, SERIAL = "2026-11-28", {"provider_reference_column": "流水号"}
HEADER = "交易日期,交易金额,订单号,流水号"


def mapping(**said: Any) -> StatementMapping:
    """A mapping that says these three columns and the form of the day; all else is for the file to say."""
    return StatementMapping.objects.create(name="bank", **{"date_format": "%Y-%m-%d", **COLUMNS, **said})


def table(*lines: str, encoding: str = "utf-8") -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode(encoding)


def read(content: bytes, **said: Any) -> Statement:
    return take(account_at("webhook"), content, mapping=mapping(**said))


def kinds(statement: Statement) -> list[tuple[str, Decimal, str]]:
    return list(statement.lines.order_by("number").values_list("kind", "amount", "note"))


def refusal(statement: Statement) -> tuple[str, dict[str, str]]:
    """Why it was refused; of a refused file nothing but its row is kept."""
    assert (statement.status, statement.lines.count(), statement.attempts) == ("refused", 0, 1)
    return statement.refusal["code"], statement.refusal["params"]


def cell(line: int, column: str, problem: str, text: str) -> tuple[str, dict[str, str]]:
    return "bad_line", {"line": str(line), "column": column, "problem": problem, "cell": text}
