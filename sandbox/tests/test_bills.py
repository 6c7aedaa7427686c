"""Bills in the providers' file forms, from what really happened, with differences put in on demand."""

import csv
import io
import tracemalloc
import zipfile
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from sandbox.tests.running import Running, call
from sandbox.tests.test_alipay import pay_url
from sandbox.trading import bills

CHINA = timezone(timedelta(hours=8))


def today() -> str:
    return datetime.now(CHINA).strftime("%Y-%m-%d")


def details(content: bytes) -> tuple[list[dict[str, str]], list[str]]:
    """Rows by column name, and the comment lines of the first file in an Alipay zip."""
    archive = zipfile.ZipFile(io.BytesIO(content), metadata_encoding="gbk")
    assert [info.flag_bits & 0x800 for info in archive.infolist()] == [0, 0]
    first, second = archive.namelist()
    assert (first.endswith("_业务明细.csv"), second.endswith("_业务明细(汇总).csv")) == (True, True)
    lines = archive.read(first).decode("gbk").split("\r\n")
    data = [line for line in lines if line and not line.startswith("#")]
    return list(csv.DictReader(data)), [line for line in lines if line.startswith("#")]


def bill(box: Running, provider: str = "alipay") -> bytes:
    return call("GET", f"{box.url}/control/bill?provider={provider}").body


def test_alipays_zip_after_its_day(box: Running) -> None:
    box.control("pay", pay_url=pay_url(box, "ZIP0000000000001", subject="杯, 大"))
    merchant = box.merchant()
    merchant.api_alipay_trade_refund("9.00", out_trade_no="ZIP0000000000001", out_request_no="ZR1")

    def request_bill(day: str) -> Any:
        body = merchant.build_body(
            "alipay.data.dataservice.bill.downloadurl.query", {"bill_type": "trade", "bill_date": day}
        )
        answer = call("GET", f"{box.url}/alipay/gateway.do?{merchant.sign_data(body)}").json
        return answer["alipay_data_dataservice_bill_downloadurl_query_response"]

    assert request_bill(today())["sub_code"] == "isp.bill_not_exist"
    box.control("speed", bill_today=True)
    assert request_bill("2026-01-01")["sub_code"] == "isp.bill_not_exist"
    file = call("GET", request_bill(today())["bill_download_url"])
    box.control("speed", bill_today=False)
    rows, comments = details(file.body)
    assert len(rows[0]) == 25
    ours = [row for row in rows if row["商户订单号"] == "ZIP0000000000001\t"]
    shown = [
        (row["业务类型"], row["订单金额（元）"], row["退款批次号/请求号"], row["服务费（元）"])
        for row in ours
    ]
    assert shown == [("交易", "199.00", "\t", "-1.19"), ("退款", "-9.00", "ZR1\t", "0.00")]
    assert ours[0]["商品名称"].startswith("杯, 大 ")
    total = sum(Decimal(row["订单金额（元）"]) for row in rows if row["业务类型"] == "交易")
    assert f"商家实收共{total}元" in comments[-3]
    assert call("GET", f"{box.url}/alipay/bill?token=unknown").status == 403


def test_differences_are_put_in_and_taken_out(box: Running) -> None:
    for number in range(1, 5):
        box.control("pay", pay_url=pay_url(box, f"DIFF00000000000{number}"))
    for number, kind in enumerate(("missing", "amount", "duplicate", "zero"), start=1):
        added = box.control(
            "bill_difference",
            provider="alipay",
            kind=kind,
            reference=f"DIFF00000000000{number}",
            amount="1.50",
        )
        assert added.json == {"differences": number}
    box.control(
        "bill_difference", provider="alipay", kind="extra", reference="NOBODYS000000001", amount="7.00"
    )
    assert box.control("bill_difference", provider="alipay", kind="odd", reference="A").status == 400

    def shown() -> list[tuple[str, str]]:
        rows = details(bill(box))[0]
        return [
            (row["商户订单号"].strip()[-2:], row["订单金额（元）"])
            for row in rows
            if row["商户订单号"].startswith(("DIFF", "NOBODYS"))
        ]

    assert shown() == [("02", "1.50"), ("03", "199.00"), ("03", "199.00"), ("04", "0.00"), ("01", "7.00")]
    box.control("bill_difference", "DELETE")
    assert shown() == [("01", "199.00"), ("02", "199.00"), ("03", "199.00"), ("04", "199.00")]


def test_wechats_three_forms_have_their_columns(tmp_path: Path) -> None:
    lines = list(bills.made_up(100, day="2026-11-21"))
    widths = {}
    for form in ("ALL", "SUCCESS", "REFUND"):
        rows = "".join(bills.bill_files.wechat_bill(lines, form=form, merchant="1900000001")).split("\r\n")
        widths[form] = (
            len(rows[0].split(",")),
            len(rows) - 4,
            {len(row[1:].split(",`")) for row in rows[1:-3]},
        )
        assert (rows[0][0], rows[-1]) == ("\ufeff", "")
    assert widths == {"ALL": (27, 100, {27}), "SUCCESS": (20, 98, {20}), "REFUND": (29, 2, {29})}


def test_no_made_up_number_looks_rounded() -> None:
    """Readers refuse a file whose numbers end like those that a spreadsheet rounded."""
    assert not [
        line for line in bills.made_up(5, day="2026-11-21") if line.provider_reference.endswith("0" * 9)
    ]


def test_a_large_bill_needs_no_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    for provider in ("alipay", "wechatpay", "unionpay"):
        bills.write_made_up(provider, count=5_000, day="2026-11-21", target=tmp_path / provider)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000
    assert len(details((tmp_path / "alipay").read_bytes())[0]) == 5_000
    assert (tmp_path / "wechatpay").read_bytes().count(b"\r\n") == 5_003
    (name,) = zipfile.ZipFile(tmp_path / "unionpay").namelist()
    assert name == "INN26112188ZM_777290058110048"
