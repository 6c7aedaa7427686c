"""Polling of providers: schedule, rate, circuit breaker, and no account that delays another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_httpserver import HTTPServer

from orders.models import OrderStatus
from payments.models import Payment, PaymentAccount, PaymentStatus
from payments.polling import poll
from payments.polling.schedule import next_poll_at
from payments.provider_calls.throttle import PROVIDERS, Wait, claim_payments, waits_of
from payments.tests.builders import build_payment
from payments.tests.fake_provider import answer_with, due_payment, pollable, serving
from payments.tests.steps import fresh, long_ago, run_together

pytestmark = pytest.mark.django_db
# On a busy machine the time of one run is over before its work is.
RUNS = 5
BORN = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)


@pytest.fixture
def provider() -> Iterator[HTTPServer]:
    with serving() as server:
        yield server


def poll_all() -> int:
    return sum(poll.poll_providers() for _run in range(RUNS))


@pytest.mark.parametrize(
    ("age", "next_age"),
    [
        (timedelta(0), timedelta(minutes=1)),
        (timedelta(seconds=59), timedelta(minutes=1)),
        (timedelta(minutes=1), timedelta(minutes=5)),
        (timedelta(minutes=5), timedelta(minutes=15)),
        (timedelta(minutes=15), timedelta(minutes=60)),
        (timedelta(minutes=60), timedelta(hours=2)),
        (timedelta(hours=2, minutes=1), timedelta(hours=3)),
    ],
)
def test_schedule_widens(age: timedelta, next_age: timedelta) -> None:
    payment = Payment(created_at=BORN, expires_at=BORN + timedelta(days=1))
    assert next_poll_at(payment, now=BORN + age) == BORN + next_age


def test_close_restarts_the_schedule() -> None:
    wanted = BORN + timedelta(minutes=30)
    payment = Payment(created_at=BORN, close_wanted_at=wanted, expires_at=BORN + timedelta(minutes=31))
    assert next_poll_at(payment, now=wanted) == wanted + timedelta(minutes=1)
    assert next_poll_at(payment, now=wanted + timedelta(minutes=1)) == BORN + timedelta(minutes=33)
    assert next_poll_at(payment, now=wanted + timedelta(minutes=4)) == wanted + timedelta(minutes=5)


def test_pending_attempt_is_queried_again_later(provider: HTTPServer) -> None:
    answer_with(provider, "pending")
    payment = due_payment(pollable(provider), created_at=long_ago(seconds=61))
    assert poll.poll_providers() == 1
    polled = fresh(payment)
    assert (polled.queries, polled.last_answer, polled.status) == (1, "pending", PaymentStatus.OPEN)
    assert polled.next_query_at == polled.created_at + timedelta(minutes=5)
    assert poll.poll_providers() == 0


def test_paid_answer_is_a_payment(provider: HTTPServer) -> None:
    answer_with(provider, "succeeded")
    payment = due_payment(pollable(provider))
    poll.poll_providers()
    settled = fresh(payment)
    assert (settled.status, settled.next_query_at) == (PaymentStatus.PAID, None)
    assert settled.provider_reference == f"p-{payment.reference}"
    assert settled.order.status == OrderStatus.PAID


def test_closed_attempt_with_refund_queried_once(provider: HTTPServer) -> None:
    answer_with(provider, "not_found")
    payment = due_payment(pollable(provider), status=PaymentStatus.CLOSED)
    assert poll.poll_providers() == 1
    polled = fresh(payment)
    assert (polled.status, polled.last_answer, polled.next_query_at) == (
        PaymentStatus.CLOSED,
        "not_found",
        None,
    )


def test_backlog_goes_out_at_the_rate_limit(provider: HTTPServer) -> None:
    answer_with(provider, "pending")
    account = pollable(provider)
    for _number in range(20):
        due_payment(account)
    began = time.monotonic()
    assert poll_all() == 20
    # Five leases of four calls; each but the last is followed by a pause of 4 / 20 s.
    assert time.monotonic() - began >= 0.8


def test_circuit_opens_after_five_failures(provider: HTTPServer) -> None:
    provider.expect_request("/query").respond_with_data(status=500)
    account = pollable(provider)
    for _number in range(20):
        due_payment(account)
    assert poll_all() == 8
    account.refresh_from_db()
    assert account.failures_in_a_row == 8
    assert account.is_circuit_open
    assert account.next_call_at is not None
    assert account.next_call_at - timezone.now() > timedelta(seconds=200)
    assert poll.poll_providers() == 0
    assert len(provider.log) == 8


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"<html>", "服务器繁忙".encode("gbk")])
def test_unreadable_answer_opens_no_circuit(provider: HTTPServer, body: bytes) -> None:
    provider.expect_request("/query").respond_with_data(body, content_type="text/html")
    account = pollable(provider)
    payments = [due_payment(account) for _number in range(8)]
    assert poll_all() == 8
    account.refresh_from_db()
    assert (account.failures_in_a_row, account.is_circuit_open) == (0, False)
    queried = fresh(payments[0])
    assert queried.last_answer.startswith("provider_answer_unreadable")
    assert queried.status == PaymentStatus.OPEN
    assert queried.next_query_at == queried.created_at + timedelta(minutes=1)


def test_half_open_account_recovers(provider: HTTPServer) -> None:
    answer_with(provider, "pending")
    account = pollable(provider)
    for _number in range(6):
        due_payment(account)
    PaymentAccount.objects.update(failures_in_a_row=6, next_call_at=long_ago(seconds=1))
    account.refresh_from_db()
    lease = PROVIDERS.take(account)
    assert lease is not None
    assert len(claim_payments(lease)) == 1
    PROVIDERS.release(lease, [False])
    assert poll_all() == 5
    account.refresh_from_db()
    assert account.failures_in_a_row == 0


def test_slow_account_does_not_delay_another(provider: HTTPServer) -> None:
    answer_with(provider, "pending", path="/slow", seconds=2)
    answer_with(provider, "succeeded", path="/quick")
    slow, quick = pollable(provider, "slow", path="/slow"), pollable(provider, "quick", path="/quick")
    slow_ones = [due_payment(slow) for _number in range(8)]
    quick_ones = [due_payment(quick) for _number in range(12)]
    poll_all()
    paid = [fresh(payment) for payment in quick_ones]
    assert {payment.status for payment in paid} == {PaymentStatus.PAID}
    # The slow account's first calls take 2 s; the quick one did not wait for them.
    first_slow = min(fresh(payment).last_query_at or timezone.now() for payment in slow_ones)
    assert min(payment.paid_at for payment in paid if payment.paid_at) < first_slow + timedelta(seconds=2)
    assert sum(fresh(payment).queries for payment in slow_ones) >= PROVIDERS.calls_at_once


def test_unreadable_account_stops_no_other(provider: HTTPServer) -> None:
    answer_with(provider, "succeeded")
    broken, good = pollable(provider, "broken"), pollable(provider, "good")
    PaymentAccount.objects.filter(pk=broken.pk).update(sealed_secrets="v1:dev1:AAAA")
    lost, fine = due_payment(broken), due_payment(good)
    poll.poll_providers()
    assert fresh(fine).status == PaymentStatus.PAID
    assert fresh(lost).last_answer.startswith("provider_misconfigured")
    assert fresh(lost).status == PaymentStatus.OPEN


def test_dead_worker_is_overtaken(provider: HTTPServer) -> None:
    answer_with(provider, "succeeded")
    account = pollable(provider)
    payment = due_payment(account)
    lease = PROVIDERS.take(account)
    assert lease is not None
    assert claim_payments(lease) == [payment]  # and it never comes back
    assert poll.poll_providers() == 0
    PaymentAccount.objects.update(next_call_at=long_ago(seconds=1))
    Payment.objects.update(next_query_at=long_ago(seconds=1))
    assert poll.poll_providers() == 1
    assert fresh(payment).status == PaymentStatus.PAID


@pytest.mark.postgres
def test_no_plan_claims_more_than_the_lease(provider: HTTPServer) -> None:
    """With a plain subquery this plan ran it for each row, and claimed all of them."""
    account = pollable(provider)
    for _number in range(12):
        due_payment(account)
    with connection.cursor() as cursor:
        for name in ("hashjoin", "mergejoin", "material", "hashagg", "sort"):
            cursor.execute(f"SET LOCAL enable_{name} = off")
    lease = PROVIDERS.take(account)
    assert lease is not None
    assert len(claim_payments(lease)) == PROVIDERS.calls_at_once
    waiting = Payment.objects.filter(next_query_at__lte=timezone.now())
    assert waiting.count() == 12 - PROVIDERS.calls_at_once


def test_query_now_at_most_every_three_seconds(provider: HTTPServer) -> None:
    answer_with(provider, "pending")
    payment = build_payment(pollable(provider))
    assert [poll.query_now(fresh(payment)) for _look in range(3)] == [True, False, False]
    assert len(provider.log) == 1
    Payment.objects.update(last_query_at=long_ago(seconds=3))
    assert poll.query_now(fresh(payment))


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_viewers_query_once(provider: HTTPServer) -> None:
    answer_with(provider, "pending")
    payment = build_payment(pollable(provider))
    assert sorted(run_together(*[lambda: poll.query_now(fresh(payment))] * 8)) == [False] * 7 + [True]
    assert len(provider.log) == 1


def test_wait_of_an_account(provider: HTTPServer) -> None:
    account = pollable(provider)
    for _number in range(45):
        due_payment(account)
    assert waits_of([account.pk]) == {account.pk: Wait(45, 3, 0, None)}
