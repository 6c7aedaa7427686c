"""What a line of a bank's file comes to: money in, money out, or nothing of ours."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from payments.models import Payment, PaymentException, StatementLine
from payments.reconciliation import settle
from payments.reconciliation.tests import workbooks
from payments.reconciliation.tests.bank_tables import (
    DAY,
    HEADER,
    SERIAL,
    cell,
    kinds,
    mapping,
    read,
    refusal,
    table,
)
from payments.reconciliation.tests.shop import account_at, attempt, paid, results, take

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("said", [{}, {"status_column": "交易状态", "status_words": ["交易成功"]}])
def test_only_money_that_moved_pays(said: dict[str, Any]) -> None:
    account = account_at("webhook")
    closed, waiting, good = (attempt(account) for _ in range(3))
    states = zip((closed, waiting, good), ("交易关闭", "等待付款", "交易成功"), strict=True)
    lines = [f"{DAY},199.00,{one.reference},T{n},{state}" for n, (one, state) in enumerate(states)]
    content = table(f"{HEADER},交易状态", *lines)

    statement = take(account, content, mapping=mapping(**SERIAL, **said))

    assert kinds(statement) == [
        ("other", Decimal("199.00"), "left_out"),
        ("other", Decimal("199.00"), "left_out"),
        ("payment", Decimal("199.00"), ""),
    ]
    assert settle.settle(statement) == 1
    assert list(Payment.objects.order_by("pk").values_list("status", flat=True)) == ["open", "open", "paid"]


@pytest.mark.parametrize(
    ("column", "word", "problem"),
    [
        ("交易状态", "部分退款", "status_word"),
        ("交易状态", "待复核", "status_word"),
        ("交易状态", "", "status_word"),
        ("收/支", "内部调拨", "kind_word"),
        ("借贷标志", "", "kind_word"),
    ],
)
def test_unknown_word_refuses_and_shows_itself(column: str, word: str, problem: str) -> None:
    statement = read(table(f"交易日期,交易金额,订单号,{column}", f"{DAY},1.00,R1,{word}"))
    assert refusal(statement) == cell(2, column, problem, word)


def test_refunded_state_says_which_line_it_is() -> None:
    lines = (f"{DAY},收入,5.00,REFERENCE0000001,退款成功", f"{DAY},退款,5.00,REFERENCE0000001,退款成功")
    statement = read(table("交易日期,收/支,交易金额,订单号,交易状态", *lines))
    assert [kind for kind, _amount, _note in kinds(statement)] == ["other", "refund"]


def test_state_that_means_money_elsewhere_stops() -> None:
    content = table(f"{HEADER},交易状态", f"{DAY},1.00,R1,T1,支付成功")
    statement = read(content, status_column="交易状态", status_words=["交易成功"])
    assert refusal(statement) == cell(2, "交易状态", "status_word", "支付成功")


@pytest.mark.parametrize("words", ["借 Dr", ["借 Dr"], "借 Dr\n", "借 支出"])
def test_words_of_kinds_may_hold_blanks(words: Any) -> None:
    account = account_at("webhook")
    left, received = attempt(account), attempt(account)
    lines = (f"{DAY},借 Dr,199.00,{left.reference},K1", f"{DAY},贷 Cr,199.00,{received.reference},K2")
    content = table("交易日期,借贷,交易金额,订单号,流水号", *lines)

    statement = take(account, content, mapping=mapping(**SERIAL, kind_column="借贷", refund_words=words))

    assert [kind for kind, _amount, _note in kinds(statement)] == ["refund", "payment"]
    assert settle.settle(statement) == 1
    assert Payment.objects.get(pk=left.pk).status == "open"


def test_old_list_of_words_keeps_its_meaning() -> None:
    lines = (f"{DAY},借,1.00,R1", f"{DAY},Dr,1.00,R2", f"{DAY},借 Dr,1.00,R3", f"{DAY},贷,1.00,R4")
    statement = read(table("交易日期,借贷,交易金额,订单号", *lines), kind_column="借贷", refund_words="借 Dr")
    assert [kind for kind, _amount, _note in kinds(statement)] == ["refund", "refund", "refund", "payment"]


def test_listed_payments_are_the_only_ones() -> None:
    content = table("交易日期,摘要,交易金额,订单号", f"{DAY},货款,1.00,R1", f"{DAY},汇款,2.00,R2")
    statement = read(content, kind_column="摘要", payment_words=["货款"])
    assert refusal(statement) == cell(3, "摘要", "kind_word", "汇款")


def test_direction_that_no_one_mapped_is_watched() -> None:
    lines = (f"{DAY},支出,1.00,R1000000", f"{DAY},收入,2.00,R2")
    statement = read(table("交易日期,收/支,交易金额,订单号", *lines), reference_column="订单号")
    assert [kind for kind, _amount, _note in kinds(statement)] == ["refund", "payment"]


def test_column_that_a_person_ruled_out_is_not_watched() -> None:
    content = table("交易日期,交易金额,订单号,状态", f"{DAY},1.00,R1,未打印")
    assert read(content, status_column="-").lines_total == 1


def test_other_currency_is_shown_and_not_settled() -> None:
    account = account_at("webhook")
    foreign, ours = attempt(account), attempt(account)
    lines = (
        f"{DAY},港币,199.00,{foreign.reference},C1",
        f"{DAY},人民币,199.00,{ours.reference},C2",
        f"{DAY},USD,5.00,NOBODY00000000001,C3",
    )
    statement = take(
        account, table("交易日期,币别,交易金额,订单号,流水号", *lines), mapping=mapping(**SERIAL)
    )

    assert [note for _kind, _amount, note in kinds(statement)] == ["currency", "", "currency"]
    assert results(statement) == {"amount_differs": 1, "missing_here": 2}
    assert statement.payments_amount == Decimal("199.00")
    assert settle.settle(statement) == 1
    assert Payment.objects.get(pk=foreign.pk).status == "open"
    assert settle.raise_cases(statement) == 2
    assert not StatementLine.objects.unexplained_payments().filter(note="currency").exists()


@pytest.mark.parametrize(
    ("word", "note"),
    [
        ("人民币", ""), ("人民币元", ""), ("RMB", ""), ("cny", ""), ("01-人民币", ""), ("CNY(人民币)", ""), ("156", ""),
        ("", ""),
        ("港币", "currency"), ("USD", "currency"), ("离岸人民币", "currency"), ("CNH", "currency"),
        ("人民币兑美元", "currency"),
    ],
)  # fmt: skip
def test_currency_is_yuan_or_noted(word: str, note: str) -> None:
    content = table("交易日期,交易金额,订单号,币种", f"{DAY},1.00,R1,{word}", f"{DAY},2.00,R2,CNY")
    assert [said for _kind, _amount, said in kinds(read(content))] == [note, ""]


def test_foreign_code_beside_a_figure_refuses() -> None:
    statement = read(table(HEADER, f"{DAY},HKD 199.00,R1,T1"))
    assert refusal(statement) == cell(2, "交易金额", "currency", "HKD 199.00")


def test_two_columns_of_amounts_are_in_and_out() -> None:
    account = account_at("webhook")
    stuck = attempt(account)
    lines = (
        f'{DAY},汇入,"{stuck.amount:,.2f}",,"9,000.00",{stuck.reference},TA1',
        f'{DAY},手续费,,2.00,"8,998.00",,TA2',
        f'{DAY},退货款,,9.90,"8,988.10",{stuck.reference},TA3',
    )
    content = table(
        "明细查询", "", "交易日期,摘要,收入金额,支出金额,余额,订单号,流水号", *lines, encoding="gb18030"
    )
    said = {"amount_column": "", "amount_in_column": "收入金额", "amount_out_column": "支出金额", **SERIAL}

    statement = take(account, content, mapping=mapping(**said))

    assert kinds(statement) == [
        ("payment", Decimal("199.00"), ""),
        ("other", Decimal("2.00"), "left_out"),
        ("refund", Decimal("9.90"), ""),
    ]


def test_column_of_income_alone_finds_its_other_half() -> None:
    content = table("交易日期,收入金额,支出金额,订单号", f"{DAY},1.00,,R1", f"{DAY},,2.00,R2000000")
    statement = read(content, amount_column="收入金额")
    assert [(kind, amount) for kind, amount, _note in kinds(statement)] == [
        ("payment", Decimal("1.00")),
        ("refund", Decimal("2.00")),
    ]


def test_money_in_and_out_on_one_line_refuses() -> None:
    content = table("交易日期,收入,支出,订单号", f"{DAY},1.00,2.00,R1")
    statement = read(content, amount_column="", amount_in_column="收入", amount_out_column="支出")
    assert refusal(statement) == cell(2, "支出", "two_amounts", "2.00")


def test_fees_interest_and_suppliers_make_no_case() -> None:
    account = account_at("webhook")
    stuck = attempt(account)
    lines = (
        f"{DAY},手续费,-2.00,,FE1",
        f"{DAY},付供应商货款,-5000.00,,FE2",
        f"{DAY},结息,0.88,,FE3",
        f"{DAY},货款,199.00,{stuck.reference},FE4",
    )
    statement = take(
        account, table("交易日期,摘要,交易金额,订单号,流水号", *lines), mapping=mapping(**SERIAL)
    )

    assert results(statement) == {"matched": 3, "missing_here": 1}
    assert (statement.payments_amount, statement.refunds_amount) == (Decimal("199.00"), Decimal("0.00"))
    assert settle.settle(statement) == 1
    assert settle.raise_cases(statement) == 0
    assert not PaymentException.objects.exists()


def test_words_to_leave_out_are_found_in_memos() -> None:
    content = table(
        "交易日期,摘要,交易金额,订单号",
        f"{DAY},云闪付返佣11月,3.00,",
        f"{DAY},云闪付返佣,1.00,REFERENCE0000001",
    )
    statement = read(content, ignored_words=["返佣"])
    assert [(kind, note) for kind, _amount, note in kinds(statement)] == [
        ("other", "left_out"),
        ("payment", ""),
    ]


@pytest.mark.parametrize(
    ("header", "lines", "count"),
    [
        (
            "交易日期,摘要,交易金额,余额,订单号",
            (f"{DAY},汇入,199.00,9000.00,R1", " ", "合计金额,,199.00,,"),
            1,
        ),
        (HEADER, (f"{DAY},1.00,R1,T1", "总笔数,总金额", '1,"1.00"'), 1),
        (HEADER, (f"{DAY},1.00,R1,T1", "以上明细仅供参考，不作记账凭证"), 1),
        (HEADER, (f"{DAY},1.00,R1,T1", "本页小计,1.00,,", HEADER, f"{DAY},2.00,R2,T2", "合计,3.00,,"), 2),
        (HEADER, (f"{DAY},1.00,R1,T1", "打印时间,2026-11-29 10:00:00", ",,,"), 1),
        (HEADER, ("期初余额,9000.00,,", f"{DAY},1.00,R1,T1", "---- 第1页 ----"), 1),
    ],
)
def test_totals_and_notes_are_left_aside(header: str, lines: Sequence[str], count: int) -> None:
    statement = read(table("某银行", "账号：6222,,户名：云帆", header, *lines))
    assert (statement.refusal, statement.lines_total) == ({}, count)


@pytest.mark.parametrize(
    ("line", "said", "expected"),
    [
        ("x,1.00,REFERENCE0000000001,T1", {}, cell(2, "交易日期", "time", "x")),
        (",1.00,REFERENCE0000000001,T1", {}, cell(2, "交易日期", "time", "")),
        (f"{DAY},,R1,T1", {}, cell(2, "交易金额", "blank", "")),
        (f"{DAY},1.00,R1,2.02611E+27", SERIAL, cell(2, "流水号", "number_as_id", "2.02611E+27")),
        (f"{DAY},1.00,R1,20261100000000000", SERIAL, cell(2, "流水号", "number_as_id", "20261100000000000")),
        (f"{DAY},1.00,20261128220014000000000000000,T1", {},
         cell(2, "订单号", "number_as_id", "20261128220014000000000000000")),
        (f"{DAY},1.99E+05,R1,T1", {}, cell(2, "交易金额", "rounded", "1.99E+05")),
        (f"{DAY},1,199.00,R1,T1", {}, cell(2, "5", "columns", "T1")),
        (f"{DAY},1.00,R1", {}, cell(2, "3", "columns", "R1")),
        (f"{DAY},1.00,R1,{'9' * 65}", SERIAL, cell(2, "流水号", "too_long", "9" * 60 + "…")),
        ("2026-11-28,1.00,R1,T\ufffd1", SERIAL, cell(2, "流水号", "unreadable", "T\ufffd1")),
    ],
)  # fmt: skip
def test_refusal_names_line_column_and_cell(line: str, said: dict[str, str], expected: Any) -> None:
    assert refusal(read(table(HEADER, line), **said)) == expected


@pytest.mark.parametrize(
    ("serials", "is_rounded"),
    [
        (["2026112800001000000", "2026112800001000001"], False),
        (["1234567890123450", "1234567890123460"], False),
        (["2026112800012300000", "2026112800012400000"], True),
        (["20261128000123000000"], True),
        (["1234567890123450"] * 5, True),
    ],
)
def test_a_column_that_lost_its_digits_refuses(serials: list[str], is_rounded: bool) -> None:
    content = table(HEADER, *(f"{DAY},1.00,R{n},{serial}" for n, serial in enumerate(serials)))
    statement = read(content, **SERIAL)
    if is_rounded:
        assert refusal(statement) == cell(2, "流水号", "number_as_id", serials[0])
    else:
        assert statement.lines_total == len(serials)


def test_two_columns_of_one_name_refuse() -> None:
    statement = read(table("交易日期,交易金额,余额,交易金额,订单号", f"{DAY},0.00,9000.00,199.00,R1"))
    assert refusal(statement)[0] == "two_columns"
    assert refusal(statement)[1]["column"] == "交易金额"


def test_a_column_twice_that_nobody_reads_is_fine() -> None:
    assert read(table("备注,交易日期,交易金额,备注,订单号", f"a,{DAY},1.00,b,R1")).lines_total == 1


@pytest.mark.parametrize("last", ["1", "199.", "18"])
def test_last_cell_that_was_cut_refuses(last: str) -> None:
    content = f"交易日期,订单号,流水号,交易金额\r\n{DAY},R1,CL1,199.00\r\n{DAY},R2,CL2,{last}".encode()
    code, params = refusal(read(content, **SERIAL))
    assert code == ("bad_line" if last.endswith(".") else "cut")
    assert (params["line"], params["column"], params["cell"]) == ("3", "交易金额", last)


@pytest.mark.parametrize(("end", "is_read"), [("", False), ("\r\n", True)])
def test_last_figure_may_have_lost_the_sign_behind_it(end: str, is_read: bool) -> None:
    """A bank that writes 199.00- for what went out: 188.00 at the very end may be what is left of 188.00-."""
    content = f"交易日期,订单号,流水号,交易金额\r\n{DAY},R1,CL1,199.00-\r\n{DAY},R2,CL2,188.00{end}".encode()
    statement = read(content, **SERIAL)
    assert (statement.lines_total == 2) if is_read else (refusal(statement)[0] == "cut")


@pytest.mark.parametrize("rest", [f"{DAY},R2,CL2", "2026-11", f"{DAY},R2,CL2,188.00"])
def test_file_that_ends_within_a_line_refuses(rest: str) -> None:
    content = f"交易日期,订单号,流水号,交易金额\r\n{DAY},R1,CL1,199.00\r\n{rest}".encode()
    is_whole = rest.endswith("188.00")
    assert read(content, **SERIAL).status == ("matched" if is_whole else "refused")


def test_memo_of_any_length_belongs_to_nobody() -> None:
    account = account_at("webhook")
    known = paid(account, provider_reference="")
    memo = "货款" * 60
    content = table("交易日期,交易金额,附言", f"{DAY},199.00,{memo}", f"{DAY},199.00,{known.reference}")

    statement = take(account, content, mapping=mapping(reference_column="附言"))

    found = statement.lines.order_by("number").values_list("reference", "result", "note")
    assert list(found) == [(memo[:64], "missing_here", ""), (known.reference, "matched", "")]


def test_number_inside_a_memo_is_a_proposal() -> None:
    account = account_at("webhook")
    attempts = [attempt(account) for _ in range(3)]
    one, two, three = (one.reference for one in attempts)
    spaced = " ".join(two[start : start + 4] for start in range(0, len(two), 4))
    memos = (f"订单{one}货款", spaced, three.lower(), "")
    lines = [f"{DAY},199.00,{memo},NM{n}" for n, memo in enumerate(memos)]

    statement = take(
        account,
        table("交易日期,交易金额,附言,流水号", *lines),
        mapping=mapping(**SERIAL, reference_column="附言"),
    )

    found = statement.lines.order_by("number").values_list("payment_id", "result", "note")
    assert list(found) == [
        *((one.pk, "missing_here", "in_text") for one in attempts),
        (None, "missing_here", ""),
    ]
    assert settle.settle(statement) == 0
    assert set(Payment.objects.values_list("status", flat=True)) == {"open"}
    assert settle.raise_cases(statement) == 4
    assert PaymentException.objects.filter(payment__in=attempts).count() == 3


def test_number_in_a_memo_beside_is_proposed() -> None:
    account = account_at("webhook")
    stuck = attempt(account)
    content = table(f"{HEADER},附言", f"{DAY},199.00,,T1,付 {stuck.reference}")
    statement = take(account, content, mapping=mapping(**SERIAL))
    assert statement.lines.values_list("payment_id", "note").get() == (stuck.pk, "in_text")
    assert settle.settle(statement) == 0


def test_formula_without_a_value_is_named() -> None:
    content = workbooks.xlsx([["交易日期", "交易金额", "订单号"], [DAY, "=100+99", "R1"]])
    statement = read(content)
    assert refusal(statement)[1] == {"line": "2", "column": "交易金额", "problem": "formula", "cell": ""}


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ("%m/%d", "no_year"),
        ("%Y-%m-%d %H:%M:%S %z", "zone_in_form"),
        ("%Y-%m-%d %Z", "zone_in_form"),
        ("%Y%Y%m%d", "bad_form"),
    ],
)
def test_form_without_a_day_is_refused_at_once(form: str, code: str) -> None:
    assert refusal(read(table(HEADER, f"{DAY},1.00,R1,T1"), date_format=form)) == (code, {"form": form})


def test_account_with_asterisks_is_compared() -> None:
    content = table("账号,交易日期,交易金额,订单号", f"6222****01,{DAY},1.00,R1")
    assert read(content, account_column="账号", account_value="6222000001").lines_total == 1


def test_a_line_of_another_account_refuses() -> None:
    content = table("账号,交易日期,交易金额,订单号", f"6222 0001,{DAY},1.00,R1", f"62220002,{DAY},1.00,R2")
    statement = read(content, account_column="账号", account_value="62220001")
    assert refusal(statement) == ("wrong_account", {"found": "62220002", "expected": "62220001"})
