"""One run of polling: several accounts side by side, and of each account as many parcels at once as its limit allows.

Threads do nothing but call; claims and results are written by the thread of the run, so that a run needs one connection
to the database. An account is leased by one run alone. A run that dies loses nothing: its parcels stay due, and are
claimed again once their lease is over.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.db import connection
from django.utils import timezone

from logistics.models import CarrierAccount, Shipment
from logistics.tracking.coverage import Coverage, coverages_with_due
from logistics.tracking.pace import THREADS, Pace, Window
from logistics.tracking.poll import TASK, Answer, Counts, Poller, poller_of
from logistics.tracking.throttle import CARRIERS, claim_due
from ordersite.outside_accounts.circuit import CircuitState
from ordersite.outside_accounts.throttle import Lease
from ordersite.queue import wakeups
from ordersite.queue.claims import SQLITE_PAUSE_SECONDS

SECONDS_A_RUN = 10.0
# While other accounts wait for threads.
SECONDS_A_LEASE = 3.0
RENEWED_AFTER = 5.0
IDLE_SECONDS = 0.05


def poll_tracking(*, seconds: float = SECONDS_A_RUN) -> Counts:
    """Poll all due parcels, those of important customers first, for at most about `seconds`.

    A run that leaves due parcels behind wakes the next run, so that a worker's other tasks come in between.
    """
    counts, until = Counts(), time.monotonic() + seconds
    waiting, running = deque(coverages_with_due(timezone.now())), list[AccountRun]()
    leaves_some = False
    with ThreadPoolExecutor(THREADS, thread_name_prefix="tracking") as pool:
        while running or (waiting and time.monotonic() < until):
            if time.monotonic() < until:
                _start_accounts(waiting, running, pool)
            for one in running:
                one.claim(until=until, others_wait=bool(waiting))
            _wait(running)
            for one in running:
                one.collect(counts)
            for one in [one for one in running if one.is_over]:
                one.release()
                running.remove(one)
                if one.has_more and time.monotonic() < until:
                    waiting.append(one.coverage)
                leaves_some |= one.has_more
    if leaves_some or waiting:
        wakeups.wake(TASK)
    return counts


def _start_accounts(waiting: deque[Coverage], running: list[AccountRun], pool: ThreadPoolExecutor) -> None:
    """Lease accounts while threads are free; those that another run has are left to it."""
    while waiting and sum(one.window.size for one in running) < THREADS:
        coverage = waiting.popleft()
        lease = CARRIERS.take(coverage.account)
        if lease is None:
            continue
        poller = poller_of(coverage)
        if poller is None:
            CARRIERS.release(lease)
            continue
        running.append(AccountRun(lease, coverage, poller, pool))


def _wait(running: Sequence[AccountRun]) -> None:
    calls = [call for one in running for call in one.calls]
    if calls:
        wait(calls, timeout=IDLE_SECONDS, return_when=FIRST_COMPLETED)
    elif running:
        time.sleep(IDLE_SECONDS)


class AccountRun:
    """The polls of one leased account within a run. `has_more`: it was stopped, and parcels may be due still."""

    def __init__(
        self,
        lease: Lease[CarrierAccount],
        coverage: Coverage,
        poller: Poller,
        pool: ThreadPoolExecutor,
    ) -> None:
        is_on_trial = lease.account.circuit is CircuitState.HALF_OPEN or lease.account.failures_in_a_row > 0
        self.coverage, self.has_more = coverage, False
        self.window = Window(poller.per_second, is_on_trial=is_on_trial)
        self.calls: dict[Future[Answer], Shipment] = {}
        self._lease, self._poller, self._pool = lease, poller, pool
        self._pace = Pace(poller.per_second)
        self._started_at = self._renewed_at = time.monotonic()
        self._claims_more = True

    @property
    def is_over(self) -> bool:
        """Whether nothing is on its way, and another process may keep the limit without knowing of this one's calls."""
        return not self._claims_more and not self.calls and time.monotonic() >= self._pace.free_at

    def claim(self, *, until: float, others_wait: bool) -> None:
        """Claim parcels and send their queries, once a quarter of the window is free."""
        free = self.window.size - len(self.calls)
        if not self._claims_more or free < max(self.window.size // 4, 1):
            return
        now = time.monotonic()
        if now >= until or (others_wait and now >= self._started_at + SECONDS_A_LEASE):
            self._claims_more, self.has_more = False, True
            return
        if not self._keeps_lease(now):
            self._claims_more = False
            return
        poller = self._poller
        parcels = claim_due(self.coverage, floor=poller.floor, cap=poller.cap, limit=free)
        for parcel in parcels:
            self.calls[self._pool.submit(poller.ask, poller.query_of(parcel), self._pace)] = parcel
        self._claims_more = len(parcels) == free

    def collect(self, counts: Counts) -> None:
        """Store the answers that are there. After a failure that stops the account nothing more is claimed."""
        done = [call for call in self.calls if call.done()]
        if not done:
            return
        recorded = []
        for call in done:
            answer, parcel = call.result(), self.calls.pop(call)
            recorded.append(self._poller.record(parcel, answer, counts))
            if recorded[-1].is_failure:
                self.window.failed()
            else:
                self.window.answered(answer.seconds)
        if not self._poller.conclude(recorded):
            self._claims_more = False
        if connection.vendor == "sqlite":
            time.sleep(SQLITE_PAUSE_SECONDS)

    def release(self) -> None:
        CARRIERS.release(self._lease)

    def _keeps_lease(self, now: float) -> bool:
        if now < self._renewed_at + RENEWED_AFTER:
            return True
        renewed = CARRIERS.renew(self._lease)
        if renewed is not None:
            self._lease, self._renewed_at = renewed, now
        return renewed is not None
