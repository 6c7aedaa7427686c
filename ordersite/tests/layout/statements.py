"""Statements in every state that a page shows."""

from __future__ import annotations

import io

from payments.models import Statement
from payments.reconciliation import choosing
from payments.reconciliation.importing import Origin
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.shop import account_at, attempt, paid, row_of, take
from payments.tests.builders import trade_number


def build_statements(*, sentence: str, file_name: str) -> list[int]:
    """Build bills that are matched with every difference, refused, being read, and one whose columns are being chosen."""
    account = account_at("wechatpay", slug="shop-wechatpay-of-the-bills")
    known = [paid(account) for _payment in range(3)]
    missing = [attempt(account) for _payment in range(3)]
    rows = [*map(row_of, known[:2]), *map(row_of, missing)]
    rows += [row_of(known[2]).but(amount="1.00"), rows[0], bills.Row("UNKNOWN0001", trade_number(), "88.80")]
    matched = take(
        account, bills.wechat_csv(rows), file_name="2026-11-21 微信支付商户平台 交易账单（全部）下载.csv"
    )
    refused = take(account, "日期,金额\n,\n".encode(), file_name="x.csv")
    reading = Statement.objects.create(
        account=account, file_name=file_name, sha256="cd", size=123456789, source="upload", status="reading",
        progress=42, lines_read=420000,
    )  # fmt: skip
    rows_of_a_bank = [
        f"2026-11-{day:02d},09:{day:02d}:11,{day}88.80,,{day * 1000}.00,{sentence},转账,{trade_number()}"
        for day in range(1, 25)
    ]
    bank = "\n".join(
        ["交易日期,交易时间,收入金额,支出金额,账户余额,对方户名,摘要,交易流水号", *rows_of_a_bank]
    )
    origin = Origin(source=Statement.Source.UPLOAD, file_name="招商银行_交易明细_20261128.csv")
    chosen = choosing.take_in(account, io.BytesIO(bank.encode("gb18030")), origin).statement
    return [matched.pk, refused.pk, reading.pk, chosen.pk]
