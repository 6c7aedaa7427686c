"""Two attempts that hold money of one order: one pays it, the other is surplus, and what went back of both adds up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from orders import machine
from orders.history.lines import Evidence
from orders.models import Order, OrderEvent, TransitionRule
from orders.tests.builders import build_order, build_order_in
from orders.truth.sentence import truth_of
from ordersite import relay
from payments.about.facts import money_of
from payments.lifecycle.apply import apply_updates
from payments.lifecycle.updates import PaymentUpdate
from payments.models import Payment, PaymentAccount, PaymentException
from payments.polling.call import QueryResult, StatusQuery
from payments.polling.record import record_result
from payments.providers.types import TradeResult, TradeState, UpdateKind
from payments.refunds.tests.builders import refundable
from payments.tests.builders import build_payment, trade_number

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> PaymentAccount:
    return refundable()


def update_of(payment: Payment, **changes: Any) -> PaymentUpdate:
    update = PaymentUpdate(
        account_id=payment.account_id, kind=UpdateKind.PAYMENT, reference=payment.reference,
        evidence=Evidence("notification", "1", "ab"), seen_at=timezone.now(), trigger=machine.NOTIFICATION,
        provider_reference=f"T{payment.pk:06d}", amount=payment.amount,
    )  # fmt: skip
    return replace(update, **changes)


def pay(payment: Payment) -> str:
    return str(apply_updates([update_of(payment)])[0].outcome.value)


def give_back(payment: Payment, amount: str) -> None:
    """A refund that the provider reports under a number of its own."""
    refund = {"kind": UpdateKind.REFUND, "refund_reference": trade_number(), "refund_amount": Decimal(amount)}
    apply_updates([update_of(payment, **refund)])


def switch(*, on: bool) -> None:
    TransitionRule.objects.filter(action="pay", trigger=machine.NOTIFICATION).update(is_enabled=on)


def kept_out(account: PaymentAccount, order: Order) -> Payment:
    """Money that its order refused, as the rule for it was switched off."""
    payment = build_payment(account, order=order)
    switch(on=False)
    assert pay(payment) == "order_refused"
    switch(on=True)
    return payment


def order_state(order: Order) -> tuple[str, str]:
    fresh = Order.objects.get(pk=order.pk)
    return str(fresh.status), f"{fresh.refunded_amount}"


def surplus(payment: Payment) -> bool:
    return Payment.objects.values_list("is_surplus", flat=True).get(pk=payment.pk)


def open_cases(payment: Payment) -> list[str]:
    rows = PaymentException.objects.open().filter(payment=payment).order_by("pk")
    return list(rows.values_list("kind", flat=True))


def test_kept_out_money_becomes_surplus(account: PaymentAccount) -> None:
    order = build_order(merchant=account.merchant, total="100.00")
    first, second = kept_out(account, order), build_payment(account, order=order)

    assert pay(second) == "applied"

    assert (order_state(order), surplus(first), surplus(second)) == (("paid", "0.00"), True, False)
    case = PaymentException.objects.open().get(payment=first, kind="already_paid")
    assert (case.order_id, f"{case.amount}", case.detail["paid_by"]) == (
        order.pk, "100.00", second.reference,
    )  # fmt: skip
    relay.run_relay()
    assert open_cases(first) == ["already_paid"]
    assert truth_of(Order.objects.get(pk=order.pk)).code == "case_already_paid"
    line = OrderEvent.objects.get(order=order, trigger="payment_surplus")
    assert first.reference in line.evidence


def test_surplus_gone_back_leaves_the_order_paid(account: PaymentAccount) -> None:
    order = build_order(merchant=account.merchant, total="100.00")
    first, second = kept_out(account, order), build_payment(account, order=order)
    pay(second)

    give_back(first, "100.00")

    assert order_state(order) == ("paid", "0.00")
    give_back(second, "30.00")
    assert order_state(order) == ("paid", "30.00")
    give_back(second, "70.00")
    assert order_state(order) == ("refunded", "100.00")


def test_part_gone_back_before_is_the_surplus_s_own(account: PaymentAccount) -> None:
    order = build_order(merchant=account.merchant, total="100.00")
    first = kept_out(account, order)
    give_back(first, "50.00")
    assert order_state(order) == ("pending", "50.00")

    second = build_payment(account, order=order)
    pay(second)

    case = PaymentException.objects.open().get(payment=first, kind="already_paid")
    assert (order_state(order), f"{case.amount}") == (("paid", "0.00"), "50.00")
    give_back(second, "30.00")
    assert order_state(order) == ("paid", "30.00")


def test_replayed_money_keeps_its_own_refund(account: PaymentAccount) -> None:
    """Given two attempts that were kept out, the first pays the order after all, with what had gone back of it."""
    order = build_order(merchant=account.merchant, total="100.00")
    first = kept_out(account, order)
    second = kept_out(account, order)
    give_back(first, "20.00")
    give_back(second, "30.00")
    assert order_state(order) == ("pending", "50.00")

    assert pay(first) == "applied"

    assert (order_state(order), surplus(first), surplus(second)) == (("paid", "20.00"), False, True)


def test_kept_out_money_that_has_gone_back_opens_no_case(account: PaymentAccount) -> None:
    order = build_order(merchant=account.merchant, total="100.00")
    first = kept_out(account, order)
    give_back(first, "100.00")

    pay(build_payment(account, order=order))

    assert (order_state(order), surplus(first)) == (("paid", "0.00"), True)
    assert "already_paid" not in open_cases(first)


def test_refused_payment_leaves_the_other_alone(account: PaymentAccount) -> None:
    order = build_order(merchant=account.merchant, total="100.00")
    first, second = kept_out(account, order), kept_out(account, order)
    assert (order_state(order), surplus(first), surplus(second)) == (("pending", "0.00"), False, False)


@pytest.fixture
def two(account: PaymentAccount) -> tuple[Order, Payment, Payment]:
    """An order of before, with two attempts that both count."""
    order = build_order_in("paid", merchant=account.merchant, total="100.00")
    paid = {"status": "paid", "paid_at": timezone.now(), "amount": Decimal("100.00")}
    first, second = (build_payment(account, order=order, **paid) for _n in range(2))
    return order, first, second


def test_refunds_of_two_attempts_add_up(two: tuple[Order, Payment, Payment]) -> None:
    order, first, second = two
    give_back(first, "50.00")
    assert order_state(order) == ("paid", "50.00")
    give_back(second, "30.00")
    assert order_state(order) == ("paid", "80.00")


def test_order_is_refunded_with_the_last_money(two: tuple[Order, Payment, Payment]) -> None:
    order, first, second = two
    give_back(first, "100.00")
    assert order_state(order)[0] == "paid"
    give_back(second, "40.00")
    assert order_state(order)[0] == "paid"
    money = money_of(list(Payment.objects.filter(order=order)))
    assert (f"{money.received}", f"{money.refunded}") == ("200.00", "140.00")

    give_back(second, "60.00")

    assert order_state(order) == ("refunded", "100.00")


def closed_there(payment: Payment) -> None:
    """The provider is polled by the schedule and says «closed»."""
    lease = timezone.now() + timedelta(seconds=75)
    Payment.objects.filter(pk=payment.pk).update(last_query_at=timezone.now(), next_query_at=lease)
    known = Payment.objects.select_related("account").get(pk=payment.pk)
    query = StatusQuery(known, None, close=False, lease=lease)
    answer = TradeResult(state=TradeState.CLOSED, raw="closed", provider_reference=f"T{payment.pk:06d}")
    record_result(QueryResult(query, answer=answer))


def next_query(payment: Payment) -> Any:
    return Payment.objects.values_list("next_query_at", flat=True).get(pk=payment.pk)


def test_fresh_closing_is_queried_again(account: PaymentAccount) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        payment = build_payment(account, order=build_order(merchant=account.merchant))
        pay(payment)
        clock.shift(timedelta(seconds=30))

        closed_there(payment)

        assert next_query(payment) == timezone.now() + timedelta(seconds=90)
        assert open_cases(payment) == []
        clock.shift(timedelta(seconds=90))
        closed_there(payment)
        assert (open_cases(payment), next_query(payment)) == (["reversed"], None)


def test_refund_without_a_sum_is_queried_after_a_query(account: PaymentAccount) -> None:
    """A query that was answered just now knew nothing of it: the next one goes out when its lease is over."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        payment = build_payment(account, order=build_order(merchant=account.merchant))
        Payment.objects.filter(pk=payment.pk).update(last_query_at=timezone.now())
        pay(payment)
        clock.shift(timedelta(seconds=10))

        apply_updates([update_of(payment, kind=UpdateKind.PAID_REFUNDED)])

        assert next_query(payment) == timezone.now() + timedelta(seconds=66)
