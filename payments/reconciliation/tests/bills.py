"""Bills in the providers' true forms, written from their descriptions: nothing of the readers is used here."""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import dataclass, replace
from decimal import Decimal

SELLER = "2088102119685838"
MCHID, APPID = "1900000109", "wx8888888888888888"
MER_ID = "777290058110048"
DAY = "2026-11-21"


@dataclass(frozen=True)
class Row:
    """One line as a provider sees it: yuan as text; `request` is our number for a refund."""

    reference: str
    trade: str
    amount: str
    at: str = f"{DAY} 10:00:00"
    kind: str = "payment"
    request: str = ""
    name: str = "保温杯"
    state: str = ""

    def but(self, **changes: str) -> Row:
        return replace(self, **changes)


_ALIPAY = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,"
    "订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,"
    "商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)


def _alipay_row(row: Row) -> str:
    is_refund = row.kind == "refund"
    amount = f"-{row.amount}" if is_refund else row.amount
    word = row.state or ("退款" if is_refund else "交易")
    name = f'"{row.name}"' if "," in row.name else row.name
    return ",".join(
        [
            f"{row.trade}\t", f"{row.reference}\t", f"{word}  ", name, row.at, row.at, "", "", "", "",
            "158****1234", amount, amount, "0.00", "0.00", "0.00", "0.00", "0.00", "", "0.00", "0.00",
            f"{row.request}\t", "-0.60", "0.00", "",
        ]
    )  # fmt: skip


def _sum(rows: list[Row], kind: str) -> Decimal:
    return sum((Decimal(row.amount) for row in rows if row.kind == kind), Decimal("0.00"))


def alipay_csv(rows: list[Row], *, seller: str = SELLER, day: str = DAY) -> bytes:
    year, month, date = day.split("-")
    paid = [row for row in rows if row.kind == "payment"]
    back = [row for row in rows if row.kind == "refund"]
    lines = [
        "#支付宝业务明细查询",
        f"#账号：[{seller}0156]",
        f"#起始日期：[{year}年{month}月{date}日 00:00:00]   终止日期：[{year}年{month}月{int(date) + 1:02}日 00:00:00]",
        "#-----------------------------------------业务明细列表----------------------------------------",
        _ALIPAY,
        *map(_alipay_row, rows),
        "#-----------------------------------------业务明细列表结束------------------------------------",
        f"#交易合计：{len(paid)}笔，商家实收共{_sum(rows, 'payment')}元，商家优惠共0.00元",
        f"#退款合计：{len(back)}笔，商家实收退款共-{_sum(rows, 'refund')}元，商家优惠退款共0.00元",
        f"#导出时间：[{year}年{month}月{date}日 09:12:34]",
    ]
    return ("\r\n".join(lines) + "\r\n").encode("gbk")


def alipay_zip(rows: list[Row], *, seller: str = SELLER) -> bytes:
    """Names in GBK without the UTF-8 flag, the summary first."""
    summary = "#支付宝业务汇总查询\r\n#账号：[x]\r\n门店编号,门店名称,交易订单总笔数\r\n合计,,1\r\n".encode(
        "gbk"
    )
    stem = f"{seller}0156_20261121_业务明细"
    return zipped({f"{stem}(汇总).csv": summary, f"{stem}.csv": alipay_csv(rows, seller=seller)})


def zipped(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            # What a Chinese Windows writes: the bytes of GBK, which a reader takes for cp437.
            info = zipfile.ZipInfo(name.encode("gbk").decode("cp437"))
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


_WECHAT_ALL = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
_REFUND_ONLY = (
    "微信退款单号",
    "商户退款单号",
    "退款金额",
    "充值券退款金额",
    "退款类型",
    "退款状态",
    "申请退款金额",
)
_SUMMARY = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"


def _wechat_cells(row: Row) -> dict[str, str]:
    is_refund = row.kind == "refund"
    state = row.state or ("REFUND" if is_refund else "SUCCESS")
    return {
        "交易时间": row.at, "公众账号ID": APPID, "商户号": MCHID, "特约商户号": "0", "设备号": "",
        "微信订单号": row.trade, "商户订单号": row.reference, "用户标识": "oUpF8uMuAJO", "交易类型": "JSAPI",
        "交易状态": state, "付款银行": "OTHERS", "货币种类": "CNY",
        "应结订单金额": "0.00" if is_refund else row.amount, "代金券金额": "0.00",
        "微信退款单号": f"503{row.request}" if is_refund else "0", "商户退款单号": row.request or "0",
        "退款金额": row.amount if is_refund else "0.00", "充值券退款金额": "0.00",
        "退款类型": "ORIGINAL" if is_refund else "", "退款状态": "SUCCESS" if is_refund else "",
        "商品名称": row.name, "商户数据包": "", "手续费": "1.19400", "费率": "0.60%",
        "订单金额": "0.00" if is_refund else row.amount, "申请退款金额": row.amount if is_refund else "0.00",
        "费率备注": "", "退款申请时间": row.at, "退款成功时间": row.at,
        "总金额": "0.00" if is_refund else row.amount, "企业红包金额": "0.00", "企业红包退款金额": "0.00",
    }  # fmt: skip


def _wechat_names(form: str) -> list[str]:
    names = _WECHAT_ALL.split(",")
    if form == "SUCCESS":
        return [name for name in names if name not in _REFUND_ONLY]
    if form == "REFUND":
        return [*names[:1], "退款申请时间", "退款成功时间", *names[1:]]
    if form == "OLD":
        names = [name for name in names if name not in ("订单金额", "申请退款金额", "费率备注")]
        changed = {
            "应结订单金额": "总金额",
            "代金券金额": "企业红包金额",
            "充值券退款金额": "企业红包退款金额",
        }
        return [changed.get(name, name) for name in names]
    return names


def wechat_csv(
    rows: list[Row],
    *,
    form: str = "ALL",
    bom: str = "\ufeff",
    mchid: str = MCHID,
    appid: str = APPID,
) -> bytes:
    names = _wechat_names(form)
    given = {"商户号": mchid, "公众账号ID": appid}
    table = [[{**_wechat_cells(row), **given}[name] for name in names] for row in rows]
    paid, back = _sum(rows, "payment"), _sum(rows, "refund")
    head, figures = _SUMMARY, [f"{len(rows)}.0", paid, back, "0.00", "1.19400", paid, back]
    if form == "OLD":
        head = "总交易单数,总交易额,总退款金额,总企业红包退款金额,手续费总金额"
        figures = [f"{len(rows)}", paid, back, "0.00", "1.19400"]
    lines = [
        ",".join(names),
        *("`" + ",`".join(cells) for cells in table),
        head,
        "`" + ",`".join(map(str, figures)),
    ]
    return (bom + "\r\n".join(lines) + "\r\n").encode()


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content)


_ZM = (3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2, 6, 2, 4, 32, 1, 21, 15, 1, 15, 32, 13,
       13, 8, 32, 13, 13, 12, 2, 1, 32, 98)  # fmt: skip


def unionpay_zm(rows: list[Row], *, mer_id: str = MER_ID) -> bytes:
    lines = []
    for row in rows:
        fields = [""] * len(_ZM)
        is_refund = row.kind == "refund"
        fields[0] = row.state or ("S30" if is_refund else "S22")
        fields[1], fields[2], fields[3] = "00049992", "00049992", "123456"
        fields[4] = row.at[5:].replace("-", "").replace(" ", "").replace(":", "")
        fields[6] = f"{int(Decimal(row.amount) * 100):012d}"
        fields[9] = f"R{row.trade}"[:21] if is_refund else row.trade
        fields[11] = row.request if is_refund else row.reference
        fields[26], fields[27] = (row.trade if is_refund else ""), mer_id
        lines.append(" ".join(text.ljust(width) for text, width in zip(fields, _ZM, strict=True)))
    return ("\r\n".join(lines) + "\r\n").encode("gbk")
