"""The reading page: what it shows of a file, what a person may choose, and what is read then."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from orders.models import Order
from payments.models import Payment, PaymentAccount, Statement, StatementMapping
from payments.reconciliation import importing
from payments.reconciliation import settle as settling
from payments.reconciliation.tests.banks import BANKS, Sale
from payments.reconciliation.tests.html_form import reading_form
from payments.reconciliation.tests.shop import account_at, attempt, results
from payments.reconciliation.tests.staff import client_of

pytestmark = pytest.mark.django_db
PLAIN = "交易日期,交易金额,订单号\n2026-11-28,199.00,{}\n"


def hand_in(client: Client, account: PaymentAccount, content: bytes | str, **data: Any) -> Statement:
    raw = content.encode() if isinstance(content, str) else content
    file = SimpleUploadedFile("bank.csv", raw)
    client.post("/admin/payments/statement/add/", {"account": account.pk, "file": file, **data})
    return Statement.objects.latest("id")


def address(statement: Statement, page: str = "reading") -> str:
    return f"/admin/payments/statement/{statement.pk}/{page}/"


def shown(client: Client, statement: Statement) -> str:
    return client.get(address(statement)).content.decode()


def read(client: Client, statement: Statement, **changes: str) -> Any:
    """Press the button on the page as it is, with some choices changed."""
    values, _choices = reading_form(shown(client, statement))
    return client.post(address(statement), {**values, **changes, "read": "1"})


def sale_of(payment: Payment) -> Sale:
    return Sale(payment.reference, payment.amount)


@pytest.mark.parametrize("bank", BANKS)
def test_ten_banks_are_read_as_recognised(bank: str) -> None:
    account = account_at("webhook")
    stuck, finance, second = attempt(account), client_of("finance"), client_of("finance", "finance 2")
    other = attempt(account)

    statement = hand_in(finance, account, BANKS[bank]([sale_of(stuck), sale_of(other)]))
    assert statement.status == "choosing"
    answer = read(finance, statement)
    assert answer.status_code == 302, re.findall(r'os-error">(.*?)</p>', answer.content.decode())
    importing.import_statements()
    second.post(f"/admin/payments/statement/{statement.pk}/do/settle/")
    settling.settle_statements()

    statement.refresh_from_db()
    assert (statement.status, statement.payments_amount) == ("matched", stuck.amount + other.amount)
    assert set(Order.objects.values_list("status", flat=True)) == {"paid"}


def test_the_page_says_what_was_recognised() -> None:
    account, client = account_at("webhook"), client_of("finance")
    payment = attempt(account)
    page = shown(client, hand_in(client, account, PLAIN.format(payment.reference)))

    values, choices = reading_form(page)
    assert (values["time_column"], values["amount_column"], values["reference_column"]) == (
        "交易日期",
        "交易金额",
        "订单号",
    )
    assert choices["amount_column"] == ["-", "交易日期", "交易金额", "订单号"]
    assert payment.order.number in page
    assert "Nothing says which way money went" in page


def test_a_mapping_is_saved_and_taken_next_time() -> None:
    account, client = account_at("webhook"), client_of("finance")
    first, second = attempt(account), attempt(account)
    read(client, hand_in(client, account, PLAIN.format(first.reference)), name="云帆银行")
    mapping = StatementMapping.objects.get(name="云帆银行")

    statement = hand_in(client, account, PLAIN.format(second.reference), mapping=mapping.pk)

    assert (mapping.amount_column, mapping.date_format, mapping.encoding) == ("交易金额", "%Y-%m-%d", "")
    assert (statement.status, statement.mapping) == ("uploaded", mapping)


def test_a_taken_name_is_refused_and_choices_stay() -> None:
    StatementMapping.objects.create(name="bank", amount_column="金额")
    account, client = account_at("webhook"), client_of("finance")
    statement = hand_in(client, account, PLAIN.format("CASE"))

    answer = read(client, statement, name="bank", reference_column="-", unit="fen")

    page = answer.content.decode()
    values, _choices = reading_form(page)
    assert "There is a mapping of this name" in page
    assert (values["name"], values["reference_column"], values["unit"]) == ("bank", "-", "fen")
    assert StatementMapping.objects.get().amount_column == "金额"
    assert Statement.objects.get().status == "choosing"


def test_a_mapping_is_replaced_when_it_is_said() -> None:
    StatementMapping.objects.create(name="bank", amount_column="金额")
    account, client = account_at("webhook"), client_of("finance")

    read(client, hand_in(client, account, PLAIN.format("CASE")), name="bank", replace="on")

    assert StatementMapping.objects.get().amount_column == "交易金额"


def test_no_column_is_kept_where_one_is_recognised() -> None:
    account, client = account_at("webhook"), client_of("finance")
    statement = hand_in(
        client, account, "交易日期,金额,订单号,流水号\n2026-11-28,1.00,CASEAA00000000000001,NM1\n"
    )

    read(client, statement, provider_reference_column="-")

    mapping = StatementMapping.objects.get()
    assert (mapping.provider_reference_column, mapping.refund_reference_column) == ("-", "")


def test_unknown_words_get_their_meaning_from_a_list() -> None:
    account, client = account_at("webhook"), client_of("finance")
    lines = "交易日期,收/支,金额,订单号\n2026-11-28,收入,1.00,A\n2026-11-28,划扣,2.00,B\n"
    statement = hand_in(client, account, lines)

    refused = read(client, statement)
    assert "划扣" in refused.content.decode()
    assert Statement.objects.get().status == "choosing"
    read(client, statement, **{"kind:划扣": "ignored_words"})

    mapping = StatementMapping.objects.get()
    assert (mapping.kind_column, mapping.payment_words, mapping.ignored_words) == (
        "收/支",
        "收入\n",
        "划扣\n",
    )


def test_an_unknown_state_waits_for_a_person() -> None:
    account, client = account_at("webhook"), client_of("finance")
    lines = "交易时间,金额,订单号,交易状态\n2026-11-28,1.00,A,交易成功\n2026-11-28,2.00,B,冻结\n"
    statement = hand_in(client, account, lines)

    refused = read(client, statement)
    assert refused.status_code == 200
    assert Statement.objects.get().status == "choosing"
    read(client, statement, **{"state:冻结": "unpaid"})

    assert StatementMapping.objects.get().status_words == "交易成功\n"


def test_another_kind_column_shows_its_words() -> None:
    account, client = account_at("webhook"), client_of("finance")
    lines = "交易日期,摘要,金额,订单号\n2026-11-28,货款,1.00,A\n2026-11-28,付供应商货款,-2.00,B\n"
    statement = hand_in(client, account, lines)
    values, _choices = reading_form(shown(client, statement))

    answer = client.post(address(statement), {**values, "kind_column": "摘要", "look": "1"})

    _values, choices = reading_form(answer.content.decode())
    assert {name for name in choices if name.startswith("kind:")} == {"kind:货款", "kind:付供应商货款"}
    assert not StatementMapping.objects.exists()


def test_an_ambiguous_day_is_chosen_by_example() -> None:
    account, client = account_at("webhook"), client_of("finance")
    statement = hand_in(client, account, "Date,Amount,Order\n04/11/2026,199.00,A\n05/11/2026,88.00,B\n")
    page = shown(client, statement)

    assert "04/11/2026 is read as 2026-11-04; it could be 2026-04-11." in page
    assert reading_form(page)[1]["date_format"] == ["%d/%m/%Y", "%m/%d/%Y"]
    read(client, statement, date_format="%m/%d/%Y")
    assert StatementMapping.objects.get().date_format == "%m/%d/%Y"


def test_a_line_that_cannot_be_read_shows_itself() -> None:
    account, client = account_at("webhook"), client_of("finance")
    lines = "交易日期,交易金额,订单号\n2026-11-28,199.00,A\n2026-11-28,abc,B\n"
    statement = hand_in(client, account, lines)

    page = shown(client, statement)

    assert "Line 3" in page
    assert "abc" in page


def test_a_refused_file_is_read_again_from_its_page() -> None:
    account, client = account_at("webhook"), client_of("finance")
    stuck = attempt(account)
    wrong = StatementMapping.objects.create(name="wrong", amount_column="余额", time_column="日子")
    statement = hand_in(client, account, PLAIN.format(stuck.reference), mapping=wrong.pk)
    importing.import_statements()
    assert Statement.objects.get().status == "refused"

    page = client.get(address(statement, "change")).content.decode()
    assert address(statement) in page
    assert "The file has no column" in shown(client, statement)
    read(client, statement, name="right")
    importing.import_statements()

    statement.refresh_from_db()
    assert (statement.status, results(statement)) == ("matched", {"missing_here": 1})
    assert statement.mapping == StatementMapping.objects.get(name="right")


def test_a_wrong_reading_is_read_again() -> None:
    account, client = account_at("webhook"), client_of("finance")
    stuck = attempt(account)
    lines = f"交易日期,余额,交易金额,订单号,流水号\n2026-11-28,9000.00,{stuck.amount},{stuck.reference},WM1\n"
    wrong = StatementMapping.objects.create(
        name="wrong", amount_column="余额", time_column="交易日期", reference_column="订单号"
    )
    first = hand_in(client, account, lines, mapping=wrong.pk)
    importing.import_statements()

    read(client, first, name="right", amount_column="交易金额")
    importing.import_statements()

    again = Statement.objects.latest("id")
    assert again.pk != first.pk
    assert (again.status, results(again)) == ("matched", {"missing_here": 1})
    assert again.payments_amount == stuck.amount


def test_only_who_handed_it_in_chooses() -> None:
    account, client = account_at("webhook"), client_of("finance")
    statement = hand_in(client, account, PLAIN.format("CASE"))

    answer = read(client_of("finance", "finance 2"), statement)

    assert "Hand it in yourself" in answer.content.decode()
    assert Statement.objects.get().status == "choosing"
    assert not StatementMapping.objects.exists()


def test_handing_it_in_again_takes_it_over() -> None:
    account, client, second = account_at("webhook"), client_of("finance"), client_of("finance", "finance 2")
    first = hand_in(client, account, PLAIN.format("CASE"))

    again = hand_in(second, account, PLAIN.format("CASE"))

    assert again == first
    assert read(second, again).status_code == 302


@pytest.mark.parametrize("role", ["agent", "viewer", "auditor", "supervisor"])
def test_the_page_is_for_those_who_import(role: str) -> None:
    account, client = account_at("webhook"), client_of("finance")
    statement = hand_in(client, account, PLAIN.format("CASE"))

    assert client_of(role).get(address(statement)).status_code == 403
    assert client_of(role, "b").post(address(statement), {"read": "1"}).status_code == 403


def test_a_file_that_is_no_table_says_so() -> None:
    account, client = account_at("webhook"), client_of("finance")
    statement = hand_in(client, account, "Dear Sir,\nplease find below\n")

    assert "The file cannot be read" in shown(client, statement)


def test_a_provider_bill_needs_no_page() -> None:
    account, client = account_at("webhook"), client_of("finance")
    stuck = attempt(account)
    mapping = StatementMapping.objects.create(name="bank")
    statement = hand_in(client, account, PLAIN.format(stuck.reference), mapping=mapping.pk)
    importing.import_statements()

    statement.refresh_from_db()
    assert (statement.status, statement.payments_amount) == ("matched", Decimal("199.00"))


def test_blank_choices_of_a_mapping_say_recognised() -> None:
    page = client_of("finance").get("/admin/payments/statementmapping/add/").content.decode()

    for name in ("encoding", "delimiter", "date_format", "unit", "decimal_mark"):
        found = re.search(
            rf'<select name="{name}".*?<option value=""[^>]*>\s*(.*?)\s*</option>', page, re.DOTALL
        )
        assert found is not None, name
        assert found[1] == "– recognised from each file –", name


def test_viewer_sees_a_mapping() -> None:
    mapping = StatementMapping.objects.create(name="ICBC", unit="fen")

    answer = client_of("viewer").get(f"/admin/payments/statementmapping/{mapping.pk}/change/")

    assert answer.status_code == 200
    assert "ICBC" in answer.content.decode()
