"""Settling from a statement: once, line by line, whatever dies in between; and the rest to a person."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from orders.approvals.workflow import approve
from orders.models import Merchant, Order, OrderEvent
from orders.tests.builders import build_order_in
from ordersite.lib.errors import DomainError
from payments.manual.tests.proposals import person
from payments.models import Payment, PaymentException, Refund, Statement, StatementLine
from payments.reconciliation import settle
from payments.reconciliation.approval import STATEMENT
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.bills import Row
from payments.reconciliation.tests.shop import AT, account_at, attempt, paid, refund, row_of, take

pytestmark = pytest.mark.django_db


def outcomes(statement: Statement) -> list[str]:
    return list(statement.lines.order_by("id").values_list("outcome", flat=True))


def status(payment: Payment) -> tuple[str, str]:
    fresh = Payment.objects.select_related("order").get(pk=payment.pk)
    return fresh.status, fresh.order.status


def test_line_pays_and_is_the_evidence() -> None:
    account = account_at("wechatpay")
    stuck, differs = attempt(account), attempt(account)
    rows = [
        row_of(stuck, trade="4200000001"),
        row_of(differs, amount="1.00"),
        Row("UNKNOWN000000001", "T9", "5.00"),
    ]
    statement = take(account, bills.wechat_csv(rows))
    assert settle.settle(statement) == 1
    line = statement.lines.get(payment=stuck)
    event = OrderEvent.objects.get(order=stuck.order_id, to_status="paid")
    assert status(stuck) == ("paid", "paid")
    assert Payment.objects.get(pk=stuck.pk).provider_reference == "4200000001"
    assert (event.trigger, event.at) == ("statement", AT)
    assert event.evidence == f'{{"kind":"statement_line","id":"{line.pk}","sha256":"{line.sha256}"}}'
    assert status(differs) == ("open", "pending")
    assert outcomes(statement) == ["applied", "", ""]


def test_settling_again_does_nothing() -> None:
    account = account_at("alipay")
    stuck = attempt(account)
    statement = take(account, bills.alipay_csv([row_of(stuck)]))
    assert settle.settle(statement) == 1
    lines = OrderEvent.objects.count()
    assert settle.settle(statement) == 0
    assert OrderEvent.objects.count() == lines


def test_line_settled_meanwhile_pays_once() -> None:
    account = account_at("alipay")
    one, two = attempt(account), attempt(account)
    statement = take(account, bills.alipay_csv([row_of(one, trade="1"), row_of(two, trade="2")]))
    other = take(account, bills.alipay_csv([row_of(one, trade="1")], day="2026-11-20"))
    assert settle.settle(other) == 1
    assert settle.settle(statement) == 1
    assert outcomes(statement) == ["applied", "applied"]
    assert OrderEvent.objects.filter(order=one.order_id, to_status="paid").count() == 1


def test_money_for_a_closed_order_becomes_a_case() -> None:
    account = account_at("wechatpay")
    order = build_order_in("closed")
    late = attempt(account, order=order, status="closed")
    statement = take(account, bills.wechat_csv([row_of(late)]))
    assert settle.settle(statement) == 0
    assert status(late) == ("paid", "closed")
    assert outcomes(statement) == ["order_closed"]
    assert PaymentException.objects.get().kind == "order_closed"


def test_refunds_follow_their_payments() -> None:
    account = account_at("wechatpay")
    stuck, known = attempt(account), paid(account)
    rows = [
        row_of(stuck, kind="refund", amount="9.00", request="R1", trade="42"),
        row_of(stuck, trade="42"),
        row_of(known, kind="refund", request="R2"),
        row_of(known),
    ]
    statement = take(account, bills.wechat_csv(rows))
    assert settle.settle(statement) == 3
    assert outcomes(statement) == ["refund_applied", "applied", "refund_applied", ""]
    found = Refund.objects.order_by("refund_reference").values_list("refund_reference", "amount")
    assert list(found) == [("R1", Decimal("9.00")), ("R2", Decimal("199.00"))]
    assert status(known) == ("refunded", "refunded")
    order = Order.objects.get(pk=stuck.order_id)
    assert (order.status, order.refunded_amount, order.held) == ("paid", Decimal("9.00"), True)
    assert PaymentException.objects.filter(payment=stuck, kind="refund_event").exists()
    assert not Order.objects.get(pk=known.order_id).held


def test_mismatched_line_stops_no_other() -> None:
    account = account_at("wechatpay")
    attempts = [attempt(account) for _ in range(5)]
    statement = take(account, bills.wechat_csv([row_of(one) for one in attempts]))
    changed = statement.lines.order_by("id")[2]
    Payment.objects.filter(statement_lines=changed).update(amount=Decimal("1.00"))
    assert settle.settle(statement) == 4
    assert outcomes(statement) == ["applied", "applied", "amount_mismatch", "applied", "applied"]


def test_confirmed_file_is_settled_by_the_task() -> None:
    account = account_at("alipay")
    stuck = attempt(account)
    statement = take(account, bills.alipay_csv([row_of(stuck)]))
    approve(STATEMENT, statement.pk, user=person("gu"), note="")
    settle.settle_statements()
    assert status(stuck) == ("paid", "paid")
    assert Statement.objects.get(pk=statement.pk).settle_wanted_at is None


def test_interrupted_run_is_completed_once() -> None:
    account = account_at("alipay")
    attempts = [attempt(account) for _ in range(4)]
    statement = take(account, bills.alipay_csv([row_of(one) for one in attempts]))
    first = next(settle._chunks(settle.settleable(statement)))[:2]
    settle._settle_chunk(statement, first)
    assert settle.settle(statement) == 2
    assert outcomes(statement) == ["applied"] * 4
    assert OrderEvent.objects.filter(to_status="paid").count() == 4


def test_a_refused_file_settles_nothing() -> None:
    account = account_at("alipay")
    statement = take(account, bills.wechat_csv([row_of(attempt(account))]))
    with pytest.raises(DomainError) as refused:
        approve(STATEMENT, statement.pk, user=person("gu"), note="")
    assert refused.value.code == "not_matched"
    assert settle.settle(statement) == 0


def test_repeated_statement_settles_open_lines() -> None:
    account = account_at("wechatpay")
    stuck = attempt(account)
    row = row_of(stuck)
    first = take(account, bills.wechat_csv([row]))
    second = take(account, bills.wechat_csv([row], form="SUCCESS"))
    assert settle.settle(second) == 1
    assert outcomes(first) == ["applied"]
    assert status(stuck) == ("paid", "paid")


def test_the_rest_becomes_one_case_each() -> None:
    account = account_at("wechatpay")
    differs, lacking, stuck = paid(account), paid(account), attempt(account)
    rows = [
        row_of(differs, amount="1.00"),
        Row("UNKNOWN000000001", "T1", "5.00"),
        Row("ZERO000000000001", "T2", "0.00"),
        row_of(stuck),
    ]
    statement = take(account, bills.wechat_csv(rows))
    StatementLine.objects.filter(result="missing_there").update(
        occurred_at=timezone.now() - timedelta(days=2)
    )
    assert settle.raise_cases(statement) == 3
    assert settle.raise_cases(statement) == 0
    cases = PaymentException.objects.order_by("amount").values_list("kind", "amount", "payment")
    assert list(cases) == [
        ("statement_difference", Decimal("1.00"), differs.pk),
        ("statement_difference", Decimal("5.00"), None),
        ("statement_difference", Decimal("199.00"), lacking.pk),
    ]


def test_fresh_missing_payment_opens_no_case_yet() -> None:
    account = account_at("wechatpay")
    now = timezone.now()
    paid(account, paid_at=now)
    known = paid(account, paid_at=now)
    at = timezone.localtime(now).strftime("%Y-%m-%d %H:%M:%S")
    statement = take(account, bills.wechat_csv([row_of(known, at=at)]))
    assert statement.missing_there == 1
    assert settle.raise_cases(statement) == 0


def test_a_known_refund_is_matched() -> None:
    account = account_at("wechatpay")
    payment = paid(account)
    known = refund(payment, "10.00")
    row = row_of(payment, kind="refund", amount="10.00", request=known.refund_reference)
    statement = take(account, bills.wechat_csv([row, row_of(payment)]))
    assert settle.settle(statement) == 0
    assert Refund.objects.count() == 1


@pytest.mark.parametrize("form", ["mapped", "wechatpay"])
def test_importer_cannot_approve_the_own_file(form: str) -> None:
    account, user = account_at("wechatpay"), person("fin")
    other = person("gu")
    statement = take(account, bills.wechat_csv([row_of(attempt(account))]), user=user)
    Statement.objects.filter(pk=statement.pk).update(form=form)
    own = Statement.objects.get(pk=statement.pk)
    with pytest.raises(DomainError) as refused:
        approve(STATEMENT, own.pk, user=user, note="")
    assert refused.value.code == "own_proposal"
    assert Statement.objects.get(pk=statement.pk).settle_wanted_at is None
    approve(STATEMENT, own.pk, user=other, note="")
    assert Statement.objects.get(pk=statement.pk).settle_wanted_by == other


def test_a_fetched_bill_needs_one_person() -> None:
    account, user = account_at("wechatpay"), person("fin")
    content = bills.wechat_csv([row_of(attempt(account))])
    statement = take(account, content, source=Statement.Source.FETCH)
    approve(STATEMENT, statement.pk, user=user, note="")
    assert Statement.objects.get().settle_wanted_by == user


def test_single_operator_approves_after_the_wait() -> None:
    account, user = account_at("wechatpay"), person("fin")
    Merchant.objects.filter(pk=account.merchant_id).update(allows_single_operator=True)
    statement = take(account, bills.wechat_csv([row_of(attempt(account))]), user=user)
    with pytest.raises(DomainError) as refused:
        approve(STATEMENT, statement.pk, user=user, note="")
    assert refused.value.code == "too_early"
    assert Statement.objects.get().settle_wanted_at is None
    Statement.objects.update(created_at=timezone.now() - timedelta(minutes=30))
    approve(STATEMENT, statement.pk, user=user, note="")
    assert Statement.objects.get().settle_wanted_by == user
