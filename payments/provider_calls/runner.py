"""Turns at the provider accounts: begun while workers are free, called in threads, recorded, and given back.

What is called at an account, be it about a payment or a refund, holds the account's turn first: they share its rate
and its rest. Nothing here calls the outside inside a transaction.
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
from payments.accounts.keys import keys_of
from payments.models import Payment, PaymentAccount, RefundRequest
from payments.provider_calls import throttle
from payments.provider_calls.result import Called
from payments.providers.types import AccountKeys

# One run of a lane; the next one comes 3 s later, so that at most one worker is kept busy by it.
SLICE_SECONDS = 2.5
# Turns are paced in fractions of a second: for so long a run waits for the next turn instead of ending.
PACE_SECONDS = 0.3
IDLE_SECONDS = 0.05

_GATEWAY = Gateway()

One = TypeVar("One")
Came = TypeVar("Came", bound=Called[Any])

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work(Generic[One, Came]):
    """What is done in a turn.

    `accounts`: those that may be called before a time (UTC) and have something due. `claim`: what goes out in a turn.
    `call` runs in a thread and never raises. `row`: the record that a call is about.
    """

    name: str
    accounts: Callable[[datetime], list[PaymentAccount]]
    claim: Callable[[throttle.Hold], list[One]]
    call: Callable[[One, Gateway], Came]
    record: Callable[[Came], None]
    row: Callable[[Came], Payment | RefundRequest]


@dataclass(slots=True)
class Running(Generic[Came]):
    """An account's turn whose calls are out."""

    held: throttle.Hold
    futures: list[Future[Came]]

    @property
    def is_done(self) -> bool:
        return all(future.done() for future in self.futures)


def run(work: Work[One, Came]) -> int:
    """Call for what is due, account by account, for about SLICE_SECONDS; returns how many rows that were."""
    until = time.monotonic() + SLICE_SECONDS
    called, running = 0, list[Running[Came]]()
    with ThreadPoolExecutor(throttle.WORKERS, thread_name_prefix=work.name) as pool:
        while True:
            waiting = _begin(work, pool, running) if time.monotonic() < until else False
            if not running and not waiting:
                return called
            called += _collect(work, running)


def _begin(work: Work[One, Came], pool: ThreadPoolExecutor, running: list[Running[Came]]) -> bool:
    """Begin turns while workers are free; returns whether an account has work that may begin in a moment."""
    accounts = work.accounts(timezone.now() + timedelta(seconds=PACE_SECONDS))
    for account in accounts:
        busy = sum(len(one.futures) for one in running)
        if busy + throttle.TURN_SIZE <= throttle.WORKERS and (held := throttle.hold(account)):
            futures = [pool.submit(work.call, one, _GATEWAY) for one in work.claim(held)]
            running.append(Running(held, futures))
    return bool(accounts)


def _collect(work: Work[One, Came], running: list[Running[Came]]) -> int:
    """Wait a moment, record the turns that are done and give them back; returns how many calls that were."""
    open_calls = [future for one in running for future in one.futures if not future.done()]
    if open_calls:
        wait(open_calls, timeout=IDLE_SECONDS, return_when=FIRST_COMPLETED)
    elif not running:
        time.sleep(IDLE_SECONDS)
    finished = [one for one in running if one.is_done]
    for one in finished:
        running.remove(one)
        results = [future.result() for future in one.futures]
        for came in results:
            _record(work, came)
        throttle.give_back(one.held, [came.outage for came in results])
    return sum(len(one.futures) for one in finished)


def _record(work: Work[One, Came], came: Came) -> None:
    """The edge: an answer that cannot be recorded is kept as an error on its row and does not stop the others."""
    try:
        work.record(came)
    except Exception as error:
        row = work.row(came)
        logger.exception("answer not recorded", extra={"reference": row.reference})
        type(row)._default_manager.filter(pk=row.pk).update(last_answer=repr(error)[:200])


def readable_keys(account: PaymentAccount) -> AccountKeys | None:
    """None where the secrets cannot be opened: that is this account's trouble, and nobody else's."""
    try:
        return keys_of(account)
    except (CannotDecrypt, ValueError):
        logger.exception("account unusable", extra={"account": account.slug})
        return None
