"""One run of polling: several accounts side by side, and of each account as many parcels at once as its limit allows.

No account waits for another: while the last answers of a slow one are out, the quick ones go on.

Threads do nothing but call; claims and results are written by the thread of the run, so that a run needs one connection
to the database. An account is leased by one run alone. A run that dies loses nothing: its parcels stay due, and are
claimed again once their lease is over.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from django.utils import timezone

from logistics.tracking.account_run import AccountRun, Until
from logistics.tracking.coverage import Coverage, coverages_with_due
from logistics.tracking.pace import MOST_THREADS, THREADS
from logistics.tracking.poll import TASK
from logistics.tracking.poller import Counts, poller_of
from logistics.tracking.throttle import CARRIERS
from ordersite.queue import wakeups

SECONDS_A_RUN = 10.0
IDLE_SECONDS = 0.05
# How often a run looks for accounts whose parcels fell due meanwhile: a slow one would hold them up until it ends.
LOOK_SECONDS = 2.0


def poll_tracking(*, seconds: float = SECONDS_A_RUN) -> Counts:
    """Poll all due parcels, those of important customers first, for at most about `seconds`.

    A run that leaves due parcels behind wakes the next run, so that a worker's other tasks come in between.
    """
    counts, until = Counts(), time.monotonic() + seconds
    waiting, running = deque(coverages_with_due(timezone.now())), list[AccountRun]()
    looked_at, slow = time.monotonic(), list[Coverage]()
    with ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="tracking") as pool:
        while running or (waiting and time.monotonic() < until):
            goes_on = any(one.has_calls_of_before(until) for one in running)
            if goes_on or time.monotonic() < until:
                if running and time.monotonic() >= looked_at + LOOK_SECONDS:
                    looked_at = time.monotonic()
                    waiting += _others_with_due([*waiting, *slow, *(one.coverage for one in running)])
                _start_accounts(waiting, running, pool)
            limit = Until(until, others_wait=bool(waiting), goes_on=goes_on)
            for one in running:
                one.claim(limit)
            _wait(running)
            for one in running:
                one.collect(counts)
            for one in _let_go(running):
                in_time = one.answers_in_time(limit, time.monotonic())
                (waiting if in_time else slow).append(one.coverage)
    if slow or waiting:
        wakeups.wake(TASK)
    return counts


def _start_accounts(waiting: deque[Coverage], running: list[AccountRun], pool: ThreadPoolExecutor) -> None:
    """Lease accounts while threads are free; those that another run has are left to it."""
    while waiting and _threads_of(running) < THREADS:
        coverage = waiting.popleft()
        lease = CARRIERS.take(coverage.account)
        if lease is None:
            continue
        poller = poller_of(coverage)
        if poller is None:
            CARRIERS.release(lease)
            continue
        running.append(AccountRun(lease, coverage, poller, pool))


def _let_go(running: list[AccountRun]) -> list[AccountRun]:
    """Release the accounts whose runs are over and take them out; returns those that may have more parcels due."""
    ended = [one for one in running if one.is_over]
    for one in ended:
        one.release()
        running.remove(one)
    return [one for one in ended if one.has_more]


def _others_with_due(known: Sequence[Coverage]) -> list[Coverage]:
    ids = {one.account.pk for one in known}
    return [one for one in coverages_with_due(timezone.now()) if one.account.pk not in ids]


def _threads_of(running: Sequence[AccountRun]) -> int:
    """The threads that accounts hold; the slow ones together count as half of THREADS at most."""
    slow = sum(one.window.size for one in running if not one.is_quick)
    quick = sum(one.window.size for one in running if one.is_quick)
    return quick + (min(slow, THREADS // 2) if quick + slow < MOST_THREADS else slow)


def _wait(running: Sequence[AccountRun]) -> None:
    calls = [call for one in running for call in one.calls]
    if calls:
        wait(calls, timeout=IDLE_SECONDS, return_when=FIRST_COMPLETED)
    elif running:
        time.sleep(IDLE_SECONDS)
