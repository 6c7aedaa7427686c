"""Closing unpaid orders that have an attempt: the provider is queried and closes first. Against the sandbox."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orders import closing as order_closing
from orders import machine
from orders.history.lines import Actor
from orders.models import Order, OrderEvent, OrderStatus, TransitionRule
from orders.tests.builders import build_order
from ordersite import relay
from ordersite.lib.http import gateway
from payments.accounts.keys import keys_of
from payments.models import PaymentException, PaymentStatus
from payments.polling import poll
from payments.polling.call import StatusQuery, query_provider
from payments.polling.record import record_result
from payments.provider_calls.throttle import PROVIDERS, claim_payments
from payments.tests.builders import build_payment, build_webhook
from payments.tests.sandbox_accounts import (
    open_cashier,
    pay_in_sandbox,
    sandbox_alipay,
    sandbox_webhook,
    start_sandbox_attempt,
)
from payments.tests.steps import fresh, long_ago, make_due, poll_now, request_close
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db


def test_overdue_order_at_the_provider_first(box: Running) -> None:
    payment = start_sandbox_attempt(sandbox_alipay(box))
    open_cashier(box, payment)
    Order.objects.update(close_due_at=long_ago(seconds=1))
    assert order_closing.close_overdue() == 1
    assert Order.objects.get().status == OrderStatus.PENDING

    relay.run_relay()
    assert fresh(payment).close_wanted_at is not None
    assert poll.poll_providers() == 1
    assert box.trade(payment.reference)["state"] == "closed"
    order = Order.objects.get()
    assert (order.status, order.closing_at) == (OrderStatus.CLOSED, None)
    closed = fresh(payment)
    assert (closed.status, closed.next_query_at, closed.close_wanted_at) == (PaymentStatus.CLOSED, None, None)
    lines = OrderEvent.objects.filter(order=order).order_by("seq").values_list("kind", "trigger", "to_status")
    assert list(lines) == [
        ("created", "created", "pending"),
        ("close_requested", "timeout", ""),
        ("transition", "timeout", "closed"),
    ]


def test_history_names_the_requester(box: Running) -> None:
    payment = start_sandbox_attempt(sandbox_webhook(box))
    result = order_closing.cancel(
        payment.order.number, reason="买错了", actor=Actor("client", "7"), trigger=machine.BUYER_CANCEL
    )
    assert result == order_closing.CancelResult.CLOSE_REQUESTED
    relay.run_relay()
    poll.poll_providers()
    line = OrderEvent.objects.filter(order=payment.order).latest("seq")
    assert (line.to_status, line.trigger) == ("closed", "buyer_cancel")
    assert (line.actor_kind, line.actor_id) == ("client", "7")


def test_paid_meanwhile_is_a_payment(box: Running) -> None:
    payment = start_sandbox_attempt(sandbox_alipay(box))
    pay_in_sandbox(box, payment)
    request_close(payment.order)
    poll.poll_providers()
    order = Order.objects.get()
    assert order.status == OrderStatus.PAID
    line = OrderEvent.objects.filter(order=order).latest("seq")
    assert (line.to_status, line.trigger) == ("paid", "query")
    assert line.evidence.startswith(f'{{"kind":"query","id":"{payment.reference}","sha256":"')
    assert fresh(payment).provider_reference == box.trade(payment.reference)["provider_reference"]
    assert PaymentException.objects.count() == 0


def test_not_found_before_expiry_closes_nothing(box: Running) -> None:
    payment = start_sandbox_attempt(sandbox_alipay(box))
    request_close(payment.order)
    poll.poll_providers()
    left = fresh(payment)
    assert left.status == PaymentStatus.OPEN
    assert left.last_answer == "not_found"
    assert left.close_wanted_at is not None
    assert left.next_query_at == left.close_wanted_at + timedelta(minutes=1)
    assert Order.objects.get().status == OrderStatus.PENDING


def test_not_known_after_the_expiry_closes(box: Running) -> None:
    payment = start_sandbox_attempt(sandbox_alipay(box))
    request_close(payment.order)
    just_expired = poll_now(payment, expires_at=long_ago(seconds=119))
    assert just_expired.status == PaymentStatus.OPEN
    assert just_expired.next_query_at == just_expired.expires_at + timedelta(minutes=2)
    assert poll_now(payment, expires_at=long_ago(seconds=121)).status == PaymentStatus.CLOSED
    assert Order.objects.get().status == OrderStatus.CLOSED


def test_without_queries_closed_after_expiry() -> None:
    payment = build_payment(build_webhook())
    request_close(payment.order)
    poll.poll_providers()
    waiting = fresh(payment)
    assert waiting.status == PaymentStatus.OPEN
    assert waiting.next_query_at == waiting.expires_at + timedelta(minutes=2)
    assert poll_now(payment, expires_at=long_ago(seconds=121)).status == PaymentStatus.CLOSED
    assert Order.objects.get().status == OrderStatus.CLOSED


@pytest.mark.parametrize("fault", ["status_500", "drop", "corrupt_signature"])
def test_unreachable_provider_closes_nothing(box: Running, fault: str) -> None:
    payment = start_sandbox_attempt(sandbox_alipay(box))
    open_cashier(box, payment)
    box.control("faults", target="alipay.gateway", fault=fault, times=None)
    request_close(payment.order)
    poll.poll_providers()
    left = fresh(payment)
    assert left.status == PaymentStatus.OPEN
    assert left.close_wanted_at is not None
    assert left.next_query_at == left.close_wanted_at + timedelta(minutes=1)
    assert left.last_answer.startswith("provider_")
    assert left.account.failures_in_a_row == 1
    assert PaymentException.objects.count() == 0
    # Even long after the expiry, silence is no answer.
    assert poll_now(payment, expires_at=long_ago(hours=1)).status == PaymentStatus.OPEN
    assert Order.objects.get().status == OrderStatus.PENDING


@pytest.mark.parametrize("fault", ["status_500", "unreadable"])
def test_a_day_of_silence_opens_a_case(box: Running, fault: str) -> None:
    payment = start_sandbox_attempt(sandbox_alipay(box))
    box.control("faults", target="alipay.gateway", fault=fault, times=None)
    request_close(payment.order)
    poll_now(payment, close_wanted_at=long_ago(hours=23, minutes=59))
    assert PaymentException.objects.count() == 0
    poll_now(payment, close_wanted_at=long_ago(hours=24))
    poll_now(payment, close_wanted_at=long_ago(hours=25))
    case = PaymentException.objects.get()
    assert (case.kind, case.payment_id, case.order_id) == ("provider_silent", payment.pk, payment.order_id)
    assert Order.objects.get().status == OrderStatus.PENDING

    box.control("faults", "DELETE")
    open_cashier(box, payment)
    assert poll_now(payment).status == PaymentStatus.CLOSED
    assert Order.objects.get().status == OrderStatus.CLOSED


def test_wrong_amount_neither_pays_nor_closes(box: Running) -> None:
    payment = start_sandbox_attempt(sandbox_alipay(box))
    pay_in_sandbox(box, payment)
    box.control("faults", target="alipay.gateway", fault="wrong_amount", value=0.01, times=None)
    request_close(payment.order)
    poll.poll_providers()
    assert fresh(payment).status == PaymentStatus.OPEN
    assert Order.objects.get().status == OrderStatus.PENDING
    assert PaymentException.objects.get().kind == "amount_mismatch"


def test_order_closes_only_with_its_last_attempt(box: Running) -> None:
    order = build_order()
    known = start_sandbox_attempt(sandbox_webhook(box), order=order)
    unpolled = build_payment(build_webhook("silent"), order=order)
    request_close(order)
    poll.poll_providers()
    assert fresh(known).status == PaymentStatus.CLOSED
    assert fresh(unpolled).status == PaymentStatus.OPEN
    assert Order.objects.get().status == OrderStatus.PENDING
    poll_now(unpolled, expires_at=long_ago(minutes=3))
    assert Order.objects.get().status == OrderStatus.CLOSED


def test_order_without_open_attempt_at_once() -> None:
    payment = build_payment(build_webhook(), status=PaymentStatus.CLOSED)
    request_close(payment.order)
    assert Order.objects.get().status == OrderStatus.CLOSED


def test_payment_refused_by_rule_blocks_close(box: Running) -> None:
    payment = start_sandbox_attempt(sandbox_webhook(box))
    TransitionRule.objects.filter(trigger=machine.QUERY).update(is_enabled=False)
    pay_in_sandbox(box, payment)
    make_due(payment)
    poll.poll_providers()
    assert fresh(payment).status == PaymentStatus.PAID
    request_close(payment.order)
    assert Order.objects.get().status == OrderStatus.PENDING
    assert PaymentException.objects.get().kind == "order_refused"


def test_paid_order_closes_its_other_attempts(box: Running) -> None:
    first = start_sandbox_attempt(sandbox_alipay(box))
    second = start_sandbox_attempt(sandbox_webhook(box), order=first.order)
    open_cashier(box, first)
    pay_in_sandbox(box, second)
    poll_now(second)
    assert Order.objects.get().status == OrderStatus.PAID
    relay.run_relay()
    poll_now(first)
    assert box.trade(first.reference)["state"] == "closed"
    assert fresh(first).status == PaymentStatus.CLOSED
    assert fresh(second).status == PaymentStatus.PAID


def test_both_providers_paid_opens_a_case(box: Running) -> None:
    first = start_sandbox_attempt(sandbox_alipay(box))
    second = start_sandbox_attempt(sandbox_webhook(box), order=first.order)
    pay_in_sandbox(box, first)
    pay_in_sandbox(box, second)
    poll_now(second)
    relay.run_relay()
    poll_now(first)
    case = PaymentException.objects.get()
    assert (case.kind, case.payment_id) == ("already_paid", first.pk)
    assert fresh(first).status == PaymentStatus.PAID
    assert fresh(first).is_surplus


def test_refunded_before_the_first_query(box: Running) -> None:
    payment = start_sandbox_attempt(sandbox_webhook(box))
    pay_in_sandbox(box, payment)
    box.control("refund", reference=payment.reference)
    assert poll_now(payment).status == PaymentStatus.REFUNDED
    order = Order.objects.get()
    assert (order.status, order.refunded_amount) == (OrderStatus.REFUNDED, order.total_amount)
    lines = OrderEvent.objects.filter(order=order, kind="transition").order_by("seq")
    assert [line.to_status for line in lines] == ["paid", "refunded"]


def test_newer_close_request_is_not_delayed(box: Running) -> None:
    """While a query is out, the order begins to close: the answer must not put the closing off."""
    payment = start_sandbox_attempt(sandbox_webhook(box))
    make_due(payment)
    lease = PROVIDERS.take(payment.account)
    assert lease is not None
    (claimed,) = claim_payments(lease)
    request_close(payment.order)
    wished_at = fresh(payment).next_query_at
    query = StatusQuery(claimed, keys_of(payment.account), close=False, lease=lease.until)
    record_result(query_provider(query, gateway()))
    assert fresh(payment).next_query_at == wished_at
