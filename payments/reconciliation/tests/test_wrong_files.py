"""Files that are no bill, or no bill any more: named as what they are, at once, with what to hand in instead."""

from __future__ import annotations

import io
from typing import Any

import openpyxl
import pytest
from django.db import OperationalError
from django.utils import timezone, translation

from ordersite.queue.claims import Claim
from payments.models import Statement, StatementMapping
from payments.reconciliation import importing, staging
from payments.reconciliation.readers import alipay
from payments.reconciliation.refusals import message_of
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.bills import Row
from payments.reconciliation.tests.shop import account_at, attempt, paid, results, row_of, take

pytestmark = pytest.mark.django_db
ROW = Row("REFERENCE0000000000001", "2026112822001400000000000001", "199.00")
DETAIL = (
    "#支付宝账务明细查询\r\n#账号：[20881021196858380156]\r\n"
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）\r\n1,2,R,杯,2026-11-28 09:00:00,x,1.00\r\n"
).encode("gbk")
SUMMARY = "#支付宝业务汇总查询\r\n#账号：[x]\r\n门店编号,门店名称\r\n合计,1\r\n".encode("gbk")
FLOW = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,收支类型,收支金额(元)\r\n"
    "`2026-11-28 09:00:00,`42,`50,`交易,`收入,`1.00\r\n"
).encode()
PERSONAL = "微信支付账单明细,,\r\n微信昵称：[x],,\r\n交易时间,交易类型,交易对方\r\n".encode("utf-8-sig")


def workbook_of(content: bytes, encoding: str) -> bytes:
    """What becomes of a bill that somebody opens and saves as a workbook."""
    book, target = openpyxl.Workbook(), io.BytesIO()
    assert book.active is not None
    for line in content.decode(encoding).splitlines():
        book.active.append(line.replace("`", "").split(","))
    book.save(target)
    return target.getvalue()


@pytest.mark.parametrize(
    ("provider", "content", "found", "wanted"),
    [
        ("alipay", DETAIL, "账务明细", "业务明细"),
        ("alipay", bills.zipped({"账务明细.csv": DETAIL}), "账务明细", "业务明细"),
        ("alipay", bills.zipped({"a.csv": DETAIL, "b.csv": SUMMARY}), "账务明细", "业务明细"),
        ("alipay", bills.zipped({"a.csv": SUMMARY}), "汇总", "业务明细"),
        ("wechatpay", FLOW, "资金账单", "交易账单"),
        ("wechatpay", bills.gzipped(FLOW), "资金账单", "交易账单"),
        ("wechatpay", PERSONAL, "微信支付账单明细", "交易账单"),
        ("alipay", workbook_of(bills.alipay_csv([ROW]), "gbk"), "saved again", "业务明细"),
        ("wechatpay", workbook_of(bills.wechat_csv([ROW]), "utf-8-sig"), "saved again", "交易账单"),
    ],
)
def test_bill_of_the_wrong_sort_is_named(provider: str, content: bytes, found: str, wanted: str) -> None:
    statement = take(account_at(provider), content)
    text = message_of(statement.refusal)
    assert (statement.refusal["code"], found in text, wanted in text) == ("wrong_sort", True, True)
    with translation.override("zh-hans"):
        assert wanted in message_of(statement.refusal)


@pytest.mark.parametrize("content", [DETAIL, FLOW])
def test_no_mapping_makes_a_bill_of_another_sort(content: bytes) -> None:
    statement = take(account_at("webhook"), content, mapping=StatementMapping.objects.create(name="x"))
    assert statement.refusal["code"] == ("wrong_sort" if content is FLOW else "wrong_form")


def saved(content: bytes) -> bytes:
    """Alipay's bill as a spreadsheet program saves it: comments padded, TABs gone."""
    lines = content.decode("gbk").replace("\t", "").splitlines()
    padded = [f"{line}{',' * 24}" if line.startswith("#") else line for line in lines]
    return ("\r\n".join(padded) + "\r\n").encode("gbk")


@pytest.mark.parametrize(
    ("old", "new", "column", "problem"),
    [
        ("2026112822001400000000000001", "2.02611E+27", "支付宝交易号", "number_as_id"),
        ("2026112822001400000000000001", "2026112822001400000000000000", "支付宝交易号", "number_as_id"),
        ("2026-11-21 10:00:00", "2026/11/21 10:00", "完成时间", "time"),
        ("REFERENCE0000000000001", "1.23457E+21", "商户订单号", "number_as_id"),
    ],
)
def test_bill_saved_by_a_spreadsheet_says_so(old: str, new: str, column: str, problem: str) -> None:
    spoiled = saved(bills.alipay_csv([ROW])).replace(old.encode(), new.encode())
    statement = take(account_at("alipay"), spoiled)
    params = {"line": "6", "column": column, "problem": problem, "cell": new}
    assert statement.refusal == {"code": "saved_by_spreadsheet", "params": params}
    assert "hand in the file as it was downloaded" in message_of(statement.refusal)


def test_saved_bill_that_lost_nothing_is_read() -> None:
    account = account_at("alipay")
    content = saved(bills.alipay_csv([row_of(paid(account))]))
    assert results(take(account, content)) == {"matched": 1}


@pytest.mark.parametrize(
    ("provider", "content"),
    [
        ("alipay", bills.alipay_csv([ROW.but(trade="2.02611E+27")])),
        ("wechatpay", bills.wechat_csv([ROW.but(trade="2.02611E+27")])),
        ("wechatpay", bills.wechat_csv([ROW.but(reference="20261100000000000")])),
    ],
)
def test_rounded_number_refuses_in_every_form(provider: str, content: bytes) -> None:
    account = account_at(provider)
    attempt(account, reference="20261100000000000")
    statement = take(account, content)
    assert (statement.refusal["code"], statement.refusal["params"]["problem"]) == ("bad_line", "number_as_id")
    assert not statement.lines.exists()


@pytest.mark.parametrize("name", ['"双11"礼盒', '"未闭合', 'a"b"c', '"杯子, 大号"'])
def test_alipay_quotes_nothing(name: str) -> None:
    account = account_at("alipay")
    row = row_of(paid(account), name=name)
    quoted = bills.alipay_csv([row]).replace(f'""{name[1:-1]}""'.encode("gbk"), name.encode("gbk"))
    assert results(take(account, quoted)) == {"matched": 1}


@pytest.mark.parametrize("note", ["挂号\r\n订单编号：1", "a\r\nb\r\nc", "a\r\n\r\nb"])
def test_note_with_line_breaks_is_one_line(note: str) -> None:
    account = account_at("alipay")
    rows = [row_of(paid(account)), row_of(paid(account))]
    content = bills.alipay_csv(rows).decode("gbk").replace(",0.00,\r\n", f",0.00,{note}\r\n", 1)
    assert results(take(account, content.encode("gbk"))) == {"matched": 2}


@pytest.mark.parametrize("writer", [bills.alipay_csv, bills.wechat_csv])
def test_name_with_a_line_break_is_one_line(writer: Any) -> None:
    account = account_at("alipay" if writer is bills.alipay_csv else "wechatpay")
    rows = [row_of(paid(account), name="大\r\n杯"), row_of(paid(account))]
    statement = take(account, writer(rows))
    assert [*statement.lines.order_by("id").values_list("result", flat=True)] == ["matched", "matched"]


def test_line_break_among_commas_is_named() -> None:
    content = bills.alipay_csv([ROW]).decode("gbk").replace("保温杯", "保\r\n温,杯,1,2")
    statement = take(account_at("alipay"), content.encode("gbk"))
    assert statement.refusal["params"]["problem"] == "line_break"


# --- What fails, and whether it is tried again ---


def test_reader_that_fails_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_text: str, **_place: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(alipay, "read_time", fail)
    statement = take(account_at("alipay"), bills.alipay_csv([ROW]))
    assert (statement.attempts, statement.refusal) == (
        1,
        {"code": "reader_failed", "params": {"line": "6", "problem": "ZeroDivisionError"}},
    )


def test_archive_that_points_before_itself_is_broken() -> None:
    content = bills.zipped({"a.csv": bills.alipay_csv([ROW])})
    statement = take(account_at("alipay"), content[:40] + content[70:])
    assert (statement.refusal["code"], statement.attempts) == ("broken_file", 1)


def test_trouble_of_the_machine_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_lines: Any) -> None:
        raise OperationalError

    monkeypatch.setattr(staging, "add", fail)
    account = account_at("alipay")
    statement = take(account, bills.alipay_csv([row_of(paid(account))]))
    assert (statement.status, statement.done_at, statement.leased_until) == ("reading", None, None)
    monkeypatch.undo()
    Statement.objects.update(attempts=2, due_at=timezone.now())
    importing.run(Claim(statement.pk, 2))
    assert results(Statement.objects.get()) == {"matched": 1}


@pytest.mark.parametrize("year", ["2062", "9999"])
def test_a_day_far_ahead_is_no_fault(year: str) -> None:
    account = account_at("alipay")
    content = bills.alipay_csv([row_of(attempt(account)).but(at=f"{year}-12-31 23:59:59")])
    assert results(take(account, content.replace("#起始".encode("gbk"), "#x".encode("gbk")))) == {
        "missing_here": 1
    }
