"""Files in the manner of ten banks, with the quirks that their downloads have. Names and numbers are invented."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import openpyxl

ACCOUNT = "6222020200123456789"


@dataclass(frozen=True)
class Sale:
    """Money that a buyer sent: our number, yuan, and when (Beijing)."""

    reference: str
    amount: Decimal
    at: datetime = datetime(2026, 11, 28, 9, 12, 33)  # noqa: DTZ001  # as it stands in a file

    @property
    def grouped(self) -> str:
        return f"{self.amount:,.2f}"


def _header(*parts: str) -> list[str]:
    return ",".join(parts).split(",")


def _text(rows: Iterable[Sequence[str]], *, encoding: str, delimiter: str = ",") -> bytes:
    target = io.StringIO()
    csv.writer(target, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return target.getvalue().encode(encoding)


def _book(rows: Iterable[Sequence[Any]], *, merged: Sequence[str] = ()) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    for area in merged:
        sheet.merge_cells(area)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def icbc(sales: Sequence[Sale]) -> bytes:
    """GBK, a mark above the header, a TAB behind every value, times with points; our number in 个性化信息."""
    header = _header(
        "凭证号,本方账号,对方账号,交易时间,借/贷,借方发生额,贷方发生额",
        "对方行号,摘要,用途,对方单位名称,余额,个性化信息",
    )
    rows = [
        ["0", ACCOUNT, "6228480000000000001", f"{sale.at:%Y-%m-%d-%H.%M.%S}.120345", "贷", "", sale.grouped, "103100000026",
         "网转", "货款", "丽人商行", "9,000.00", sale.reference]
        for sale in sales
    ]  # fmt: skip
    fee = [
        "0",
        ACCOUNT,
        "",
        "2026-11-28-17.00.00.000001",
        "借",
        "2.00",
        "",
        "",
        "手续费",
        "",
        "",
        "8,998.00",
        "",
    ]
    tabbed = [[f"{cell}\t" for cell in row] for row in (header, *rows, fee)]
    return _text([["[HISTORYDETAIL]"], *tabbed], encoding="gb18030")


def ccb(sales: Sequence[Sale]) -> bytes:
    """A workbook; full-width parentheses, times without separators, figures as numbers, 人民币元; our number in 备注."""
    header = [
        "账号", "账户名称", "交易时间", "借方发生额（支取）", "贷方发生额（收入）", "余额", "币种", "对方户名", "对方账号",
        "对方开户机构", "记账日期", "摘要", "备注", "账户明细编号-交易流水号", "企业流水号", "凭证种类", "凭证号",
    ]  # fmt: skip
    rows = [
        [ACCOUNT, "云帆商贸有限公司", f"{sale.at:%Y%m%d %H:%M:%S}", 0, float(sale.amount), 9000.0, "人民币元", "周甲",
         "6217", "上海分行", f"{sale.at:%Y%m%d}", "电子转账", sale.reference, f"{number}-3100{number:06d}", "", "", ""]
        for number, sale in enumerate(sales, start=4939)
    ]  # fmt: skip
    wages = [ACCOUNT, "云帆商贸有限公司", "20261128 18:22:21", 5000, 0, 4000.0, "人民币元", "员工", "6217", "", "20261128",
             "代发工资", "", "5100-3100009999", "", "", ""]  # fmt: skip
    return _book([header, *rows, wages])


def abc(sales: Sequence[Sale]) -> bytes:
    """GBK, title and account above, grouped figures in quotes, no serial; our number in 交易用途."""
    header = _header("交易时间,收入金额,支出金额,账户余额,交易行名,对方省市,对方账号,对方户名,交易用途")
    rows = [
        [
            f"{sale.at:%Y-%m-%d %H:%M:%S}",
            sale.grouped,
            "",
            "9,000.00",
            "营业部",
            "上海",
            "6217",
            "吴乙",
            sale.reference,
        ]
        for sale in sales
    ]
    supplier = ["2026-11-28 16:00:00", "", "1,250.50", "7,749.50", "营业部", "", "3100", "供应商", "付货款"]
    above = [["账户明细查询"], ["账号：" + ACCOUNT, "户名：云帆商贸有限公司"], []]
    return _text([*above, header, *rows, supplier], encoding="gb18030")


def boc(sales: Sequence[Sale]) -> bytes:
    """Two languages in each header word, day and time apart, 来账 and 往账 with a sign, eight lines above."""
    header = [
        "交易类型[ Transaction Type ]", "业务类型[ Business type ]", "付款人账号[ Debit Account No. ]",
        "付款人名称[ Payer's Name ]", "收款人账号[ Payee's Account Number ]",
        "交易日期[ Transaction Date ]", "交易时间[ Transaction time ]",
        "交易货币[ Trade Currency ]", "交易金额[ Trade Amount ]", "交易后余额[ After-transaction balance ]",
        "起息日期[ Value Date ]", "交易流水号[ Transaction reference number ]", "摘要[ Reference ]", "用途[ Purpose ]",
        "交易附言[ Remark ]",
    ]  # fmt: skip
    rows = [
        ["来账", "网银跨行", "6217", "郑丙", ACCOUNT, f"{sale.at:%Y%m%d}", f"{sale.at:%H:%M:%S}", "CNY", sale.grouped,
         "9,000.00", f"{sale.at:%Y%m%d}", f"B2611{number:09d}", "", "", sale.reference]
        for number, sale in enumerate(sales, start=1)
    ]  # fmt: skip
    fee = ["往账", "收费", ACCOUNT, "云帆商贸有限公司", "", "20261128", "17:30:00", "CNY", "-5.00", "8,995.00", "20261128",
           "B2611999999999", "汇款手续费", "", ""]  # fmt: skip
    above = [
        ["查询账号[ Inquirer account number ]", ACCOUNT],
        ["查询时间[ Query time ]", "20261129"],
        *([[""]] * 6),
    ]
    return _text([*above, header, *rows, fee], encoding="utf-8-sig")


def cmb(sales: Sequence[Sale]) -> bytes:
    """GBK; lines that begin with # above and below; the day without separators, its time in another column."""
    header = _header(
        "交易日,交易时间,起息日,交易类型,借方金额,贷方金额,余额,摘要,流水号",
        "业务名称,用途,业务参考号,收(付)方名称,收(付)方账号",
    )
    rows = [
        [f"{sale.at:%Y%m%d}", f"{sale.at:%H:%M:%S}", f"{sale.at:%Y%m%d}", "网银转账", "", f"{sale.amount:.2f}", "9000.00",
         "货款", f"C0{number:012d}", "", sale.reference, "", "王丁", "6217"]
        for number, sale in enumerate(sales, start=1)
    ]  # fmt: skip
    above = [["# 招商银行账务明细"], [f"# 账号: [{ACCOUNT}]"], ["# 币种: 人民币"], []]
    below = [[f"# 收入合计: {len(sales)} 笔"], ["# 支出合计: 0 笔，共 0.00 元"]]
    return _text([*above, header, *rows, *below], encoding="gb18030")


def bocom(sales: Sequence[Sale]) -> bytes:
    """UTF-16 with TABs, as a spreadsheet's Unicode text; one amount, 借 and 贷 in words, a column of currency."""
    header = _header("交易时间,摘要,凭证号码,借贷标志,币种,发生额,余额,对方账号,对方户名,核心流水号,附言")
    rows = [
        [f"{sale.at:%Y/%m/%d %H:%M:%S}", "转账", "", "贷方", "人民币", sale.grouped, "9,000.00", "6217", "赵戊",
         f"JT{number:010d}", sale.reference]
        for number, sale in enumerate(sales, start=1)
    ]  # fmt: skip
    out = [
        "2026/11/28 15:00:00",
        "收费",
        "",
        "借方",
        "人民币",
        "10.00",
        "8,990.00",
        "",
        "",
        "JT9999999999",
        "",
    ]
    return b"\xff\xfe" + _text(
        [["查询账号：", ACCOUNT], [], header, *rows, out], encoding="utf-16-le", delimiter="\t"
    )


def spdb(sales: Sequence[Sale]) -> bytes:
    """GBK; units in full-width parentheses, 元 behind the figure, Chinese dates, a total in the last line."""
    header = _header(
        "交易日期,传票组内序号,交易流水号,借方金额（元）,贷方金额（元）,账户余额（元）,摘要,对方户名,附言"
    )
    rows = [
        [
            f"{sale.at:%Y年%m月%d日}",
            "1",
            f"9912{number:08d}",
            "",
            f"{sale.grouped}元",
            "9,000.00元",
            "汇入",
            "孙己",
            sale.reference,
        ]
        for number, sale in enumerate(sales, start=1)
    ]
    total = ["合计", "", "", "", f"{sum(sale.amount for sale in sales):,.2f}元", "", "", "", ""]
    return _text([["上海浦东发展银行账户明细"], header, *rows, [""] * 9, total], encoding="gb18030")


def citic(sales: Sequence[Sale]) -> bytes:
    """A workbook with merged lines above the header and true dates."""
    header = _header("交易日期,柜员交易号,借方发生额,贷方发生额,账户余额,对方账号,对方户名,摘要,附言")
    rows = [
        [sale.at, f"TX{number:08d}", None, float(sale.amount), 9000.0, "6217", "李庚", "汇入", sale.reference]
        for number, sale in enumerate(sales, start=1)
    ]
    above: list[list[Any]] = [["中信银行账户交易明细", *[None] * 8], [f"账号 {ACCOUNT}", *[None] * 8], [None]]
    return _book([*above, header, *rows], merged=("A1:I1", "A2:I2"))


def psbc(sales: Sequence[Sale]) -> bytes:
    """UTF-8; one amount, 收入 and 支出 in words, a state for each line: what failed moved no money."""
    header = _header(
        "序号,交易日期,交易时间,收支标志,交易金额(元),账户余额(元),对方户名,交易状态,交易流水号,商户订单号"
    )
    rows = [
        [str(number), f"{sale.at:%Y-%m-%d}", f"{sale.at:%H:%M:%S}", "收入", f"{sale.amount:.2f}", "9000.00", "钱辛",
         "交易成功", f"YZ{number:012d}", sale.reference]
        for number, sale in enumerate(sales, start=1)
    ]  # fmt: skip
    failed = [
        "99",
        "2026-11-28",
        "10:00:00",
        "收入",
        "77.00",
        "9000.00",
        "钱辛",
        "交易失败",
        "YZ999999999999",
        "NOBODY0000000000000001",
    ]
    return _text([["中国邮政储蓄银行"], header, *rows, failed], encoding="utf-8")


def foreign(sales: Sequence[Sale]) -> bytes:
    """A bank from abroad: semicolons, decimal commas, day before month, English words, Western letters."""
    header = _header(
        "Booking Date,Value Date,Counterparty,Description,Debit,Credit,Currency,Balance,Bank Reference"
    )
    rows = [
        [f"{sale.at:%d.%m.%Y}", f"{sale.at:%d.%m.%Y}", "Müller Übersee", sale.reference, "",
         sale.grouped.translate(str.maketrans(",.", ".,")), "CNY", "9.000,00", f"DE{number:010d}"]
        for number, sale in enumerate(sales, start=1)
    ]  # fmt: skip
    charge = ["28.11.2026", "28.11.2026", "", "Charges", "15,00", "", "CNY", "8.985,00", "DE9999999999"]
    return _text([header, *rows, charge], encoding="cp1252", delimiter=";")


BANKS: Mapping[str, Callable[[Sequence[Sale]], bytes]] = {
    "icbc": icbc, "ccb": ccb, "abc": abc, "boc": boc, "cmb": cmb, "bocom": bocom, "spdb": spdb, "citic": citic,
    "psbc": psbc, "foreign": foreign,
}  # fmt: skip
