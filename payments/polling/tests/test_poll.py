"""The lane to the providers: schedule, pace, rest, and no account in the way of another."""

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
from payments.polling.schedule import next_question_at
from payments.provider_calls import throttle
from payments.tests.builders import build_payment
from payments.tests.fake_provider import answer_with, askable, due_payment, serving
from payments.tests.steps import fresh, long_ago, run_together

pytestmark = pytest.mark.django_db
# On a busy machine the time of one run is over before its work is.
RUNS = 5
BORN = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)


@pytest.fixture
def provider() -> Iterator[HTTPServer]:
    with serving() as server:
        yield server


def ask_all() -> int:
    return sum(poll.ask_providers() for _run in range(RUNS))


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
    assert next_question_at(payment, now=BORN + age) == BORN + next_age


def test_schedule_begins_anew_when_closing_is_wanted_and_does_not_sleep_through_the_expiry() -> None:
    wanted = BORN + timedelta(minutes=30)
    payment = Payment(created_at=BORN, close_wanted_at=wanted, expires_at=BORN + timedelta(minutes=31))
    assert next_question_at(payment, now=wanted) == wanted + timedelta(minutes=1)
    assert next_question_at(payment, now=wanted + timedelta(minutes=1)) == BORN + timedelta(minutes=33)
    assert next_question_at(payment, now=wanted + timedelta(minutes=4)) == wanted + timedelta(minutes=5)


def test_pending_attempt_is_asked_for_and_asked_again_later(provider: HTTPServer) -> None:
    answer_with(provider, "pending")
    payment = due_payment(askable(provider), created_at=long_ago(seconds=61))
    assert poll.ask_providers() == 1
    asked = fresh(payment)
    assert (asked.queries, asked.last_answer, asked.status) == (1, "pending", PaymentStatus.OPEN)
    assert asked.next_query_at == asked.created_at + timedelta(minutes=5)
    assert poll.ask_providers() == 0


def test_paid_answer_is_a_payment(provider: HTTPServer) -> None:
    answer_with(provider, "succeeded")
    payment = due_payment(askable(provider))
    poll.ask_providers()
    settled = fresh(payment)
    assert (settled.status, settled.next_query_at) == (PaymentStatus.PAID, None)
    assert settled.provider_reference == f"p-{payment.reference}"
    assert settled.order.status == OrderStatus.PAID


def test_closed_attempt_is_asked_for_once_when_a_refund_of_it_comes_up(provider: HTTPServer) -> None:
    answer_with(provider, "not_found")
    payment = due_payment(askable(provider), status=PaymentStatus.CLOSED)
    assert poll.ask_providers() == 1
    asked = fresh(payment)
    assert (asked.status, asked.last_answer, asked.next_query_at) == (PaymentStatus.CLOSED, "not_found", None)


def test_a_whole_backlog_is_asked_for_at_the_pace_of_the_account(provider: HTTPServer) -> None:
    answer_with(provider, "pending")
    account = askable(provider)
    for _number in range(20):
        due_payment(account)
    began = time.monotonic()
    assert ask_all() == 20
    # Five turns of four; each turn but the last is followed by a rest of 4 / 20 s.
    assert time.monotonic() - began >= 0.8


def test_account_rests_after_five_failures_in_a_row(provider: HTTPServer) -> None:
    provider.expect_request("/query").respond_with_data(status=500)
    account = askable(provider)
    for _number in range(20):
        due_payment(account)
    assert ask_all() == 8
    account.refresh_from_db()
    assert account.failures_in_a_row == 8
    assert throttle.is_resting(account)
    assert account.resting_until is not None
    assert account.resting_until - timezone.now() > timedelta(seconds=200)
    assert poll.ask_providers() == 0
    assert len(provider.log) == 8


def test_account_on_trial_is_asked_once_and_recovers(provider: HTTPServer) -> None:
    answer_with(provider, "pending")
    account = askable(provider)
    for _number in range(6):
        due_payment(account)
    PaymentAccount.objects.update(failures_in_a_row=6, resting_until=long_ago(seconds=1))
    account.refresh_from_db()
    held = throttle.hold(account)
    assert held is not None
    assert len(throttle.claim(held)) == 1
    throttle.give_back(held, [False])
    assert ask_all() == 5
    account.refresh_from_db()
    assert account.failures_in_a_row == 0


@pytest.mark.parametrize(
    ("failures", "seconds"), [(5, 30), (6, 60), (7, 120), (9, 480), (10, 600), (1000, 600)]
)
def test_rest_doubles_up_to_ten_minutes(failures: int, seconds: int) -> None:
    assert throttle.rest_after(failures) == timedelta(seconds=seconds)


def test_slow_account_does_not_hold_up_another(provider: HTTPServer) -> None:
    answer_with(provider, "pending", path="/slow", seconds=2)
    answer_with(provider, "succeeded", path="/quick")
    slow, quick = askable(provider, "slow", path="/slow"), askable(provider, "quick", path="/quick")
    slow_ones = [due_payment(slow) for _number in range(8)]
    quick_ones = [due_payment(quick) for _number in range(12)]
    ask_all()
    paid = [fresh(payment) for payment in quick_ones]
    assert {payment.status for payment in paid} == {PaymentStatus.PAID}
    # The slow account's first turn takes 2 s; the quick one did not wait for it.
    first_slow = min(fresh(payment).last_asked_at or timezone.now() for payment in slow_ones)
    assert min(payment.paid_at for payment in paid if payment.paid_at) < first_slow + timedelta(seconds=2)
    assert sum(fresh(payment).queries for payment in slow_ones) >= throttle.TURN_SIZE


def test_account_whose_secrets_cannot_be_read_is_its_own_trouble(provider: HTTPServer) -> None:
    answer_with(provider, "succeeded")
    broken, good = askable(provider, "broken"), askable(provider, "good")
    PaymentAccount.objects.filter(pk=broken.pk).update(sealed_secrets="v1:dev1:AAAA")
    lost, fine = due_payment(broken), due_payment(good)
    poll.ask_providers()
    assert fresh(fine).status == PaymentStatus.PAID
    assert fresh(lost).last_answer.startswith("provider_misconfigured")
    assert fresh(lost).status == PaymentStatus.OPEN


def test_dead_worker_is_overtaken(provider: HTTPServer) -> None:
    answer_with(provider, "succeeded")
    account = askable(provider)
    payment = due_payment(account)
    held = throttle.hold(account)
    assert held is not None
    assert throttle.claim(held) == [payment]  # and it never comes back
    assert poll.ask_providers() == 0
    PaymentAccount.objects.update(resting_until=long_ago(seconds=1))
    Payment.objects.update(next_query_at=long_ago(seconds=1))
    assert poll.ask_providers() == 1
    assert fresh(payment).status == PaymentStatus.PAID


@pytest.mark.postgres
def test_no_plan_claims_more_than_a_turn(provider: HTTPServer) -> None:
    """With a plain subquery this plan ran it for each row, and claimed all of them."""
    account = askable(provider)
    for _number in range(12):
        due_payment(account)
    with connection.cursor() as cursor:
        for name in ("hashjoin", "mergejoin", "material", "hashagg", "sort"):
            cursor.execute(f"SET LOCAL enable_{name} = off")
    held = throttle.hold(account)
    assert held is not None
    assert len(throttle.claim(held)) == throttle.TURN_SIZE
    waiting = Payment.objects.filter(next_query_at__lte=timezone.now())
    assert waiting.count() == 12 - throttle.TURN_SIZE


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_one_process_at_a_time_has_the_account(provider: HTTPServer) -> None:
    account = askable(provider)
    due_payment(account)
    turns = run_together(*[lambda: throttle.hold(account)] * 8)
    assert sum(turn is not None for turn in turns) == 1


def test_asking_at_once_happens_at_most_every_three_seconds(provider: HTTPServer) -> None:
    answer_with(provider, "pending")
    payment = build_payment(askable(provider))
    assert [poll.ask_now(fresh(payment)) for _look in range(3)] == [True, False, False]
    assert len(provider.log) == 1
    Payment.objects.update(last_asked_at=long_ago(seconds=3))
    assert poll.ask_now(fresh(payment))


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_who_look_at_once_ask_once(provider: HTTPServer) -> None:
    answer_with(provider, "pending")
    payment = build_payment(askable(provider))
    assert sorted(run_together(*[lambda: poll.ask_now(fresh(payment))] * 8)) == [False] * 7 + [True]
    assert len(provider.log) == 1


def test_lane_says_how_long_it_will_take(provider: HTTPServer) -> None:
    account = askable(provider)
    for _number in range(45):
        due_payment(account)
    assert throttle.waits([account.pk]) == {account.pk: throttle.Wait(45, 3, 0, None)}
