"""The time of day in a column of its own, and order numbers that buyers write into a transfer's purpose."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from orders.models import Merchant, Order
from ordersite.lib.china_time import BEIJING
from payments.models import PaymentAccount, PaymentException, StatementMapping
from payments.reconciliation import settle
from payments.reconciliation.readers.moments import clock_of
from payments.reconciliation.readers.numbers import our_number
from payments.reconciliation.tests.shop import account_at, attempt, take
from payments.reconciliation.tests.staff import client_of


@pytest.mark.parametrize(
    ("cell", "passed"),
    [
        ("09:12:33", timedelta(hours=9, minutes=12, seconds=33)),
        ("９:12:33", timedelta(hours=9, minutes=12, seconds=33)),
        ("9:12", timedelta(hours=9, minutes=12)),
        ("18.22.21", timedelta(hours=18, minutes=22, seconds=21)),
        ("18时22分", timedelta(hours=18, minutes=22)),
        ("182221", timedelta(hours=18, minutes=22, seconds=21)),
        (91233, timedelta(hours=9, minutes=12, seconds=33)),
        (0.5, timedelta(hours=12)),
        (datetime(1899, 12, 30, 7, 8, 9, tzinfo=BEIJING), timedelta(hours=7, minutes=8, seconds=9)),
        ("24:00:00", None),
        ("12:60", None),
        ("20261128", None),
        ("2026-11-28 09:12:33", None),
        ("", None),
        (None, None),
    ],
)
def test_clock_of_a_cell(cell: object, passed: timedelta | None) -> None:
    assert clock_of(cell) == passed  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("订单20261128-2232-M1GQ货款", "20261128-2232-M1GQ"),
        ("20261128-2232-m1gq", "20261128-2232-M1GQ"),
        ("付20261128 2232 M1GQ", "20261128-2232-M1GQ"),
        ("202611282232M1GQ货款", "20261128-2232-M1GQ"),
        ("２０２６１１２８－２２３２－Ｍ１ＧＱ 谢谢", "20261128-2232-M1GQ"),
        ("卡号2026112822321234", ""),
        ("货X20261128-2232-M1GQ", ""),
    ],
)
def test_order_number_inside_a_text(text: str, number: str) -> None:
    assert our_number(text) == (number, False)


def bank_file(number: str, memo: str) -> bytes:
    return (
        f"交易日期,交易时间,金额,订单号,附言,流水号\n20261121,09:12:33,199.00,{number},{memo},S1\n"
    ).encode()


def mapping() -> StatementMapping:
    return StatementMapping.objects.create(
        name="bank", date_format="%Y%m%d", time_column="交易日期", amount_column="金额", reference_column="订单号",
        provider_reference_column="流水号",
    )  # fmt: skip


def named_order(account: PaymentAccount) -> Order:
    """An unpaid order whose number has the form of a real one."""
    order = attempt(account).order
    Order.objects.filter(pk=order.pk).update(number="20261121-2232-M1GQ")
    return Order.objects.get(pk=order.pk)


@pytest.mark.django_db
def test_time_of_day_from_its_own_column() -> None:
    account = account_at("webhook")
    payment = attempt(account)
    statement = take(account, bank_file(payment.reference, ""), mapping=mapping())
    line = statement.lines.get()
    assert (line.payment_id, line.occurred_at) == (
        payment.pk, datetime(2026, 11, 21, 9, 12, 33, tzinfo=BEIJING),
    )  # fmt: skip


@pytest.mark.django_db
def test_order_named_in_a_memo_is_proposed() -> None:
    """A buyer writes the order's number into the transfer: the order is named to a person, and stays unpaid."""
    account = account_at("webhook")
    order = named_order(account)
    statement = take(account, bank_file("", "买货 20261121-2232-m1gq"), mapping=mapping())

    line = statement.lines.get()
    assert (line.reference, line.result, line.note, line.payment) == (
        order.number, "missing_here", "in_text", None,
    )  # fmt: skip
    settle.settle(statement)
    assert Order.objects.get().status == "pending"

    page = client_of("finance").get(f"/admin/payments/statement/{statement.pk}/change/").content.decode()
    assert f'href="/admin/orders/order/{order.pk}/change/">{order.number}</a>' in page
    assert settle.raise_cases(statement) == 1
    case = PaymentException.objects.get()
    assert (case.order_id, case.payment_id, case.kind) == (order.pk, None, "statement_difference")


@pytest.mark.django_db
def test_order_of_another_merchant_is_not_named() -> None:
    account = account_at("webhook")
    other = named_order(account)
    Order.objects.filter(pk=other.pk).update(merchant=Merchant.objects.create(slug="other", name="other"))
    statement = take(account, bank_file(other.number, ""), mapping=mapping())
    assert settle.raise_cases(statement) == 1
    assert PaymentException.objects.get().order is None
