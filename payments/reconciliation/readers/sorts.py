"""Files of providers that are not their trade bill: named as what they are, with what to download instead."""

from __future__ import annotations

from itertools import islice

from payments.reconciliation.readers.containers import OpenedBill
from payments.reconciliation.readers.tables import open_table
from payments.reconciliation.readers.tables.rows import text_of
from payments.reconciliation.refusals import Refused

ALIPAY_BILL, WECHAT_BILL = "alipay_trade_detail", "wechat_trade_bill"
# The words of a beginning, what the file is, and what to hand in. All words stand there.
_ALWAYS = (
    (("#支付宝", "账务明细"), "alipay_account_detail", ALIPAY_BILL),
    (("#支付宝", "汇总"), "alipay_summary", ALIPAY_BILL),
    (("记账时间", "资金流水单号"), "wechat_fund_flow", WECHAT_BILL),
)
# These can be read with a mapping, by somebody who knows what they are.
_WITHOUT_MAPPING = (
    (("支付宝交易记录明细查询",), "alipay_personal", ALIPAY_BILL),
    (("支付宝", "交易对方", "收/支"), "alipay_personal", ALIPAY_BILL),
    (("微信支付账单明细",), "wechat_personal", WECHAT_BILL),
    (("支付宝交易号", "商户订单号"), "alipay_saved_again", ALIPAY_BILL),
    (("微信订单号", "商户订单号", "交易状态"), "wechat_saved_again", WECHAT_BILL),
)
_ROWS = 30


def check_sort(source: OpenedBill, *, has_mapping: bool) -> None:
    """Refuse a file that is known and no trade bill. Raises `Refused` (wrong_sort)."""
    if has_mapping and source.is_workbook:
        return  # the mapping's words decide; a workbook is not opened twice for it
    beginning = _beginning(source)
    for words, found, wanted in _ALWAYS if has_mapping else (*_ALWAYS, *_WITHOUT_MAPPING):
        if all(word in beginning for word in words):
            raise Refused("wrong_sort", found=found, wanted=wanted)


def check_comment(first: str) -> None:
    """The same for the first line of a file that has the form of Alipay's bills."""
    for words, found, wanted in _ALWAYS:
        if all(word in first for word in words):
            raise Refused("wrong_sort", found=found, wanted=wanted)


def _beginning(source: OpenedBill) -> str:
    if not source.is_workbook:
        # Either decoding shows the words that are there; the other one shows none.
        return "\n".join(source.head[:8192].decode(name, errors="ignore") for name in ("utf-8", "gb18030"))
    rows = islice(open_table(source).rows(), _ROWS)
    return "\n".join(text_of(cell) for row in rows for cell in row.cells)
