"""Tables of any bank: whatever their encoding, delimiter, quotes or program, the same lines are read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from payments.models import Statement, StatementMapping
from payments.reconciliation.readers import containers
from payments.reconciliation.tests import banks, bills, workbooks
from payments.reconciliation.tests.shop import AT, account_at, attempt, take

pytestmark = pytest.mark.django_db
HEADER = ["交易时间", "交易金额", "订单号", "附言"]
LINE = ["2026-11-21 10:00:00", "1,199.00", "REFERENCE0000000000001", "货款，龍井茶"]
MOMENT = datetime(2026, 11, 21, 10)  # noqa: DTZ001  # a workbook knows no zones


def read(content: bytes, **said: Any) -> Statement:
    """Read a file whose mapping says the columns, and nothing of its form."""
    columns = {"amount_column": "交易金额", "time_column": "交易时间", "reference_column": "订单号"}
    mapping = StatementMapping.objects.create(name="bank", **{**columns, **said})
    return take(account_at("webhook"), content, mapping=mapping)


def lines(statement: Statement) -> list[tuple[Any, ...]]:
    assert statement.refusal == {}
    return list(
        statement.lines.order_by("number").values_list("number", "reference", "amount", "occurred_at")
    )


def expected(number: int = 2) -> list[tuple[Any, ...]]:
    return [(number, "REFERENCE0000000000001", Decimal("1199.00"), AT)]


def text(
    delimiter: str = ",", dress: Callable[[str], str] = lambda cell: f'"{cell}"', end: str = "\r\n"
) -> str:
    return "".join(delimiter.join(map(dress, row)) + end for row in (HEADER, LINE))


@pytest.mark.parametrize("said", ["", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_encoding_is_what_the_content_says(encoding: str, said: str) -> None:
    assert lines(read(text().encode(encoding), encoding=said)) == expected()


@pytest.mark.parametrize("said", ["", ",", "\t", "|"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_delimiter_is_what_makes_a_header(delimiter: str, said: str) -> None:
    assert lines(read(text(delimiter).encode(), delimiter=said)) == expected()


@pytest.mark.parametrize(
    "dress",
    [
        lambda cell: f'"{cell}\t"',
        lambda cell: f' "\u3000{cell}  "',
        lambda cell: f'="{cell}"' if cell[0] in "R订" else f'"{cell}"',
        lambda cell: f'"\'{cell}"',
        lambda cell: f'"`{cell}"',
        lambda cell: f'"\ufeff{cell}"',
    ],
)
def test_padding_and_dress_are_no_content(dress: Callable[[str], str]) -> None:
    assert lines(read(text(dress=dress).encode())) == expected()


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("tail", ["", "\x1a", "\x1a\x1a", "\r\n\r\n", " \r\n\x1a"])
def test_ends_of_lines_and_files(end: str, tail: str) -> None:
    assert lines(read((text(end=end) + tail).encode())) == expected()


def test_file_without_its_last_line_end_is_whole() -> None:
    assert lines(read(text().rstrip().encode())) == expected()


@pytest.mark.parametrize(
    ("record", "line"),
    [
        ('"第一行\r\n第二行\r\n第三行",2026-11-21 10:00:00,abc,R1', "5"),
        ('"双11"礼盒,2026-11-21 10:00:00,abc,R1', "5"),
        ('"never closed,2026-11-21 10:00:00,abc,R1', "5"),
    ],
)
def test_lines_are_counted_as_an_editor_does(record: str, line: str) -> None:
    before = '"一\r\n二\r\n三",2026-11-21 10:00:00,1.00,R0'
    content = f"附言,交易时间,交易金额,订单号\r\n{before}\r\n{record}\r\n".encode()
    statement = read(content)
    params = {"line": line, "column": "交易金额", "problem": "amount", "cell": "abc"}
    assert statement.refusal == {"code": "bad_line", "params": params}


def test_quotes_that_quote_nothing_are_characters() -> None:
    rows = ['"双11"礼盒', 'a "big" cup', '"never closed', "plain"]
    body = [f"{row},2026-11-21 10:00:00,1.00,R{n}" for n, row in enumerate(rows)]
    content = "\r\n".join(["附言,交易时间,交易金额,订单号", *body, ""]).encode()
    assert [reference for _n, reference, *_rest in lines(read(content))] == ["R0", "R1", "R2", "R3"]


@pytest.mark.parametrize("above", [0, 1, 2, 9, 60])
@pytest.mark.parametrize("skip", [0, 2, 5])
def test_header_is_found_by_its_words(above: int, skip: int) -> None:
    preamble = "".join(f"云帆银行,第{n}行\r\n" for n in range(above))
    assert lines(read(f"{preamble}{text()}".encode(), skip_lines=skip)) == expected(above + 2)


@pytest.mark.parametrize("name", ["金额（元）", "金额(元)", "金额 (元)", "ＡＭＯＵＮＴ"])
def test_full_and_half_width_words_are_the_same(name: str) -> None:
    given = "amount" if name[0] == "Ａ" else "金额(元)"
    content = f"交易时间,{name},订单号\r\n2026-11-21 10:00:00,1199.00,REFERENCE0000000000001\r\n".encode()
    assert lines(read(content, amount_column=given)) == expected()


def test_header_in_two_rows_is_read_as_one() -> None:
    rows = ["交易时间,发生额,,订单号", ",借方,贷方,", "2026-11-21 10:00:00,,1199.00,REFERENCE0000000000001"]
    said = {"amount_column": "", "amount_in_column": "贷方", "amount_out_column": "借方"}
    assert lines(read("\r\n".join([*rows, ""]).encode(), **said)) == expected(3)


def test_memo_with_half_a_character_is_no_reason() -> None:
    content = (
        text(dress=str.strip)
        .replace("1,199", "1199")
        .encode("gb18030")
        .replace("茶".encode("gb18030"), b"\xb2")
    )
    assert lines(read(content)) == expected()


@pytest.mark.parametrize("form", ["xlsx", "xls"])
@pytest.mark.parametrize(
    ("moment", "amount"),
    [
        (MOMENT, 1199),
        ("2026-11-21 10:00:00", "1,199.00"),
        (46347 + 10 / 24, 1199.0),
        ("2026-11-21 10:00:00.0", "¥1,199.00"),
    ],
)
def test_workbooks_old_and_new(form: str, moment: Any, amount: Any) -> None:
    rows: list[list[Any]] = [
        ["云帆银行账户明细"],
        ["账户信息", None, "交易信息"],
        HEADER,
        [moment, amount, LINE[2], "x"],
    ]
    content = getattr(workbooks, form)(rows)
    assert lines(read(content, date_format="%Y-%m-%d %H:%M:%S")) == expected(4)


@pytest.mark.parametrize("form", ["xlsx", "xls"])
def test_every_sheet_with_the_header_is_read(form: str) -> None:
    row = [MOMENT, 1, "R1", ""]
    content = getattr(workbooks, form)(
        [["说明"], ["请勿修改"]], [HEADER, row], [HEADER, row, row], [["备注"]]
    )
    statement = read(content)
    assert [number for number, *_rest in lines(statement)] == [4, 6, 7]
    assert list(statement.lines.values_list("result", flat=True)) == ["missing_here"] * 3


@pytest.mark.parametrize("form", ["xlsx", "xls"])
def test_bad_cell_of_a_later_sheet_names_the_sheet(form: str) -> None:
    content = getattr(workbooks, form)([HEADER, [MOMENT, 1, "R1"]], [HEADER, [MOMENT, "x", "R1"]])
    statement = read(content)
    assert statement.refusal["params"]["line"] == "Sheet2 2"


def test_hidden_sheets_are_not_read() -> None:
    rows: list[list[Any]] = [HEADER, [MOMENT, 1199, LINE[2], ""]]
    assert lines(read(workbooks.xlsx(rows, [HEADER, [MOMENT, 7, "OLD", ""]], hidden=(1,)))) == expected()


def test_what_a_workbook_calculates_is_read_as_shown() -> None:
    statement = read(workbooks.xlsx([HEADER, [MOMENT, 0.1 + 0.2, "R1", ""]]))
    assert [amount for _n, _r, amount, _at in lines(statement)] == [Decimal("0.30")]


@pytest.mark.parametrize("form", ["xlsx", "xls"])
def test_a_workbook_in_an_archive_is_read(form: str) -> None:
    rows: list[list[Any]] = [HEADER, [MOMENT, 1199, LINE[2], ""]]
    content = bills.zipped({"明细.xls": getattr(workbooks, form)(rows)})
    assert lines(read(content)) == expected()


def test_old_workbook_begins_anywhere() -> None:
    assert lines(read(workbooks.xls([HEADER, [MOMENT, 1199, LINE[2], ""]], first_row=5))) == expected(7)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (workbooks.sealed(), "encrypted"),
        (workbooks.xls([HEADER])[:1500], "broken_file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096), "broken_file"),
        (workbooks.xls([["a"], *[[None]] * 65_000, [*[None] * 255, "z"]]), "broken_file"),
        (bills.zipped({"a.zip": bills.zipped({"a.csv": text().encode()})}), "no_bill_inside"),
    ],
)
def test_unreadable_workbooks_are_refused_at_once(content: bytes, code: str) -> None:
    statement = read(content)
    assert (statement.refusal["code"], statement.attempts) == (code, 1)


def test_long_inner_workbook_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_MAX_INNER", 4096)
    content = bills.zipped({"a.xls": workbooks.xls([HEADER, [MOMENT, 1, "R1", ""]])})
    assert read(content).refusal["code"] == "too_large"


PAGE = (
    "<html><head><meta charset={charset}><style>td {{}}</style></head><body><table><tr><td colspan=4>明细</td></tr>"
    "<tr><th>交易时间</th><th>交易金额<th>订单号</th><th>附言</th></tr>\n"
    "<tr><td>2026-11-21 10:00:00</td><td>1,199.00</td><td>REFERENCE0000000000001</td><td>A &amp; B<br>c</td></tr></table>"
)
SHEET_2003 = (
    '<?xml version="1.0"?><Workbook xmlns:ss="urn:x"><Worksheet ss:Name="a"><Table><Row><Cell ss:MergeAcross="3"><Data>'
    "明细</Data></Cell></Row><Row><Cell><Data>交易时间</Data></Cell><Cell><Data>交易金额</Data></Cell><Cell ss:Index="
    '"4"><Data>订单号</Data></Cell></Row><Row><Cell><Data>2026-11-21 10:00:00</Data></Cell><Cell><Data>1199.00</Data>'
    "</Cell><Cell/><Cell><Data>REFERENCE0000000000001</Data></Cell></Row></Table></Worksheet></Workbook>"
)


@pytest.mark.parametrize("charset", ["utf-8", "gb2312"])
def test_web_page_named_like_a_workbook_is_read(charset: str) -> None:
    assert lines(read(PAGE.format(charset=charset).encode(charset))) == expected(3)


def test_workbook_of_2003_in_xml_is_read() -> None:
    assert lines(read(SHEET_2003.encode())) == expected(3)


def test_web_page_without_rows_or_end_is_refused() -> None:
    assert read(b"<html>" + b"<td " * 20_000).refusal["code"] == "line_too_long"


@pytest.mark.parametrize("bank", banks.BANKS)
def test_a_mapping_that_says_nothing_reads_every_bank(bank: str) -> None:
    account = account_at("webhook")
    attempts = [attempt(account) for _ in range(3)]
    sales = [banks.Sale(one.reference, one.amount) for one in attempts]
    mapping = StatementMapping.objects.create(name="bank")

    statement = take(account, banks.BANKS[bank](sales), mapping=mapping)

    found = (
        statement.lines.filter(kind="payment").order_by("number").values_list("payment_id", "amount", "note")
    )
    assert list(found) == [(one.pk, one.amount, "") for one in attempts]
    assert statement.refunds_amount == 0
