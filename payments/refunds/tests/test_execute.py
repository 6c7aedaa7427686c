"""Refunds on their way to the provider: one number for all tries, queried before repeated, paced, never twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from orders.models import OrderEvent
from ordersite.lib.http import Gateway
from payments.models import PaymentAccount, PaymentException, Refund, RefundRequest
from payments.provider_calls.throttle import PROVIDERS
from payments.providers.webhook.adapter import Webhook
from payments.refunds import execute
from payments.refunds.call import call_provider
from payments.refunds.tests.builders import fresh_request, order_of, paid_payment, requested_refund
from payments.refunds.tests.fake_provider import Bank, bank
from payments.tests.steps import run_together

pytestmark = pytest.mark.django_db
# On a busy machine the time of one run is over before its work is.
RUNS = 3


@pytest.fixture
def provider() -> Iterator[Bank]:
    with bank() as one:
        yield one


def run_now(*requests: RefundRequest) -> None:
    """Make these due and execute what is due."""
    PaymentAccount.objects.update(next_call_at=None)
    RefundRequest.objects.filter(pk__in=[one.pk for one in requests], next_try_at__isnull=False).update(
        next_try_at=timezone.now()
    )
    execute.order_refunds()


def state(request: RefundRequest) -> tuple[str, Decimal, Decimal]:
    """The request's state, the payment's refunded sum and the order's pending refunds."""
    fresh = fresh_request(request)
    return str(fresh.status), fresh.payment.refunded_amount, fresh.order.refunds_pending


def cases() -> list[str]:
    return list(PaymentException.objects.order_by("id").values_list("kind", flat=True))


def test_response_confirms_an_approved_refund(provider: Bank) -> None:
    request = requested_refund(paid_payment(provider.account()), "60.00")
    run_now(request)
    assert provider.paid_back == {request.reference: "60.00"}
    assert state(request) == ("succeeded", Decimal("60.00"), Decimal("0.00"))
    order = order_of(request.payment)
    assert (order.status, order.refunded_amount) == ("paid", Decimal("60.00"))
    assert list(Refund.objects.values_list("refund_reference", "amount")) == [
        (request.reference, Decimal("60.00"))
    ]
    kinds = list(OrderEvent.objects.filter(order_id=order.pk).order_by("seq").values_list("kind", flat=True))
    assert kinds == ["created", "transition", "refund_requested", "note", "partial_refund", "refund_ended"]
    assert cases() == []


def test_request_without_due_time_is_not_ordered(provider: Bank) -> None:
    from_rule = requested_refund(paid_payment(provider.account()))
    RefundRequest.objects.filter(pk=from_rule.pk).update(next_try_at=None)
    assert (execute.order_refunds(), provider.orders) == (0, [])


def test_partial_refunds_end_in_refunded_order(provider: Bank) -> None:
    payment = paid_payment(provider.account(), total="100.00", status="shipped")
    requests = [requested_refund(payment, amount) for amount in ("33.33", "33.33", "33.34")]
    for _run in range(RUNS):
        run_now(*requests)
    assert [state(one)[0] for one in requests] == ["succeeded"] * 3
    order = order_of(payment)
    assert (order.status, order.refunded_amount) == ("refunded", Decimal("100.00"))
    assert order.refunds_pending == Decimal("0.00")
    assert sum(Refund.objects.values_list("amount", flat=True)) == Decimal("100.00")


def test_lost_response_queries_the_same_number(provider: Bank) -> None:
    provider.says = [502, "succeeded"]
    request = requested_refund(paid_payment(provider.account()))
    run_now(request)
    waiting = fresh_request(request)
    assert state(request) == ("ordered", Decimal("0.00"), Decimal("60.00"))
    assert (waiting.to_order, waiting.attempts) == (False, 1)
    assert waiting.next_try_at
    assert waiting.next_try_at <= timezone.now() + timedelta(seconds=10)
    run_now(request)
    assert provider.numbers == [request.reference] * 2
    assert provider.paid_back == {request.reference: "60.00"}
    assert state(request) == ("succeeded", Decimal("60.00"), Decimal("0.00"))


def test_unknown_refund_is_resent_unchanged(provider: Bank) -> None:
    provider.says = [502, "not_found", "succeeded"]
    request = requested_refund(paid_payment(provider.account()))
    run_now(request)
    run_now(request)  # queries, and orders at once when the provider knows nothing
    assert provider.numbers == [request.reference] * 3
    assert (state(request)[0], fresh_request(request).attempts) == ("succeeded", 3)


def test_http_4xx_is_retried_as_a_new_order(provider: Bank) -> None:
    """HTTP 4xx: the provider has not taken it, so nothing is under way."""
    provider.says = [403]
    request = requested_refund(paid_payment(provider.account()))
    run_now(request)
    waiting = fresh_request(request)
    assert (waiting.status, waiting.to_order, waiting.attempts) == ("approved", True, 1)
    assert cases() == []
    RefundRequest.objects.update(decided_at=timezone.now() - timedelta(hours=1))
    provider.says = [403]
    run_now(request)
    assert cases() == ["refund_trouble"]


def test_dead_process_after_call_is_taken_over(provider: Bank) -> None:
    """Kill point: the money is gone back, nothing of the answer is recorded; only the claim is committed."""
    request = requested_refund(paid_payment(provider.account()))
    lease = PROVIDERS.take(PaymentAccount.objects.get())
    assert lease
    [call] = execute.claim(lease)
    call_provider(call, Gateway())  # and it dies here
    left = fresh_request(request)
    assert (left.to_order, left.attempts, left.next_try_at) == (False, 1, lease.until)
    assert execute.order_refunds() == 0  # the lease stands
    run_now(request)
    assert provider.numbers == [request.reference] * 2
    assert provider.paid_back == {request.reference: "60.00"}
    assert state(request) == ("succeeded", Decimal("60.00"), Decimal("0.00"))


def test_processing_is_polled_with_backoff(provider: Bank) -> None:
    provider.usually = "processing"
    request = requested_refund(paid_payment(provider.account()))
    pauses = []
    for _try in range(6):
        run_now(request)
        fresh = fresh_request(request)
        assert fresh.next_try_at
        assert fresh.last_tried_at
        pauses.append(round((fresh.next_try_at - fresh.last_tried_at).total_seconds() / 60))
    assert pauses == [1, 1, 1, 1, 1, 5]
    assert state(request) == ("ordered", Decimal("0.00"), Decimal("60.00"))
    RefundRequest.objects.update(decided_at=timezone.now() - timedelta(days=3))
    run_now(request)
    assert (cases(), state(request)[0]) == (["refund_trouble"], "ordered")


def test_failure_frees_order_and_opens_case(provider: Bank) -> None:
    provider.usually = "failed"
    request = requested_refund(paid_payment(provider.account()))
    run_now(request)
    assert state(request) == ("failed", Decimal("0.00"), Decimal("0.00"))
    assert (order_of(request.payment).is_stopped, cases()) == (False, ["refund_trouble"])
    assert PaymentException.objects.get().detail["last_answer"] == "no such card"
    assert fresh_request(request).next_try_at is None
    again = requested_refund(request.payment, "199.00")
    assert again.reference != request.reference


def test_refunds_of_one_trade_keep_minimum_gap(provider: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Webhook, "refund_gap", timedelta(minutes=1))
    account = provider.account()
    payment, other = paid_payment(account), paid_payment(account)
    first, second, elsewhere = (
        requested_refund(payment, "1.00"),
        requested_refund(payment, "2.00"),
        requested_refund(other, "3.00"),
    )
    run_now(first, second, elsewhere)
    assert sorted(provider.paid_back.values()) == ["1.00", "3.00"]
    late, early = fresh_request(second), fresh_request(first)
    assert early.ordered_at
    assert late.next_try_at == early.ordered_at + timedelta(minutes=1)
    assert late.attempts == 0
    RefundRequest.objects.filter(pk=first.pk).update(ordered_at=timezone.now() - timedelta(minutes=1))
    run_now(second)
    assert state(second)[0] == "succeeded"


def test_silent_provider_opens_the_circuit(provider: Bank) -> None:
    provider.says = [502] * 5
    account = provider.account()
    requests = [requested_refund(paid_payment(account), "1.00") for _number in range(5)]
    while left := [one for one in requests if fresh_request(one).attempts == 0]:
        run_now(*left)
    account.refresh_from_db()
    assert (account.failures_in_a_row, account.is_circuit_open) == (5, True)
    assert PROVIDERS.take(account) is None


def test_open_circuit_sends_no_order(provider: Bank) -> None:
    account = provider.account()
    request = requested_refund(paid_payment(account))
    PaymentAccount.objects.update(next_call_at=timezone.now() + timedelta(minutes=5))
    assert (execute.order_refunds(), provider.orders, state(request)[0]) == (0, [], "approved")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_order_once(provider: Bank) -> None:
    provider.seconds = 0.2
    request = requested_refund(paid_payment(provider.account()))
    run_together(execute.order_refunds, execute.order_refunds)
    assert provider.numbers == [request.reference]
    assert state(request)[0] == "succeeded"


def test_try_now_but_not_during_a_call(provider: Bank) -> None:
    request = requested_refund(paid_payment(provider.account()))
    lease = PROVIDERS.take(PaymentAccount.objects.get())
    assert lease
    execute.claim(lease)
    assert execute.try_now(request) is False
    assert fresh_request(request).next_try_at == lease.until
    RefundRequest.objects.update(next_try_at=timezone.now() + timedelta(hours=1))
    assert execute.try_now(request) is True
    run_now(request)
    assert execute.try_now(request) is False
