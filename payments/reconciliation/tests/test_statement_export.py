"""No exported cell is a formula, and what was exported can be read back."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordersite.lib.files.csv_export import csv_lines, plain_cell
from payments.reconciliation import export
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.bills import Row
from payments.reconciliation.tests.shop import account_at, paid, row_of, take

# Written here a second time: what a spreadsheet may take for the beginning of a formula.
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.builds(
    "".join, st.lists(st.sampled_from([*DANGEROUS, "'", '"', ",", "1", "中"]), max_size=6)
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=5))
def test_cells_are_no_formulas_and_are_read_back(rows: list[list[str]]) -> None:
    text = "".join(csv_lines(rows)).removeprefix("\ufeff")
    read = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert not [cell for row in read for cell in row if cell.startswith(DANGEROUS)]
    assert [[plain_cell(cell) for cell in row] for row in read] == rows


@pytest.mark.django_db
def test_differences_carry_the_expected_values() -> None:
    account = account_at("wechatpay")
    payment = paid(account)
    rows = [row_of(payment, amount="1.00"), Row("=HYPERLINK(1)", "@SUM(1)", "5.00")]
    statement = take(account, bills.wechat_csv(rows))
    text = "".join(export.difference_csv(statement.lines.exclude(result="matched")))
    assert text.startswith("\ufeff")
    read = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert len(read[0]) == 11
    assert [row[3:9] for row in read[1:]] == [
        [
            "1.00",
            payment.reference,
            payment.provider_reference,
            "",
            "2026-11-21 10:00:00",
            payment.order.number,
        ],
        ["5.00", "'=HYPERLINK(1)", "'@SUM(1)", "", "2026-11-21 10:00:00", ""],
    ]
