"""A payment that arrives while the closer runs: the first wins, or a case is opened."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_httpserver import HTTPServer

from orders import closing as order_closing
from orders import machine
from orders.changes import RequestClose
from orders.history.lines import Actor
from orders.models import Order, OrderEvent, OrderStatus
from orders.tests.builders import apply_changes, build_order
from ordersite import relay
from payments.attempts import start
from payments.models import Payment, PaymentAccount, PaymentException, PaymentStatus
from payments.notifications import apply
from payments.polling import poll
from payments.tests.builders import build_payment, build_webhook, post_webhook, webhook_call
from payments.tests.fake_provider import answer_with, pollable, serving
from payments.tests.steps import fresh, request_close, run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
ROUNDS = 50
# The ends that are allowed: order, attempt, cases for a person.
HONEST = {("paid", "paid", ()), ("closed", "paid", ("order_closed",))}


@pytest.fixture
def provider() -> Iterator[HTTPServer]:
    with serving() as server:
        yield server


def overdue_payment(account: PaymentAccount) -> Payment:
    order = build_order(merchant=account.merchant, due_in=timedelta(seconds=-1))
    return build_payment(account, order=order, expires_at=order.close_due_at)


def run_the_closer() -> None:
    """Everything that the machines do with an overdue order, one after another."""
    order_closing.close_overdue()
    relay.run_relay()
    PaymentAccount.objects.update(next_call_at=None)
    poll.poll_providers()


def notify_paid(payment: Payment) -> None:
    body, headers = webhook_call(payment)
    assert post_webhook(body, headers).status_code == 204
    apply.drain_notifications()


def end_of(payment: Payment) -> tuple[str, str, tuple[str, ...]]:
    cases = PaymentException.objects.filter(order_id=payment.order_id).values_list("kind", flat=True)
    return str(Order.objects.get(pk=payment.order_id).status), str(fresh(payment).status), tuple(cases)


def test_the_race_without_the_door() -> None:
    """Look, then close: the payment comes in between, and the order is closed with the money kept in silence."""
    payment = overdue_payment(build_webhook())
    barrier = threading.Barrier(2)

    def close_naively() -> None:
        paid = Payment.objects.filter(order_id=payment.order_id, status=PaymentStatus.PAID).exists()
        barrier.wait()
        barrier.wait()
        if not paid:
            with transaction.atomic():
                Order.objects.filter(pk=payment.order_id).update(status=OrderStatus.CLOSED)

    def pay() -> None:
        barrier.wait()
        notify_paid(payment)
        barrier.wait()

    run_together(close_naively, pay)
    assert end_of(payment) == ("closed", "paid", ())


def test_payment_while_the_closer_runs(provider: HTTPServer) -> None:
    answer_with(provider, "closed")
    account = pollable(provider)
    ends = set()
    began = time.monotonic()
    overdue_payment(account)
    run_the_closer()
    spread = 2 * (time.monotonic() - began)
    for number in range(ROUNDS):
        payment = overdue_payment(account)
        moment = random.Random(number).uniform(0, spread)

        def pay(payment: Payment = payment, moment: float = moment) -> None:
            time.sleep(moment)
            notify_paid(payment)

        run_together(run_the_closer, pay)
        apply.drain_notifications()
        end = end_of(payment)
        assert end in HONEST, f"round {number}"
        assert _transitions(payment) == [end[0]]
        ends.add(end[0])
    assert ends == {"paid", "closed"}, "the moments were not spread over both ends"


def test_payment_at_the_very_moment_of_closing(provider: HTTPServer) -> None:
    """Both stand before the order's lock at once."""
    answer_with(provider, "closed")
    account = pollable(provider)
    for number in range(ROUNDS):
        payment = overdue_payment(account)
        request_close(Order.objects.get(pk=payment.order_id))
        body, headers = webhook_call(payment)
        assert post_webhook(body, headers).status_code == 204
        PaymentAccount.objects.update(next_call_at=None)
        run_together(poll.poll_providers, apply.drain_notifications)
        apply.drain_notifications()
        end = end_of(payment)
        assert end in HONEST, f"round {number}"
        assert _transitions(payment) == [end[0]]


def test_payment_after_the_closer(provider: HTTPServer) -> None:
    answer_with(provider, "closed")
    payment = overdue_payment(pollable(provider))
    run_the_closer()
    assert end_of(payment) == ("closed", "closed", ())
    notify_paid(payment)
    assert end_of(payment) == ("closed", "paid", ("order_closed",))
    case = PaymentException.objects.get()
    assert (case.payment_id, case.amount) == (payment.pk, payment.amount)
    assert fresh(payment).is_surplus


def test_query_and_notification_pay_once(provider: HTTPServer) -> None:
    answer_with(provider, "succeeded")
    account = pollable(provider)
    for number in range(20):
        payment = build_payment(account, next_query_at=timezone.now())
        PaymentAccount.objects.update(next_call_at=None)
        body, headers = webhook_call(payment, provider_reference=f"p-{payment.reference}")
        assert post_webhook(body, headers).status_code == 204
        run_together(poll.poll_providers, apply.drain_notifications)
        apply.drain_notifications()
        assert end_of(payment) == ("paid", "paid", ()), f"round {number}"
        assert _transitions(payment) == ["paid"]


def test_attempt_started_during_close_request(provider: HTTPServer) -> None:
    """Either the attempt is on record and is closed with the others, or it is refused: none is forgotten."""
    answer_with(provider, "pending")
    first, second = pollable(provider), build_webhook("second")
    for _number in range(20):
        order = build_payment(first).order

        def hand_over(order: Order = order) -> None:
            apply_changes(RequestClose(order.pk, machine.STAFF_CANCEL, Actor("staff", "1")))

        def begin(order: Order = order) -> None:
            start.start_attempt(order, second)

        run_together(hand_over, begin)
        relay.run_relay()
        undecided = Payment.objects.undecided().filter(order=order)
        assert all(payment.close_wanted_at for payment in undecided)


def _transitions(payment: Payment) -> list[str]:
    lines = OrderEvent.objects.filter(order_id=payment.order_id, kind=OrderEvent.EventKind.TRANSITION)
    return list(lines.order_by("seq").values_list("to_status", flat=True))
