"""The throttle, with payment and carrier accounts alike: lease, rate limit and circuit breaker."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from logistics.tests.builders import build_account
from logistics.tracking.throttle import CARRIERS
from ordersite.outside_accounts.circuit import CircuitState
from ordersite.outside_accounts.throttle import Lease, Throttle
from payments.provider_calls.throttle import PROVIDERS
from payments.tests.builders import build_webhook
from payments.tests.steps import run_together
from sandbox.tests.nobody import nobody

pytestmark = pytest.mark.django_db

EVERY_KIND = pytest.mark.parametrize("throttle", [PROVIDERS, CARRIERS], ids=["payment", "carrier"])


def build(throttle: Throttle[Any], **columns: Any) -> Any:
    """An account of the throttle's kind with these columns."""
    account: Any = build_webhook() if throttle is PROVIDERS else build_account(f"{nobody()}/query.do")
    throttle.accounts.objects.filter(pk=account.pk).update(**columns)
    return fresh(account)


def fresh(account: Any) -> Any:
    return type(account).objects.get(pk=account.pk)


def taken(throttle: Throttle[Any], account: Any) -> Lease[Any]:
    lease = throttle.take(account)
    assert lease is not None
    return lease


def seconds_open(account: Any) -> int:
    until = fresh(account).circuit_open_until
    return round((until - timezone.now()).total_seconds()) if until else 0


@EVERY_KIND
def test_leased_account_is_not_leased_again(throttle: Throttle[Any]) -> None:
    account = build(throttle)

    lease = taken(throttle, account)

    assert lease.until == lease.taken_at + throttle.lease
    assert throttle.take(fresh(account)) is None


@EVERY_KIND
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_one_of_eight_at_once_takes_the_lease(throttle: Throttle[Any]) -> None:
    account = build(throttle)

    leases = run_together(*[lambda: throttle.take(account)] * 8)

    assert sum(lease is not None for lease in leases) == 1


@EVERY_KIND
def test_dead_process_is_overtaken(throttle: Throttle[Any]) -> None:
    account = build(throttle)
    lost = taken(throttle, account)

    over = timezone.now() - timedelta(seconds=1)
    throttle.accounts.objects.update(**{account.lease_column: over})
    lease = taken(throttle, fresh(account))

    assert throttle.renew(lost) is None
    throttle.release(lost)
    assert getattr(fresh(account), account.lease_column) == lease.until


@EVERY_KIND
def test_renewed_lease_lasts_longer(throttle: Throttle[Any]) -> None:
    account = build(throttle)
    lease = taken(throttle, account)

    renewed = throttle.renew(lease)

    assert renewed is not None
    assert renewed.until > lease.until
    assert getattr(fresh(account), account.lease_column) == renewed.until


@EVERY_KIND
def test_released_account_is_free(throttle: Throttle[Any]) -> None:
    account = build(throttle)

    throttle.release(taken(throttle, account))

    taken(throttle, fresh(account))


def test_rate_limit_delays_the_next_lease() -> None:
    account = build(PROVIDERS)
    lease = taken(PROVIDERS, account)

    PROVIDERS.release(lease, [False] * 4)

    # Four calls at 20 a second.
    after = fresh(account)
    assert after.next_call_at == lease.taken_at + timedelta(seconds=0.2)
    assert after.circuit is CircuitState.CLOSED


def test_disabled_carrier_gets_no_lease() -> None:
    account = build(CARRIERS, is_active=False)

    assert CARRIERS.take(account) is None
    assert fresh(account).leased_until is None


@EVERY_KIND
def test_circuit_opens_after_five_failures(throttle: Throttle[Any]) -> None:
    account = build(throttle)

    answers = [throttle.record_calls(account.pk, [True]) for _call in range(4)]

    assert answers == [False] * 4
    assert fresh(account).circuit is CircuitState.CLOSED

    assert throttle.record_calls(account.pk, [True]) is True
    assert fresh(account).circuit is CircuitState.OPEN
    assert seconds_open(account) == 30
    assert throttle.take(fresh(account)) is None


@EVERY_KIND
def test_success_in_between_keeps_it_closed(throttle: Throttle[Any]) -> None:
    account = build(throttle, failures_in_a_row=4)

    throttle.record_calls(account.pk, [True, False, True])

    assert fresh(account).failures_in_a_row == 0
    assert fresh(account).circuit is CircuitState.CLOSED


@EVERY_KIND
def test_release_opens_the_circuit(throttle: Throttle[Any]) -> None:
    account = build(throttle, failures_in_a_row=3)

    throttle.release(taken(throttle, account), [True, True, True])

    assert fresh(account).failures_in_a_row == 6
    assert seconds_open(account) == 60


@EVERY_KIND
def test_half_open_lets_one_call_out(throttle: Throttle[Any]) -> None:
    over = timezone.now() - timedelta(seconds=1)
    account = build(throttle, failures_in_a_row=5, next_call_at=over)
    assert account.circuit is CircuitState.HALF_OPEN

    lease = taken(throttle, account)

    assert lease.size == 1
    assert throttle.take(fresh(account)) is None


@EVERY_KIND
def test_trial_that_works_closes_the_circuit(throttle: Throttle[Any]) -> None:
    over = timezone.now() - timedelta(seconds=1)
    account = build(throttle, failures_in_a_row=5, next_call_at=over)

    throttle.release(taken(throttle, account), [False])

    recovered = fresh(account)
    assert recovered.circuit is CircuitState.CLOSED
    assert recovered.failures_in_a_row == 0


@EVERY_KIND
def test_trial_that_fails_opens_it_for_longer(throttle: Throttle[Any]) -> None:
    over = timezone.now() - timedelta(seconds=1)
    account = build(throttle, failures_in_a_row=6, next_call_at=over)

    throttle.release(taken(throttle, account), [True])

    assert fresh(account).circuit is CircuitState.OPEN
    assert seconds_open(account) == 120


@EVERY_KIND
def test_call_without_lease_keeps_open_time(throttle: Throttle[Any]) -> None:
    until = timezone.now() + timedelta(minutes=5)
    account = build(throttle, failures_in_a_row=9, next_call_at=until)

    throttle.record_calls(account.pk, [True])

    assert fresh(account).next_call_at == until
    assert fresh(account).failures_in_a_row == 10


@EVERY_KIND
def test_unusable_account_is_opened_at_once(throttle: Throttle[Any]) -> None:
    account = build(throttle)

    throttle.open_circuit(account.pk, timedelta(minutes=10))

    assert fresh(account).circuit is CircuitState.OPEN
    assert seconds_open(account) == 600


@EVERY_KIND
def test_person_half_opens_an_open_circuit(throttle: Throttle[Any]) -> None:
    account = build(throttle, failures_in_a_row=7, next_call_at=timezone.now() + timedelta(minutes=2))

    throttle.half_open(account)

    assert fresh(account).circuit is CircuitState.HALF_OPEN
    assert fresh(account).failures_in_a_row == 7


@EVERY_KIND
def test_half_opening_a_closed_one_does_nothing(throttle: Throttle[Any]) -> None:
    until = timezone.now() + timedelta(seconds=30)
    account = build(throttle, next_call_at=until)

    throttle.half_open(account)

    assert fresh(account).next_call_at == until
