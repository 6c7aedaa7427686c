"""Slow providers never hold the threads of a web process: buyers' pages, starts and staff's buttons share few of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from django.utils import timezone
from pytest_httpserver import HTTPServer

from orders.tests.web import web_server
from ordersite.lib.errors import OutsideError
from ordersite.outside_accounts.web_calls import WebCalls, web_calls
from payments.models import Payment, PaymentAccount, PaymentNotification
from payments.polling.poll import NotQueried, close_now, query_for_staff, query_now
from payments.tests import builders as build
from payments.tests.fake_provider import answer_with, pollable, serving
from payments.tests.latency import WORST_MS, p99_of_notifications, post_notification

BUYERS = 48
PROVIDER_SECONDS = 2.7
MANY = httpx2.Limits(max_connections=100)


@pytest.fixture
def provider() -> Iterator[HTTPServer]:
    with serving() as server:
        yield server


@pytest.mark.postgres
@pytest.mark.serial
@pytest.mark.django_db(transaction=True)
def test_polling_buyers_leave_webhooks_fast(provider: HTTPServer) -> None:
    """Measured once more where it fails: another program may have had the processor."""
    answer_with(provider, "pending", seconds=PROVIDER_SECONDS)
    alipay, slow = build.build_alipay(), pollable(provider)
    bodies = [build.alipay_body(build.build_payment(alipay)) for _ in range(40)]
    buyers = [build.build_payment(slow).reference for _ in range(BUYERS)]

    with web_server() as url, httpx2.Client(base_url=url, timeout=30, limits=MANY) as client:
        for number in range(20):
            post_notification(client, bodies[number])
        p99 = beside_buyers(client, buyers, bodies)
        if p99 > WORST_MS:
            p99 = beside_buyers(client, buyers, bodies)

    assert p99 <= WORST_MS
    assert PaymentNotification.objects.filter(check_result="verified").count() == 40


def beside_buyers(client: httpx2.Client, buyers: list[str], bodies: list[bytes]) -> float:
    """The 99th percentile, in milliseconds, of genuine notifications while all buyers' pages poll."""
    stop = threading.Event()
    with ThreadPoolExecutor(BUYERS) as pool:
        polling = [pool.submit(poll_state, client, reference, stop) for reference in buyers]
        try:
            p99 = p99_of_notifications(client, bodies, seconds=4)
        finally:
            stop.set()
    for future in polling:
        future.result()
    return p99


def poll_state(client: httpx2.Client, reference: str, stop: threading.Event) -> None:
    """Poll as the page does."""
    while not stop.is_set():
        assert client.get(f"/pay/return/{reference}/state/").json()["state"] == "waiting"
        stop.wait(3)


@pytest.mark.django_db
def test_without_a_slot_the_workers_query(provider: HTTPServer) -> None:
    answer_with(provider, "succeeded")
    payment = build.build_payment(pollable(provider), next_query_at=timezone.now() + timedelta(hours=1))

    with web_calls().query(payment.account) as first, web_calls().query(payment.account) as second:
        assert (first, second) == (True, True)
        assert query_now(payment) is False
        assert query_for_staff(payment) is NotQueried.BUSY

    payment.refresh_from_db()
    assert payment.next_query_at is not None
    assert payment.next_query_at <= timezone.now()
    assert (payment.queries, provider.log) == (0, [])
    assert query_now(payment) is True


@pytest.mark.django_db
def test_a_query_under_way_is_not_made_due(provider: HTTPServer) -> None:
    now = timezone.now()
    asked, lease = now - timedelta(seconds=10), now + timedelta(seconds=65)
    payment = build.build_payment(pollable(provider), last_query_at=asked, next_query_at=lease)

    with web_calls().query(payment.account), web_calls().query(payment.account):
        query_now(payment)

    assert Payment.objects.get().next_query_at == lease


@pytest.mark.django_db
def test_without_a_slot_the_workers_close(provider: HTTPServer) -> None:
    payment = build.build_payment(pollable(provider))

    with web_calls().query(payment.account), web_calls().query(payment.account):
        assert close_now(payment) is None

    payment.refresh_from_db()
    assert payment.close_wanted_at is not None
    assert payment.next_query_at == payment.close_wanted_at
    assert provider.log == []


def some_account(number: int) -> Any:
    return PaymentAccount(pk=number, slug=f"account-{number}")


def test_queries_take_a_quarter_two_an_account() -> None:
    slots = WebCalls(16)
    one, two, three = map(some_account, (1, 2, 3))
    taken = [slots.query(account) for account in (one, one, one, two, two, three)]

    assert [slot.__enter__() for slot in taken] == [True, True, False, True, True, False]

    for slot in taken:
        slot.__exit__(None, None, None)
    with slots.query(one) as is_free_again:
        assert is_free_again


def test_all_calls_together_take_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordersite.outside_accounts.web_calls.WAIT_SECONDS", 0.05)
    slots = WebCalls(8)
    taken = [slots.call() for _ in range(4)]
    for slot in taken:
        slot.__enter__()

    with pytest.raises(OutsideError) as caught, slots.call():
        pass
    with slots.query(some_account(1)) as is_free:
        assert not is_free
    assert (caught.value.code, caught.value.outcome_known) == ("provider_busy", True)

    taken[0].__exit__(None, None, None)
    with slots.call():
        pass


@pytest.mark.serial
def test_few_may_wait_for_a_slot() -> None:
    slots = WebCalls(8)
    taken = [slots.call() for _ in range(4)]
    for slot in taken:
        slot.__enter__()
    started = time.monotonic()

    with ThreadPoolExecutor(6) as pool:
        refused = [pool.submit(slots.call().__enter__) for _ in range(6)]
        codes = [future.exception() for future in refused[:]]

    # Two waited for a second, four were refused at once.
    assert all(isinstance(error, OutsideError) for error in codes)
    assert 0.9 <= time.monotonic() - started < 2
