"""The wizard: who may do what, and what each step shows."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from orders.models import Order, OrderEvent
from payments.models import PaymentException, Statement, StatementMapping
from payments.reconciliation import importing
from payments.reconciliation import settle as settling
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.bills import Row
from payments.reconciliation.tests.shop import account_at, attempt, paid, row_of, take, trade_number
from payments.reconciliation.tests.staff import client_of

pytestmark = pytest.mark.django_db
ADD = "/admin/payments/statement/add/"


def upload(client: Client, content: bytes, account: Any) -> Any:
    file = SimpleUploadedFile("账单.zip", content)
    return client.post(ADD, {"account": account.pk, "file": file})


def page(client: Client, statement: Statement) -> str:
    return client.get(f"/admin/payments/statement/{statement.pk}/change/").content.decode()


def test_from_the_file_to_the_paid_order() -> None:
    account = account_at("alipay")
    stuck, client, second = attempt(account), client_of("finance"), client_of("finance", "finance 2")
    rows = [row_of(stuck), Row("UNKNOWN000000001", "T1", "3.00")]
    answer = upload(client, bills.alipay_zip(rows), account)
    statement = Statement.objects.get()
    assert (answer.status_code, answer["Location"]) == (
        302,
        f"/admin/payments/statement/{statement.pk}/change/",
    )
    assert (statement.file_name, statement.source, statement.status) == ("账单.zip", "upload", "uploaded")
    assert "data-progress=" in page(client, statement)
    importing.import_statements()
    assert json.loads(client.get(f"/admin/payments/statement/{statement.pk}/progress/").content) == {
        "status": "matched", "progress": 100, "lines_read": 2, "settling": False, "to_settle": 0,
    }  # fmt: skip
    shown = page(client, statement)
    assert stuck.order.number in shown
    hint = "so a colleague confirms it: finance 2."
    assert (hint in shown, hint in page(second, statement)) == (True, False)
    assert "data-progress=" not in shown
    assert Order.objects.get().status == "pending"
    settle = f"/admin/payments/statement/{statement.pk}/do/settle/"
    assert client.post(settle).status_code == 302
    assert Statement.objects.get().settle_wanted_at is None  # the file is finance's own
    assert second.post(settle).status_code == 302
    assert "data-progress=" in page(client, statement)
    settling.settle_statements()
    assert Order.objects.get().status == "paid"
    assert Statement.objects.get().settle_wanted_by == User.objects.get(username="finance 2")
    line = OrderEvent.objects.get(to_status="paid")
    assert (line.trigger, line.actor_kind, line.actor_id) == ("statement", "staff", "finance 2")
    assert client.post(f"/admin/payments/statement/{statement.pk}/do/raise/").status_code == 302
    assert PaymentException.objects.get().kind == "statement_difference"


def test_second_upload_leads_to_the_first() -> None:
    account, client = account_at("alipay"), client_of("operations")
    content = bills.alipay_zip([row_of(paid(account))])
    first, second = upload(client, content, account), upload(client, content, account)
    assert first["Location"] == second["Location"]
    assert Statement.objects.count() == 1


@pytest.mark.parametrize("role", ["agent", "operations", "supervisor", "viewer", "auditor"])
def test_only_finance_settles(role: str) -> None:
    account = account_at("alipay")
    attempt(account)
    statement = take(account, bills.alipay_csv([row_of(attempt(account))]))
    client = client_of(role)
    for code in ("settle", "raise"):
        assert client.post(f"/admin/payments/statement/{statement.pk}/do/{code}/").status_code == 403
    settling.settle_statements()
    assert Statement.objects.get().settle_wanted_at is None
    assert set(Order.objects.values_list("status", flat=True)) == {"pending"}
    assert not PaymentException.objects.exists()


@pytest.mark.parametrize("role", ["agent", "viewer", "auditor", "supervisor"])
def test_forbidden_import_stores_nothing(role: str) -> None:
    account = account_at("alipay")
    assert upload(client_of(role), bills.alipay_csv([]), account).status_code == 403
    assert not Statement.objects.exists()


def test_refusal_is_shown_in_one_line() -> None:
    account, client = account_at("alipay"), client_of("finance")
    upload(client, bills.wechat_csv([Row("R", "T", "1.00")]), account)
    importing.import_statements()
    assert "The file is a bill of WeChat Pay, but the account is at Alipay." in page(
        client, Statement.objects.get()
    )


def test_lines_are_filtered_by_result() -> None:
    account, client = account_at("alipay"), client_of("viewer")
    one, other = row_of(paid(account)), row_of(paid(account), amount="1.00")
    statement = take(account, bills.alipay_csv([one, other]))
    address = f"/admin/payments/statementline/?statement={statement.pk}&result__exact=amount_differs"
    shown = client.get(address).content.decode()
    assert other.reference in shown
    assert one.reference not in shown


def test_differences_are_downloaded_as_a_file() -> None:
    account, client = account_at("alipay"), client_of("viewer")
    statement = take(account, bills.alipay_csv([Row("=1+1", "T1", "3.00")]))
    answer = client.get(f"/admin/payments/statement/{statement.pk}/export/")
    assert answer["Content-Disposition"] == f'attachment; filename="statement-{statement.pk}-differences.csv"'
    assert b'"\'=1+1"' in answer.getvalue()


def test_upload_announced_too_large_is_not_read() -> None:
    client = client_of("finance")
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n\r\n--x--\r\n'
    answer = client.generic(
        "POST",
        ADD,
        body,
        content_type="multipart/form-data; boundary=x",
        headers={"content-length": str(2**30)},
    )
    assert answer.status_code == 400
    assert not Statement.objects.exists()


@pytest.mark.parametrize("odd", ["²", "٣", "9" * 40, "9" * 5000, "-1", "1\0", "x"])
def test_odd_number_in_the_address_is_no_fault(odd: str) -> None:
    client = client_of("finance")
    take(account_at("alipay"), bills.alipay_csv([]))
    lines = client.get("/admin/payments/statementline/", {"statement": odd})
    assert lines.status_code == (400 if "\0" in odd else 200)
    assert client.get("/admin/payments/settlementrequest/add/", {"case": odd}).status_code == 200


@pytest.mark.parametrize("odd", ["\0", "A\0", "9" * 5000])
def test_odd_search_for_an_order_is_no_fault(odd: str) -> None:
    number, client = attempt(account_at("alipay")).order.number, client_of("finance")
    add = "/admin/payments/settlementrequest/add/"
    assert client.get(add, {"order": odd}).status_code == 200
    assert client.get(add, {"order": number, "line": odd}).status_code == 200


@pytest.mark.parametrize("odd", ["\0", "²", "9" * 40, "9" * 5000])
@pytest.mark.parametrize("filtered", ["paymentexception/?kind__exact", "statement/?account__id__exact"])
def test_an_odd_filter_is_no_fault(filtered: str, odd: str) -> None:
    answer = client_of("finance").get(f"/admin/payments/{filtered}={quote(odd)}")
    assert answer.status_code in (200, 302, 400)


def test_a_proposal_says_that_it_is_one() -> None:
    account, client = account_at("webhook"), client_of("finance")
    stuck = attempt(account)
    read_by = StatementMapping.objects.create(name="bank", reference_column="附言")
    content = f"交易日期,交易金额,附言\n2026-11-28,199.00,付{stuck.reference}款\n".encode()
    statement = take(account, content, mapping=read_by)
    lines = client.get("/admin/payments/statementline/", {"statement": statement.pk}).content.decode()
    for shown in (lines, page(client, statement)):
        assert "our number was found inside a text" in shown
        assert stuck.order.number in shown
    assert client.post(f"/admin/payments/statement/{statement.pk}/do/raise/").status_code == 302
    case = PaymentException.objects.get()
    shown = client.get(f"/admin/payments/paymentexception/{case.pk}/change/").content.decode()
    assert "our number was found inside a text" in shown


def test_line_is_found_by_each_of_its_numbers() -> None:
    """By those of the payment that it matches, and by its own where no payment has them."""
    account, client = account_at("wechatpay"), client_of("finance")
    known, alone = row_of(paid(account)), Row("UNKNOWN000000001", trade_number(), "3.00")
    statement = take(account, bills.wechat_csv([known, alone]))
    pks = dict(statement.lines.values_list("reference", "pk"))
    for row in (known, alone):
        for number in (row.reference, row.trade, f"#{pks[row.reference]}"):
            answer = client.get("/admin/payments/statementline/", {"q": number})
            assert [line.pk for line in answer.context["cl"].result_list] == [pks[row.reference]], number
