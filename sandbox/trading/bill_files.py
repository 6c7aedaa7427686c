"""Writes bills in each provider's own file form, line by line: a million lines need no memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import IO

from sandbox.config import Settings
from sandbox.formats import beijing, compact, from_beijing, now, yuan
from sandbox.trading import bill_zips
from sandbox.trading.bill_zips import Member

PROVIDERS = ("alipay", "wechatpay", "unionpay")
FEE = Decimal("0.006")
Emit = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Line:
    """A payment or refund as a line of a bill. `fen` is of this line, `order_fen` of the whole trade; both positive."""

    kind: str
    reference: str
    provider_reference: str
    fen: int
    order_fen: int
    created_at: float
    at: float
    subject: str = ""
    refund_reference: str = ""
    refund_number: str = ""


@dataclass(slots=True)
class Totals:
    """The totals of a bill, counted while it is written."""

    payments: int = 0
    refunds: int = 0
    paid_fen: int = 0
    refunded_fen: int = 0
    fees: Decimal = field(default=Decimal(0))

    def count(self, line: Line) -> None:
        """Add one line to the sums."""
        if line.kind == "payment":
            self.payments += 1
            self.paid_fen += line.fen
            self.fees += fee(line.fen)
        else:
            self.refunds += 1
            self.refunded_fen += line.fen
            self.fees -= fee(line.fen)


def fee(fen: int) -> Decimal:
    """Six per mille in yuan, five decimals."""
    return (Decimal(fen) / 100 * FEE).quantize(Decimal("0.00001"), ROUND_HALF_UP)


def merchant_of(provider: str, settings: Settings) -> str:
    """The merchant's number as the provider's bill shows it."""
    return {"alipay": settings.seller_id, "wechatpay": settings.mchid, "unionpay": settings.mer_id}[provider]


def write(provider: str, lines: Iterable[Line], *, day: str, merchant: str, target: IO[bytes]) -> None:
    """The bill of a day (`yyyy-MM-dd`) in the provider's usual form: zip, BOM text of all kinds, zip."""
    if provider == "wechatpay":
        for text in wechat_bill(lines, form="ALL", merchant=merchant):
            target.write(text.encode())
    elif provider == "alipay":
        bill_zips.write_zip(target, alipay_members(lines, day=day, merchant=merchant))
    else:
        number = day.replace("-", "")[2:]
        name = f"INN{number}88ZM_{merchant}"
        bill_zips.write_zip(target, [Member(name, "ascii", lambda emit: _unionpay(emit, lines, merchant))])


ALIPAY_COLUMNS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,"
    "订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,"
    "商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)
_SUMMARY_COLUMNS = (
    "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,商家优惠（元）,"
    "卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）"
)


def alipay_members(lines: Iterable[Line], *, day: str, merchant: str) -> list[Member]:
    """Two GBK files whose names are GBK too: the details, and then their sums."""
    stem, totals = f"{merchant}0156_{day.replace('-', '')}_业务明细", Totals()
    frame = _alipay_frame(day, merchant)
    return [
        Member(f"{stem}.csv", "gbk", lambda emit: _alipay_details(emit, lines, totals=totals, frame=frame)),
        Member(f"{stem}(汇总).csv", "gbk", lambda emit: _alipay_summary(emit, totals=totals, frame=frame)),
    ]


def _alipay_frame(day: str, merchant: str) -> str:
    begin = from_beijing(f"{day} 00:00:00")
    return (
        "#支付宝业务%s查询\r\n"
        f"#账号：[{merchant}0156]\r\n"
        f"#起始日期：{_label(begin)}   终止日期：{_label(begin + 86400)}\r\n"
    )


def _label(moment: float) -> str:
    date, _, clock = beijing(moment).partition(" ")
    year, month, number = date.split("-")
    return f"[{year}年{month}月{number}日 {clock}]"


def _alipay_details(emit: Emit, lines: Iterable[Line], *, totals: Totals, frame: str) -> None:
    emit(frame % "明细")
    emit(f"#{'-' * 41}业务明细列表{'-' * 40}\r\n{ALIPAY_COLUMNS}\r\n")
    for line in lines:
        totals.count(line)
        emit(_alipay_row(line))
    emit(f"#{'-' * 41}业务明细列表结束{'-' * 36}\r\n")
    emit(f"#交易合计：{totals.payments}笔，商家实收共{yuan(totals.paid_fen)}元，商家优惠共0.00元\r\n")
    emit(
        f"#退款合计：{totals.refunds}笔，商家实收退款共{signed(-totals.refunded_fen)}元，商家优惠退款共0.00元\r\n"
    )
    emit(f"#导出时间：{_label(now())}\r\n")


def _alipay_row(line: Line) -> str:
    """Numbers end with a TAB, the product's name is padded, a refund's amounts are negative."""
    paid = line.kind == "payment"
    amount = yuan(line.fen) if paid else signed(-line.fen)
    name = line.subject.replace('"', '""')
    cells = [
        f"{line.provider_reference}\t", f"{line.reference}\t", "交易" if paid else "退款", f'"{name}        "',
        beijing(line.created_at), beijing(line.at), "", "", "", "\t", "*买家(138****8000)",
        amount, amount, "0.00", "0.00", "0.00", "0.00", "0.00", "", "0.00", "0.00",
        f"{line.refund_reference}\t", f"-{fee(line.fen):.2f}" if paid else "0.00", "0.00", "",
    ]  # fmt: skip
    return ",".join(cells) + "\r\n"


def _alipay_summary(emit: Emit, *, totals: Totals, frame: str) -> None:
    net = signed(totals.paid_fen - totals.refunded_fen)
    emit(frame % "汇总")
    emit(f"#{'-' * 41}业务汇总列表{'-' * 40}\r\n{_SUMMARY_COLUMNS}\r\n")
    emit(
        f"合计\t,,{totals.payments},{totals.refunds},{net},{net},0.00,0.00,0.00,{-totals.fees:.2f},0.00,{net}\r\n"
    )
    emit(f"#{'-' * 41}业务汇总列表结束{'-' * 36}\r\n#导出时间：{_label(now())}\r\n")


def signed(fen: int) -> str:
    """Format fen as yuan, with a minus for negative amounts."""
    return f"-{yuan(-fen)}" if fen < 0 else yuan(fen)


_ORDER = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,"
    "交易状态,付款银行,货币种类,应结订单金额,代金券金额"
)
_REFUND = "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态"
WECHAT_COLUMNS: Mapping[str, str] = {
    "ALL": f"{_ORDER},{_REFUND},商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注",
    "SUCCESS": f"{_ORDER},商品名称,商户数据包,手续费,费率,订单金额,费率备注",
    "REFUND": f"{_ORDER},退款申请时间,退款成功时间,{_REFUND},"
    "商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注",
}
_WECHAT_SUMMARY = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
_WECHAT_KINDS: Mapping[str, tuple[str, ...]] = {
    "ALL": ("payment", "refund"),
    "SUCCESS": ("payment",),
    "REFUND": ("refund",),
}


def wechat_bill(lines: Iterable[Line], *, form: str, merchant: str) -> Iterator[str]:
    """`form` is ALL (27 columns), SUCCESS (20) or REFUND (29); BOM, CRLF, a backtick before every cell."""
    totals, columns = Totals(), WECHAT_COLUMNS[form].split(",")
    yield "\ufeff" + ",".join(columns) + "\r\n"
    for line in lines:
        if line.kind in _WECHAT_KINDS[form]:
            totals.count(line)
            cells = _wechat_cells(line, merchant)
            yield ",".join("`" + cells.get(name, "") for name in columns) + "\r\n"
    sums = (
        f"{totals.payments + totals.refunds}.0", yuan(totals.paid_fen), yuan(totals.refunded_fen), "0.00",
        f"{totals.fees:.5f}", yuan(totals.paid_fen), yuan(totals.refunded_fen),
    )  # fmt: skip
    yield _WECHAT_SUMMARY + "\r\n" + ",".join("`" + one for one in sums) + "\r\n"


def _wechat_cells(line: Line, merchant: str) -> dict[str, str]:
    """By column; a refund's order amounts are 0.00 and its own amounts positive."""
    paid = line.kind == "payment"
    order, refund = (yuan(line.fen), "0.00") if paid else ("0.00", yuan(line.fen))
    return {
        "交易时间": beijing(line.at), "公众账号ID": Settings.appid, "商户号": merchant, "特约商户号": "0",
        "微信订单号": line.provider_reference, "商户订单号": line.reference, "用户标识": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
        "交易类型": "NATIVE", "交易状态": "SUCCESS" if paid else "REFUND", "付款银行": "OTHERS", "货币种类": "CNY",
        "应结订单金额": order, "代金券金额": "0.00", "微信退款单号": "0" if paid else line.refund_number,
        "商户退款单号": "0" if paid else line.refund_reference, "退款金额": refund, "充值券退款金额": "0.00",
        "退款类型": "" if paid else "ORIGINAL", "退款状态": "" if paid else "SUCCESS", "商品名称": line.subject,
        "手续费": f"{fee(line.fen) if paid else -fee(line.fen):.5f}", "费率": "0.60%", "订单金额": order,
        "申请退款金额": refund, "退款申请时间": beijing(line.at), "退款成功时间": beijing(line.at),
    }  # fmt: skip


# Widths of the fields of a ZM file, with a blank between two.
UNIONPAY_WIDTHS = (
    3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2, 6, 2, 4, 32, 1, 21, 15, 1, 15, 32,
    13, 13, 8, 32, 13, 13, 12, 2, 1, 131,
)  # fmt: skip


def _unionpay(emit: Emit, lines: Iterable[Line], merchant: str) -> None:
    for position, line in enumerate(lines, start=1):
        emit(_unionpay_row(line, merchant, position))


def _unionpay_row(line: Line, merchant: str, position: int) -> str:
    """Fixed widths, amounts in fen: 7 amount, 10 query number, 12 order number, 27 the original's query number."""
    paid, moment = line.kind == "payment", compact(line.at)
    side, cost = ("C", "D") if paid else ("D", "C")
    cost_fen = int(fee(line.fen) * 100)
    values = {
        1: "S22" if paid else "S30", 2: "00049992", 3: "00049992", 4: f"{position % 10**6:06d}", 5: moment[4:],
        6: "621626*********0018", 7: f"{line.fen:012d}", 8: "5311", 9: "07",
        10: line.provider_reference if paid else line.refund_number,
        12: line.reference if paid else line.refund_reference, 13: "01",
        16: f"{cost}{cost_fen:012d}", 17: f"{side}{line.fen - cost_fen:012d}", 18: "0001",
        20: "01" if paid else "04", 21: "01" if paid else "00", 22: "000201", 26: "0",
        27: "" if paid else line.provider_reference, 28: merchant,
    }  # fmt: skip
    cells = (str(values.get(place, "")).ljust(width) for place, width in enumerate(UNIONPAY_WIDTHS, start=1))
    return " ".join(cells) + "\r\n"
