"""Runs the calls to providers: leases accounts while workers are free, calls in threads, records, releases.

Queries and refunds of an account share its lease, and with it its rate limit and its circuit breaker. Nothing here
calls the outside inside a transaction.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from django.utils import timezone

from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.http import Gateway
from ordersite.lib.tracebacks import brief
from ordersite.outside_accounts.throttle import Lease
from payments.accounts.keys import keys_of
from payments.models import Payment, PaymentAccount, RefundRequest
from payments.provider_calls.result import CallResult
from payments.provider_calls.throttle import PROVIDERS, WORKERS
from payments.providers.types import AccountKeys

# How long one run lasts; the next one begins 3 s after its start, so that at most one worker is kept busy by it.
RUN_SECONDS = 2.5
# The rate limit pauses for fractions of a second: a run waits so long for an account instead of ending.
PAUSE_SECONDS = 0.3
IDLE_SECONDS = 0.05

_GATEWAY = Gateway()

Request = TypeVar("Request")
Result = TypeVar("Result", bound=CallResult[Any])

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CallKind(Generic[Request, Result]):
    """A kind of call and the steps around it.

    `accounts`: those that may be called before a time (UTC) and have something due. `claim`: the requests that go out
    under a lease. `call` runs in a thread and never raises. `row`: the record that a call is about.
    """

    name: str
    accounts: Callable[[datetime], list[PaymentAccount]]
    claim: Callable[[Lease[PaymentAccount]], list[Request]]
    call: Callable[[Request, Gateway], Result]
    record: Callable[[Result], None]
    row: Callable[[Result], Payment | RefundRequest]


@dataclass(slots=True)
class CallsInProgress(Generic[Result]):
    """The calls that were sent under one lease."""

    lease: Lease[PaymentAccount]
    futures: list[Future[Result]]

    @property
    def are_done(self) -> bool:
        return all(future.done() for future in self.futures)


def run(kind: CallKind[Request, Result]) -> int:
    """Call for what is due, account by account, for about RUN_SECONDS; returns the number of calls."""
    until = time.monotonic() + RUN_SECONDS
    called, running = 0, list[CallsInProgress[Result]]()
    with ThreadPoolExecutor(WORKERS, thread_name_prefix=kind.name) as pool:
        while True:
            waiting = _send(kind, pool, running) if time.monotonic() < until else False
            if not running and not waiting:
                return called
            called += _collect(kind, running)


def _send(
    kind: CallKind[Request, Result], pool: ThreadPoolExecutor, running: list[CallsInProgress[Result]]
) -> bool:
    """Lease accounts while workers are free; returns whether one has something due that may go out in a moment."""
    accounts = kind.accounts(timezone.now() + timedelta(seconds=PAUSE_SECONDS))
    for account in accounts:
        busy = sum(len(calls.futures) for calls in running)
        if busy + PROVIDERS.calls_at_once <= WORKERS and (lease := PROVIDERS.take(account)):
            futures = [pool.submit(kind.call, request, _GATEWAY) for request in kind.claim(lease)]
            running.append(CallsInProgress(lease, futures))
    return bool(accounts)


def _collect(kind: CallKind[Request, Result], running: list[CallsInProgress[Result]]) -> int:
    """Wait a moment, record finished calls and release their accounts; returns the number of finished calls."""
    unanswered = [future for calls in running for future in calls.futures if not future.done()]
    if unanswered:
        wait(unanswered, timeout=IDLE_SECONDS, return_when=FIRST_COMPLETED)
    elif not running:
        time.sleep(IDLE_SECONDS)
    finished = [calls for calls in running if calls.are_done]
    for calls in finished:
        running.remove(calls)
        results = [future.result() for future in calls.futures]
        for result in results:
            _record(kind, result)
        PROVIDERS.release(calls.lease, [result.is_outage for result in results])
    return sum(len(calls.futures) for calls in finished)


def _record(kind: CallKind[Request, Result], result: Result) -> None:
    """Record a result; an error in doing so is kept on the result's row and does not stop the others."""
    try:
        kind.record(result)
    except Exception as error:
        row = kind.row(result)
        logger.exception("answer not recorded", extra={"reference": row.reference})
        type(row)._default_manager.filter(pk=row.pk).update(last_answer=brief(error)[:200])


def readable_keys(account: PaymentAccount) -> AccountKeys | None:
    """The account's keys; None where its secrets cannot be opened, which must not stop other accounts."""
    try:
        return keys_of(account)
    except (CannotDecrypt, ValueError):
        logger.exception("account unusable", extra={"account": account.slug})
        return None
