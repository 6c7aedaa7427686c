"""What each line of a file comes to, whatever the provider."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from orders.models import Order, OrderEvent
from ordersite.queue.models import OutboxEntry
from payments.models import Payment, PaymentException, StatementLine, StatementStatus
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.bills import Row
from payments.reconciliation.tests.shop import (
    account_at,
    attempt,
    by_number,
    paid,
    refund,
    results,
    row_of,
    take,
    trade_number,
)

pytestmark = pytest.mark.django_db


WRITERS: dict[str, Callable[[list[Row]], bytes]] = {
    "alipay": bills.alipay_zip,
    "wechatpay": bills.wechat_csv,
    "unionpay": bills.unionpay_zm,
}


@pytest.mark.parametrize("provider", WRITERS)
def test_exactly_the_differences_are_found(provider: str) -> None:
    account, other = account_at(provider), account_at(provider, "other")
    settled, stuck, differs = paid(account), attempt(account), paid(account)
    lacking, elsewhere = paid(account), paid(other)
    back = refund(settled, "10.00")
    rows = [
        row_of(settled),
        row_of(stuck),
        row_of(differs, amount="198.99"),
        Row("", trade_number(), "5.00", request="NEVERHEARDOF0001", kind="refund"),
        Row("NEVERHEARDOF0001", trade_number(), "66.00"),
        row_of(settled, kind="refund", amount="10.00", request=back.refund_reference),
        row_of(settled, kind="refund", amount="20.00", request="ASKEDELSEWHERE01"),
        row_of(settled),
    ]
    statement = take(account, WRITERS[provider](rows), file_name="INN26112188ZM_777290058110048")
    assert (statement.refusal, statement.status) == ({}, StatementStatus.MATCHED)
    assert [(kind, result) for _number, kind, result in by_number(statement)] == [
        ("payment", "matched"),
        ("payment", "missing_here"),
        ("payment", "amount_differs"),
        ("refund", "missing_here"),
        ("payment", "missing_here"),
        ("refund", "matched"),
        ("refund", "missing_here"),
        ("payment", "duplicate"),
        ("payment", "missing_there"),
    ]
    assert list(statement.lines.order_by("id").values_list("payment", flat=True)) == [
        settled.pk, stuck.pk, differs.pk, None, None, settled.pk, settled.pk, settled.pk, lacking.pk,
    ]  # fmt: skip
    assert results(statement) == {
        "matched": 2, "missing_here": 4, "missing_there": 1, "amount_differs": 1, "duplicate": 1,
    }  # fmt: skip
    assert statement.payments_amount == Decimal("861.99")
    assert statement.refunds_amount == Decimal("35.00")
    assert statement.lines_total == 8
    assert not StatementLine.objects.filter(payment=elsewhere).exists()


@pytest.mark.parametrize("provider", WRITERS)
def test_import_pays_nothing_and_opens_no_case(provider: str) -> None:
    account = account_at(provider)
    stuck = attempt(account)
    before = OrderEvent.objects.count()
    statement = take(account, WRITERS[provider]([row_of(stuck), Row("UNKNOWN000000001", "T1", "1.00")]))
    assert results(statement) == {"missing_here": 2}
    assert Payment.objects.get(pk=stuck.pk).status == "open"
    assert Order.objects.get(pk=stuck.order_id).status == "pending"
    assert OrderEvent.objects.count() == before
    # Only the mail to those who may confirm it.
    assert set(OutboxEntry.objects.values_list("name", "subject_id")) <= {
        ("statement.proposed", statement.pk)
    }
    assert not PaymentException.objects.exists()


@pytest.mark.parametrize("provider", WRITERS)
def test_lines_in_any_order_match_alike(provider: str) -> None:
    account = account_at(provider)
    rows = [row_of(paid(account)), row_of(attempt(account)), row_of(paid(account), amount="1.00")]
    statement = take(account, WRITERS[provider](rows[::-1]))
    assert [result for _n, _k, result in by_number(statement)] == [
        "amount_differs",
        "missing_here",
        "matched",
    ]


def test_unknown_zero_line_is_missing_here() -> None:
    account = account_at("wechatpay")
    statement = take(account, bills.wechat_csv([Row("ZERO000000000001", "T1", "0.00")]))
    assert by_number(statement) == [(2, "payment", "missing_here")]


def test_revoked_line_agrees_with_unpaid_attempt() -> None:
    account = account_at("wechatpay")
    rows = [row_of(attempt(account), state="REVOKED"), row_of(paid(account), state="REVOKED")]
    statement = take(account, bills.wechat_csv(rows))
    assert by_number(statement)[:2] == [(2, "other", "matched"), (3, "other", "amount_differs")]


def test_second_trade_of_attempt_is_missing_here() -> None:
    account = account_at("alipay")
    payment = paid(account)
    statement = take(account, bills.alipay_csv([row_of(payment), row_of(payment, trade=trade_number())]))
    assert [result for _n, _k, result in by_number(statement)] == ["matched", "missing_here"]


def test_file_taken_twice_is_one_statement() -> None:
    account = account_at("alipay")
    content = bills.alipay_zip([row_of(paid(account))])
    first, second = take(account, content), take(account, content)
    assert first.pk == second.pk
    assert second.lines.count() == 1


def test_overlapping_file_holds_duplicates() -> None:
    account = account_at("wechatpay")
    one, two = row_of(paid(account)), row_of(attempt(account))
    take(account, bills.wechat_csv([one, two]))
    statement = take(account, bills.wechat_csv([two, one], form="SUCCESS"))
    assert results(statement) == {"duplicate": 2}


def test_two_accounts_keep_the_same_file_apart() -> None:
    one, two = account_at("wechatpay"), account_at("wechatpay", "two")
    content = bills.wechat_csv([row_of(paid(one))])
    assert results(take(one, content)) == {"matched": 1}
    assert results(take(two, content)) == {"missing_here": 1}


def test_payment_of_another_file_is_not_missing() -> None:
    account = account_at("wechatpay")
    one, two = paid(account), paid(account)
    take(account, bills.wechat_csv([row_of(one)]))
    assert results(take(account, bills.wechat_csv([row_of(two)]))) == {"matched": 1}


def test_bill_of_refunds_lacks_no_payments() -> None:
    account = account_at("wechatpay")
    payment = paid(account)
    back = refund(payment, "10.00")
    row = row_of(payment, kind="refund", amount="10.00", request=back.refund_reference)
    assert results(take(account, bills.wechat_csv([row], form="REFUND"))) == {"matched": 1}


def test_unnumbered_refund_is_matched_by_its_sum() -> None:
    account = account_at("alipay")
    payment = paid(account)
    refund(payment, "10.00", number="to 10.00", is_unnumbered=True)
    rows = [row_of(payment, kind="refund", amount="10.00", request="R1"), row_of(payment)]
    assert results(take(account, bills.alipay_csv(rows))) == {"matched": 2}
