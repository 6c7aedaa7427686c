"""`import_statement`: exact JSON, one line for a refusal, progress beside it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orders.models import Order
from payments.models import Payment, PaymentAccount, Statement, StatementMapping
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.bills import Row
from payments.reconciliation.tests.shop import account_at, attempt, paid, row_of

pytestmark = pytest.mark.django_db


def run(path: Path, account: PaymentAccount, *options: str) -> tuple[Any, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("import_statement", str(path), "--account", account.slug, *options, stdout=out, stderr=err)
    text = out.getvalue()
    return (json.loads(text) if "--json" in options else text), err.getvalue()


def results(**given: int) -> dict[str, int]:
    names = ("matched", "missing_here", "missing_there", "amount_differs", "duplicate")
    return {name: given.get(name, 0) for name in names}


@pytest.fixture
def bill(tmp_path: Path) -> tuple[Path, PaymentAccount, Payment]:
    """One matched, one stuck, one unknown, one of another amount, one twice; one that the file lacks."""
    account = account_at("alipay")
    one, stuck, differs = paid(account), attempt(account), paid(account)
    paid(account)
    rows = [
        row_of(one),
        row_of(stuck),
        Row("UNKNOWN000000001", "T1", "3.00"),
        row_of(differs, amount="1.00"),
        row_of(one),
    ]
    path = tmp_path / "whatever.bin"
    path.write_bytes(bills.alipay_zip(rows))
    return path, account, stuck


def test_json_has_the_promised_keys(bill: tuple[Path, PaymentAccount, Payment]) -> None:
    path, account, stuck = bill
    found, progress = run(path, account, "--json")
    assert found == {
        "lines": 5,
        "results": results(matched=1, missing_here=2, missing_there=1, amount_differs=1, duplicate=1),
        "settled": 0,
    }
    assert "100 %  5 lines" in progress
    assert Order.objects.get(pk=stuck.order_id).status == "pending"


def test_settle_option_settles_once(bill: tuple[Path, PaymentAccount, Payment]) -> None:
    path, account, stuck = bill
    first, _progress = run(path, account, "--settle", "--json")
    again, warning = run(path, account, "--settle", "--json")
    assert first["settled"] == 1
    assert Order.objects.get(pk=stuck.order_id).status == "paid"
    assert again == {"lines": 5, "results": results(duplicate=5), "settled": 0}
    assert "imported before as statement" in warning
    assert Statement.objects.count() == 1


def test_second_call_settles_an_imported_file(
    bill: tuple[Path, PaymentAccount, Payment],
) -> None:
    path, account, stuck = bill
    run(path, account)
    found, _warning = run(path, account, "--settle", "--json")
    assert found["settled"] == 1
    assert Payment.objects.get(pk=stuck.pk).status == "paid"


def test_without_json_it_prints_a_line(bill: tuple[Path, PaymentAccount, Payment]) -> None:
    path, account, _stuck = bill
    text, _progress = run(path, account)
    assert text == (
        "lines: 5, matched: 1, missing here: 2, missing there: 1, amount differs: 1, duplicate: 1, settled: 0\n"
    )


def test_a_refused_file_ends_with_one_line(tmp_path: Path) -> None:
    account = account_at("wechatpay")
    path = tmp_path / "bill.csv"
    path.write_bytes(bills.wechat_csv([row_of(attempt(account))])[:-60])
    with pytest.raises(CommandError) as refused:
        run(path, account, "--settle", "--json")
    assert str(refused.value) == "The file ends before its closing totals: it is cut off."
    assert Statement.objects.get().status == "refused"
    assert Order.objects.get().status == "pending"


@pytest.mark.parametrize("options", [("--mapping", "nothing"), ()])
def test_missing_file_or_mapping_is_named(tmp_path: Path, options: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as refused:
        run(tmp_path / "none.csv", account_at("webhook"), *options)
    assert str(refused.value) in (
        "There is no mapping nothing.",
        f"{tmp_path}/none.csv: No such file or directory",
    )


def test_a_bank_file_takes_a_mapping(tmp_path: Path) -> None:
    account = account_at("webhook")
    stuck = attempt(account)
    columns = {"amount_column": "sum", "time_column": "at", "reference_column": "no"}
    StatementMapping.objects.create(name="bank", **columns)
    path = tmp_path / "bank.csv"
    path.write_text(f"no,sum,at\n{stuck.reference},199.00,2026-11-21 10:00:00\n")
    found, _progress = run(path, account, "--mapping", "bank", "--settle", "--json")
    assert found == {"lines": 1, "results": results(missing_here=1), "settled": 1}
