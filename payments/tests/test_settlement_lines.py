"""A statement's line as the evidence of a manual settlement: found on the page, chosen, and of the own shop only."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from orders.models import Order
from orders.tests.builders import build_merchant, build_order
from payments.models import PaymentAccount, SettlementRequest, StatementLine
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.bills import Row
from payments.reconciliation.tests.shop import account_at, paid, row_of, take
from payments.tests.proposals import lines_of, person

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


def test_lines_are_offered_by_the_orders_sum_and_found_by_their_number() -> None:
    order, _account = shop()
    strangers_line()
    client = logged_in(person("li"))
    assert offered(client, order) == ["T0000001"]
    assert offered(client, order, "T0000002") == ["T0000002"]
    assert offered(client, order, "NOBODYS000000001") == ["T0000001"]
    for term in ("T0000009", "T000000", "%", "'"):
        assert offered(client, order, term) == []


def test_the_chosen_line_is_the_evidence_and_a_second_person_settles() -> None:
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


def test_a_line_of_another_shop_is_no_evidence() -> None:
    order, account = shop()
    answer = propose(logged_in(person("li")), order, account, strangers_line())
    assert answer.status_code == 200
    assert not SettlementRequest.objects.exists()
    assert Order.objects.get(pk=order.pk).history_seq == 1
