"""Guessing a mapping: what a table's header and cells say, what stays doubtful, and what only a person can know."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import pytest

from payments.reconciliation.readers.guess import NONE, FileMapping, complete, suggest
from payments.reconciliation.refusals import Refused

OURS = "7F3KHSY5QW8NM2D4VZ6TBXRC"


class TableRow(NamedTuple):
    number: int
    cells: tuple[Any, ...]


def table(*lines: str) -> list[TableRow]:
    """Rows of a table whose cells are separated by bars."""
    return [TableRow(number, tuple(line.split("|"))) for number, line in enumerate(lines, start=1)]


def said(*lines: str, **mapping: Any) -> dict[str, Any]:
    """The fields that are filled for a table."""
    guess = complete(table(*lines), FileMapping(**mapping))
    return {name: getattr(guess.mapping, name) for name in guess.guessed}


def refusal(*lines: str, **mapping: Any) -> dict[str, Any]:
    with pytest.raises(Refused) as refused:
        complete(table(*lines), FileMapping(**mapping))
    return refused.value.as_dict()


def test_a_plain_table_needs_no_mapping() -> None:
    guess = complete(table("交易日期|交易金额|订单号|流水号", f"2026-11-28|199.00|{OURS}|NM1"), FileMapping())

    assert guess.mapping == FileMapping(
        time_column="交易日期",
        date_format="%Y-%m-%d",
        amount_column="交易金额",
        unit="yuan",
        decimal_mark=".",
        currency="CNY",
        reference_column="订单号",
        provider_reference_column="流水号",
    )
    assert guess.header.number == 1
    assert {name: doubt.code for name, doubt in guess.doubts.items()} == {"kind_column": "no_direction"}


def test_the_header_stands_below_any_preamble() -> None:
    rows = table("云帆银行对账单", "账号|6222", "", "交易时间|金额", "2026-11-28 09:00:00|1.00")

    assert complete(rows, FileMapping()).header.number == 4


def test_full_width_and_units_do_not_count() -> None:
    found = said("交易日期[ Transaction Date ]|收入金额（元）|支出金额（元）", "2026-11-28|1.00|")

    assert found["time_column"] == "交易日期[ Transaction Date ]"
    assert (found["amount_in_column"], found["amount_out_column"]) == ("收入金额（元）", "支出金额（元）")


def test_a_file_without_a_header_is_refused() -> None:
    assert refusal("2026-11-28|199.00", "2026-11-29|88.00")["code"] == "header_not_found"


def test_a_named_column_that_is_missing_is_named() -> None:
    given = refusal("交易日期|金额", "2026-11-28|1.00", amount_column="交易额")

    assert given == {"code": "missing_column", "params": {"column": "交易额"}}


def test_a_column_twice_is_refused() -> None:
    given = refusal(
        "交易日期|金额|金额", "2026-11-28|0.00|199.00", amount_column="金额", time_column="交易日期"
    )

    assert given == {"code": "two_columns", "params": {"column": "金额", "line": "1"}}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2026-11-28", "%Y-%m-%d"),
        ("2026/11/28 9:05", "%Y/%m/%d %H:%M"),
        ("20261128", "%Y%m%d"),
        ("20261128 18:22:21", "%Y%m%d %H:%M:%S"),
        ("20261128182221", "%Y%m%d%H%M%S"),
        ("2026-11-28-09.12.33.120345", "%Y-%m-%d-%H.%M.%S.%f"),
        ("2026-11-28T09:12:33", "%Y-%m-%dT%H:%M:%S"),
        ("2026年11月28日 9时05分", "%Y年%m月%d日 %H时%M分"),
        ("2026.11.28", "%Y.%m.%d"),
        ("28.11.2026", "%d.%m.%Y"),
        ("11/28/2026 09:12:33 AM", "%m/%d/%Y %I:%M:%S %p"),
        ("28-Nov-2026", "%d-%b-%Y"),
        ("28 November 2026", "%d %B %Y"),
    ],
)
def test_times_are_recognised_by_shape(text: str, form: str) -> None:
    assert said("交易时间|金额", f"{text}|1.00")["date_format"] == form


def test_a_column_of_hours_is_no_time() -> None:
    found = said("交易日|交易时间|贷方金额|借方金额", "20261128|09:12:33|1.00|")

    assert (found["time_column"], found["date_format"]) == ("交易日", "%Y%m%d")


def test_a_time_of_day_beats_the_day() -> None:
    assert said("记账日期|交易时间|金额", "20261128|20261128 18:22:21|1.00")["time_column"] == "交易时间"


@pytest.mark.parametrize("text", ["11/28", "11-28", "11月28日", "11/28 09:12"])
def test_a_time_without_a_year_is_refused(text: str) -> None:
    assert refusal("记账日|金额", f"{text}|1.00") == {"code": "no_year", "params": {"form": text}}


def test_day_and_month_stay_doubtful() -> None:
    guess = complete(table("Date|Amount", "04/11/2026|1.00", "05/11/2026|2.00"), FileMapping())

    assert guess.mapping.date_format == "%d/%m/%Y"
    doubt = guess.doubts["date_format"]
    assert (doubt.code, doubt.params) == (
        "day_and_month",
        {"text": "04/11/2026", "taken": "2026-11-04", "other": "2026-04-11"},
    )


def test_a_day_past_the_twelfth_settles_the_order() -> None:
    guess = complete(table("Date|Amount", "04/11/2026|1.00", "28/11/2026|2.00"), FileMapping())

    assert guess.mapping.date_format == "%d/%m/%Y"
    assert "date_format" not in guess.doubts


def test_dates_of_a_workbook_need_no_form() -> None:
    at = datetime(2026, 11, 28)  # noqa: DTZ001  # as it stands in a workbook
    rows = [TableRow(1, ("交易日期", "金额")), TableRow(2, (at, 1.0)), TableRow(3, (46354.375, 2.0))]

    assert complete(rows, FileMapping()).mapping.date_format == ""


def test_two_amounts_equally_good_are_refused() -> None:
    given = refusal("交易日期|交易金额|发生额", "2026-11-28|199.00|198.00")

    assert given == {"code": "columns_alike", "params": {"what": "the_amount", "columns": "交易金额, 发生额"}}


def test_the_same_amount_twice_is_no_doubt() -> None:
    assert said("交易日期|交易金额|发生额", "2026-11-28|199.00|199.00")["amount_column"] == "交易金额"


def test_a_balance_or_a_fee_is_no_amount() -> None:
    assert refusal("交易日期|余额|手续费金额", "2026-11-28|9000.00|0.10")["code"] == "column_not_found"


def test_an_amount_is_known_by_its_figures() -> None:
    found = said("交易日期|交易金额|金额", "2026-11-28|转账|￥1,199.00")

    assert found["amount_column"] == "金额"


@pytest.mark.parametrize(
    ("amounts", "mark"),
    [
        (("199,00", "12,5"), ","),
        (("1.199,00", "12,50"), ","),
        (("1,199.00", "12.50"), "."),
        (("1,199", "12.50"), "."),
        (("1.199", "12,50"), ","),
        (("1,234,567",), "."),
        (("1.234.567",), ","),
        (("199",), "."),
    ],
)
def test_the_decimal_mark_is_found(amounts: tuple[str, ...], mark: str) -> None:
    lines = [f"2026-11-28|{amount}" for amount in amounts]

    assert said("交易日期|金额", *lines)["decimal_mark"] == mark


def test_one_mark_before_three_digits_is_doubtful() -> None:
    doubts = complete(table("交易日期|金额", "2026-11-28|1,199"), FileMapping()).doubts

    assert doubts["decimal_mark"].code == "decimal_mark"


def test_two_decimal_marks_are_refused() -> None:
    assert refusal("交易日期|金额", "2026-11-28|1,5", "2026-11-28|1.5")["code"] == "decimal_marks_differ"


def test_fen_is_read_from_the_header() -> None:
    assert said("交易日期|交易金额(分)", "2026-11-28|19900")["unit"] == "fen"
    assert said("单位：分", "交易日期|交易金额", "2026-11-28|19900")["unit"] == "fen"


@pytest.mark.parametrize(
    ("into", "out"), [("贷", "借"), ("收入", "支出"), ("来账", "往账"), ("贷 Cr", "借 Dr"), ("C", "D")]
)
def test_words_say_which_way_money_went(into: str, out: str) -> None:
    found = said("交易日期|借贷标志|金额", f"2026-11-28|{into}|1.00", f"2026-11-28|{out}|2.00")

    assert (found["kind_column"], found["payment_words"], found["refund_words"]) == (
        "借贷标志",
        (into,),
        (out,),
    )


def test_an_unknown_word_of_kind_is_shown() -> None:
    given = refusal("交易日期|收/支|金额", "2026-11-28|收入|1.00", "2026-11-28|划扣|2.00")

    assert given == {"code": "unknown_kinds", "params": {"words": "划扣"}}


def test_a_word_that_was_given_a_meaning_keeps_it() -> None:
    lines = ("交易日期|收/支|金额", "2026-11-28|收入|1.00", "2026-11-28|划扣|2.00")
    found = said(*lines, kind_column="收/支", ignored_words=("划扣",))

    assert found["payment_words"] == ("收入",)
    assert "ignored_words" not in found


def test_two_columns_need_no_words() -> None:
    found = said("交易日期|借/贷|收入金额|支出金额", "2026-11-28|贷|1.00|", "2026-11-28|借||2.00")

    assert "kind_column" not in found
    assert (found["amount_in_column"], found["amount_out_column"]) == ("收入金额", "支出金额")


def test_only_some_states_mean_money() -> None:
    states = ("交易关闭", "等待付款", "交易成功")
    found = said("交易时间|金额|交易状态", *(f"2026-11-28 09:10:00|199.00|{state}" for state in states))

    assert (found["status_column"], found["status_words"]) == ("交易状态", ("交易成功",))


def test_an_unknown_state_is_shown() -> None:
    given = refusal("交易时间|金额|交易状态", "2026-11-28|1.00|交易成功", "2026-11-28|1.00|冻结")

    assert given == {"code": "unknown_states", "params": {"words": "冻结"}}


def test_other_currencies_are_doubtful() -> None:
    guess = complete(
        table("交易日期|币别|金额", "2026-11-28|港币|1.00", "2026-11-28|人民币|1.00"), FileMapping()
    )

    assert guess.mapping.currency_column == "币别"
    assert guess.doubts["currency_column"].params == {"words": "港币"}


def test_our_number_is_found_by_its_form() -> None:
    found = said("交易日期|金额|订单号|附言", f"2026-11-28|1.00||{OURS}")

    assert found["reference_column"] == "附言"


def test_our_number_inside_a_text_is_doubtful() -> None:
    guess = complete(table("交易日期|金额|附言", f"2026-11-28|1.00|订单{OURS}货款"), FileMapping())

    assert guess.mapping.reference_column == "附言"
    assert guess.doubts["reference_column"].code == "inside_text"


def test_a_repeated_serial_is_none() -> None:
    found = said("交易日期|金额|流水号", "2026-11-28|1.00|0", "2026-11-28|2.00|0")

    assert "provider_reference_column" not in found


def test_what_a_person_chose_is_kept() -> None:
    lines = ("交易日期|交易金额|发生额|流水号", "2026-11-28|199.00|198.00|NM1")
    guess = complete(table(*lines), FileMapping(amount_column="发生额", provider_reference_column=NONE))

    assert guess.mapping.amount_column == "发生额"
    assert guess.mapping.provider_reference_column == ""


def test_footers_do_not_disturb() -> None:
    found = said("交易日期|摘要|交易金额", "2026-11-28|汇入|199.00", " ", "合计金额||199.00", "共 1 笔")

    assert (found["date_format"], found["amount_column"]) == ("%Y-%m-%d", "交易金额")


def test_what_blocks_is_only_shown_to_a_person() -> None:
    guess = suggest(table("交易日期|交易金额|发生额", "2026-11-28|199.00|198.00"), FileMapping())

    assert guess.mapping.amount_column == ""
    assert guess.doubts["amount_column"].is_blocking
