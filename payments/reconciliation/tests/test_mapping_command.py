"""`set_statement_mapping`: what it saves, replaces, writes into the audit and refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command

from orders.models import StaffMail
from ordersite.queue.models import AuditEntry
from payments.models import StatementMapping
from payments.models.statement_mapping import words_of
from payments.reconciliation.readers.guess import FIELDS

pytestmark = pytest.mark.django_db
ALL_KEYS = {
    "encoding": "gbk", "delimiter": "\t", "date_format": "%Y%m%d", "unit": "fen", "decimal_mark": ",", "currency": "CNY",
    "amount_in_column": "收入", "amount_out_column": "支出", "time_column": "交易日", "reference_column": "附言",
    "provider_reference_column": "流水号", "refund_reference_column": "退款单号", "kind_column": "借贷",
    "status_column": "状态",
    "currency_column": "币种", "account_column": "账号", "payment_words": ["贷 Cr", "贷"], "refund_words": ["借 Dr"],
    "ignored_words": ["手续费"], "status_words": ["交易成功"], "account_value": "6222",
}  # fmt: skip


@pytest.fixture
def finance() -> User:
    user = User.objects.create_user("finance", email="finance@example.com", is_staff=True)
    user.groups.add(Group.objects.get(name="finance"))
    return user


def run(path: Path, values: Any, name: str = "bank") -> str:
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    out = io.StringIO()
    call_command("set_statement_mapping", name, "--from-json", str(path), stdout=out)
    return out.getvalue()


def test_all_keys_are_kept(tmp_path: Path) -> None:
    run(tmp_path / "m.json", ALL_KEYS)

    mapping = StatementMapping.objects.get(name="bank")
    lists = {name for name in FIELDS if name.endswith("_words")}
    kept = {name: getattr(mapping, name) for name in FIELDS if name not in lists}
    assert kept == {
        **{name: ALL_KEYS[name] for name in kept if name in ALL_KEYS},
        "encoding": "gb18030",
        "amount_column": "",
    }
    assert {name: words_of(getattr(mapping, name)) for name in lists} == {
        name: {*ALL_KEYS[name]} for name in lists
    }


def test_an_empty_file_leaves_all_to_be_guessed(tmp_path: Path) -> None:
    text = run(tmp_path / "m.json", {})

    assert text == f"bank: saved; guessed from each file: {', '.join(FIELDS)}\n"
    assert StatementMapping.objects.get().amount_column == ""


def test_a_second_file_replaces_the_first(tmp_path: Path) -> None:
    run(tmp_path / "m.json", {"amount_column": "金额", "refund_words": ["借"]})
    run(tmp_path / "m.json", {"time_column": "交易日"})

    mapping = StatementMapping.objects.get()
    assert (mapping.amount_column, words_of(mapping.refund_words), mapping.time_column) == (
        "",
        frozenset(),
        "交易日",
    )


def test_the_change_is_audited_and_mailed(tmp_path: Path, finance: User) -> None:
    run(tmp_path / "m.json", {"amount_column": "金额"})
    run(tmp_path / "m.json", {"amount_column": "余额"})

    pk = StatementMapping.objects.get().pk
    entries = AuditEntry.objects.filter(table_name="payments_statementmapping", row_id=pk)
    changes = entries.order_by("id").values_list("column_name", "old_value", "new_value")
    assert list(changes) == [("amount_column", "", "金额"), ("amount_column", "金额", "余额")]
    assert set(StaffMail.objects.values_list("address", flat=True)) == {finance.email}


def test_one_word_needs_no_list(tmp_path: Path) -> None:
    run(tmp_path / "m.json", {"refund_words": "借 Dr"})

    assert words_of(StatementMapping.objects.get().refund_words) == {"借 Dr"}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"amout_column": "金额"}, f"There is no key 'amout_column'. Keys: {', '.join(FIELDS)}."),
        ({"unit": "jiao"}, "'unit' is one of 'yuan', 'fen', not 'jiao'."),
        (
            {"encoding": "big5"},
            "'encoding' is one of 'utf-8-sig', 'gb18030', 'utf-16', 'cp1252', not 'big5'.",
        ),
        ({"decimal_mark": ";"}, "'decimal_mark' is one of '.', ',', not ';'."),
        ({"currency": "yuan"}, "'currency' is a code of three letters such as CNY, not 'yuan'."),
        ({"amount_column": 3}, "'amount_column' is text in quotes."),
        ({"refund_words": {"a": 1}}, "'refund_words' is a list of words."),
        ({"refund_words": [""]}, "'refund_words' is a list of words."),
        ({"date_format": "%m/%d"}, "'date_format': The form of times has no year."),
        (
            {"date_format": "%Y-%m-%d %z"},
            "'date_format': The form of times has a zone: times are Beijing time.",
        ),
        (
            {"payment_words": ["贷"], "refund_words": ["贷"]},
            "'贷' stands in 'payment_words' and in 'refund_words'.",
        ),
        (
            {"amount_column": "金额", "amount_in_column": "收入"},
            "Give 'amount_column', or 'amount_in_column' and 'amount_out_column', not all of them.",
        ),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, values: Any, reason: str) -> None:
    StatementMapping.objects.create(name="bank", amount_column="金额")

    with pytest.raises(CommandError) as refused:
        run(tmp_path / "m.json", values)

    assert str(refused.value) == reason
    assert StatementMapping.objects.get().amount_column == "金额"
    assert not AuditEntry.objects.filter(table_name="payments_statementmapping").exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"unit": "fen", "unit": "yuan"}'])
def test_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(CommandError, match="json"):
        run(tmp_path / "m.json", text)

    assert not StatementMapping.objects.exists()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("set_statement_mapping", "bank", "--from-json", str(tmp_path / "none.json"))
