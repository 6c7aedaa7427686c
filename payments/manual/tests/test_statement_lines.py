"""A statement's line as the evidence of a manual settlement: found on the page, chosen, and of the own shop only."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from orders.approvals.workflow import approve, refuse
from orders.models import Order
from orders.tests.builders import build_merchant, build_order
from ordersite.lib.errors import DomainError
from payments.manual import settle
from payments.manual.settle import SETTLEMENT
from payments.manual.tests.proposals import lines_of, person, wish_for
from payments.models import (
    Payment,
    PaymentAccount,
    PaymentException,
    SettlementRequest,
    StatementLine,
    StatementMapping,
)
from payments.reconciliation import settle as settle_statement
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.bills import Row
from payments.reconciliation.tests.shop import account_at, attempt, paid, results, row_of, take
from payments.tests.steps import run_together

pytestmark = pytest.mark.django_db
ADD = "admin:payments_settlementrequest_add"


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def offered(client: Client, order: Order, term: str = "") -> list[str]:
    """The providers' numbers of the lines that the page offers."""
    page = client.get(reverse(ADD), {"order": order.number, "line": term})
    assert page.status_code == 200
    return [line.provider_reference for line in page.context["lines"]]


def shop() -> tuple[Order, PaymentAccount]:
    """An unpaid order, and a bill with money of its sum, of another sum, and with what is settled already."""
    account = account_at("alipay")
    order = build_order(merchant=account.merchant)
    rows = [
        Row("NOBODYS000000001", "T0000001", "199.00"),
        Row("NOBODYS000000002", "T0000002", "88.00"),
        row_of(paid(account)),
    ]
    take(account, bills.alipay_csv(rows))
    return order, account


def strangers_line() -> StatementLine:
    """The same money at another merchant."""
    other = account_at("wechatpay", "other-wx")
    PaymentAccount.objects.filter(pk=other.pk).update(merchant=build_merchant("other"))
    take(other, bills.wechat_csv([Row("NOBODYS000000009", "T0000009", "199.00")]))
    return StatementLine.objects.get(account=other)


def propose(client: Client, order: Order, account: PaymentAccount, line: StatementLine) -> Any:
    values = {
        "account": account.pk, "amount": "199.00", "provider_reference": line.provider_reference,
        "reason": "流水已到账", "statement_line": line.pk,
    }  # fmt: skip
    return client.post(f"{reverse(ADD)}?order={order.number}&line={line.provider_reference}", values)


def test_offered_by_amount_and_found_by_number() -> None:
    order, _account = shop()
    strangers_line()
    client = logged_in(person("li"))
    assert offered(client, order) == ["T0000001"]
    assert offered(client, order, "T0000002") == ["T0000002"]
    assert offered(client, order, "NOBODYS000000001") == ["T0000001"]
    for term in ("T0000009", "T000000", "%", "'"):
        assert offered(client, order, term) == []


def test_chosen_line_is_evidence_for_approver() -> None:
    order, account = shop()
    line = StatementLine.objects.get(provider_reference="T0000001")
    assert propose(logged_in(person("li")), order, account, line).status_code == 302
    request = SettlementRequest.objects.get()
    assert (request.statement_line, request.files.count(), request.status) == (line, 0, "proposed")
    assert Order.objects.get(pk=order.pk).status == "pending"
    approve = reverse("admin:payments_settlementrequest_do", args=[request.pk, "approve"])
    logged_in(person("wang")).post(approve, {"reason": "已核对"})
    paid_order = Order.objects.get(pk=order.pk)
    assert (paid_order.status, paid_order.total_amount) == ("paid", Decimal("199.00"))
    assert ("manual", "wang") in lines_of(order)


def test_manually_settled_line_opens_no_case() -> None:
    order, account = shop()
    line = StatementLine.objects.get(provider_reference="T0000001")
    wish = wish_for(order, account, provider_reference="T0000001", files=[], statement_line_id=line.pk)
    wish = replace(wish, occurred_at=line.occurred_at)
    approve(SETTLEMENT, settle.propose(wish, user=person("li")).pk, user=person("wang"), note="ok")
    line.refresh_from_db()
    assert (line.payment, line.outcome) == (Payment.objects.get(order=order), "applied")
    assert (settle_statement.settle(line.statement), settle_statement.raise_cases(line.statement)) == (0, 1)
    assert PaymentException.objects.get().detail["provider_reference"] == "T0000002"
    later = take(account, bills.alipay_csv([row_of(paid(account))]))
    assert results(later) == {"matched": 1}, "and no later file is said to lack it"


def test_line_identifies_its_attempt() -> None:
    account = account_at("alipay")
    order = build_order(merchant=account.merchant)
    left, opened = attempt(account, order=order, status="closed"), attempt(account, order=order)
    take(account, bills.alipay_csv([row_of(left, trade="T0000001")]))
    line = StatementLine.objects.get()
    assert line.payment == left
    wish = wish_for(order, account, provider_reference="T0000001", files=[], statement_line_id=line.pk)
    approve(SETTLEMENT, settle.propose(wish, user=person("li")).pk, user=person("wang"), note="ok")
    statuses = [Payment.objects.get(pk=one.pk).status for one in (left, opened)]
    assert statuses == ["paid", "open"]


def test_a_line_of_another_shop_is_no_evidence() -> None:
    order, account = shop()
    answer = propose(logged_in(person("li")), order, account, strangers_line())
    assert answer.status_code == 200
    assert not SettlementRequest.objects.exists()
    assert Order.objects.get(pk=order.pk).history_seq == 1


def line_without_number() -> tuple[list[Order], StatementLine]:
    """Two orders of one sum, and one line of the bank's that names neither."""
    account = account_at("webhook")
    orders = [build_order(merchant=account.merchant) for _ in range(2)]
    mapping = StatementMapping.objects.create(
        name="bank", amount_column="金额", time_column="时间", date_format="%Y-%m-%d %H:%M:%S"
    )
    content = "金额,时间\r\n199.00,2026-11-21 10:00:00\r\n".encode()
    take(account, content, mapping=mapping)
    return orders, StatementLine.objects.get()


def wish(order: Order, line: StatementLine, number: str) -> settle.Wish:
    return wish_for(order, line.account, provider_reference=number, files=[], statement_line_id=line.pk)


def test_line_without_number_proves_one_order() -> None:
    (first, second), line = line_without_number()
    li, wang = person("li"), person("wang")
    client = logged_in(li)
    assert [offered(client, order) for order in (first, second)] == [[""], [""]]
    request = settle.propose(wish(first, line, "TYPED0001"), user=li)
    with pytest.raises(DomainError, match="line_taken"):
        settle.propose(wish(second, line, "TYPED0002"), user=wang)
    assert (SettlementRequest.objects.count(), Order.objects.get(pk=second.pk).history_seq) == (1, 1)
    assert offered(client, second) == []
    refuse(SETTLEMENT, request.pk, user=wang, note="另一笔")
    again = settle.propose(wish(second, line, "TYPED0002"), user=li)
    approve(SETTLEMENT, again.pk, user=wang, note="ok")
    assert [Order.objects.get(pk=order.pk).status for order in (first, second)] == ["pending", "paid"]
    with pytest.raises(DomainError, match="line_taken"):
        settle.propose(wish(first, line, "TYPED0003"), user=li)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_concurrent_proposals_use_a_line_once() -> None:
    orders, line = line_without_number()
    li = person("li")
    made = run_together(
        *[
            lambda order=order, n=n: settle.propose(wish(order, line, f"TYPED000{n}"), user=li).status
            for n, order in enumerate(orders)
        ]
    )
    assert sorted(made) == ["line_taken", "proposed"]
    assert SettlementRequest.objects.count() == 1
