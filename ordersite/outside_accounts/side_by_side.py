"""Sends what waits for many accounts side by side, so that a slow or dead one holds up nobody else.

Threads do nothing but call; claims and results are written by the thread of the run.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from ordersite.database.one_writer import breathe
from ordersite.database.skip_locked import claim_rows
from ordersite.outside_accounts.circuit import CircuitState

# No account takes more than a quarter of the threads.
THREADS, MOST_OF_AN_ACCOUNT = 16, 4
_GATHER_SECONDS = 0.02

Sending = TypeVar("Sending")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[Sending, Answer]):
    """What is sent. `name` names the threads.

    `claim` gets the number of running calls by account and returns the ids of claimed rows; `judge` decides which of
    them go out, and commits that they do; `call` makes one call in a thread, and never raises; `record` writes results.
    """

    name: str
    claim: Callable[[Counter[int]], list[int]]
    judge: Callable[[list[int]], Sequence[Sending]]
    call: Callable[[Sending], Answer]
    record: Callable[[Sequence[tuple[Sending, Answer]]], None]
    account_of: Callable[[Sending], int]

    def run(self, *, seconds: float) -> int:
        """Send what is due for at most about `seconds`; returns the number of tries."""
        until, tried = time.monotonic() + seconds, 0
        running: dict[Future[Answer], Sending] = {}
        with ThreadPoolExecutor(THREADS, thread_name_prefix=self.name) as pool:
            while True:
                claimed = list[int]()
                if time.monotonic() < until:
                    claimed = self.claim(Counter(self.account_of(one) for one in running.values()))
                    for sending in self.judge(claimed) if claimed else []:
                        running[pool.submit(self.call, sending)] = sending
                    breathe()
                if not running:
                    if not claimed:
                        return tried
                    continue  # all of it was dropped, which may have made more
                done = _finished(running)
                self.record([(running.pop(future), future.result()) for future in done])
                tried += len(done)
                breathe()


def claim_fairly(
    due: QuerySet[Any], *, accounts: QuerySet[Any], key: str, busy: Counter[int], lease: timedelta
) -> list[int]:
    """Claim rows of `due` by setting their `leased_until`: of each account as many as it may have at once.

    None where its circuit is open, one where it is half-open. `key` names the column that refers to the account.
    Returns the ids of the rows.
    """
    now, ids = timezone.now(), list[int]()
    waiting = list(accounts.filter(Exists(due.filter(**{key: OuterRef("pk")}))))
    random.shuffle(waiting)  # where there are more of them than threads, none waits for ever
    for account in waiting:
        most = 1 if account.circuit is CircuitState.HALF_OPEN else MOST_OF_AN_ACCOUNT
        room = min(most - busy[account.pk], THREADS - busy.total() - len(ids))
        if room > 0 and not account.is_circuit_open:
            values = {"leased_until": now + lease}
            ids += [pk for (pk,) in claim_rows(due.filter(**{key: account}), limit=room, values=values)]
    return ids


def _finished(running: dict[Future[Answer], Any]) -> list[Future[Answer]]:
    """Wait for a call to end, and a moment for those that end with it: they are recorded together."""
    wait(running, return_when=FIRST_COMPLETED)
    return list(wait(running, timeout=_GATHER_SECONDS).done)
