"""The polls of one account within a run: what is claimed, sent and stored, as long as its lease and its limits last."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from logistics.carrier_calls.log import store_calls
from logistics.carrier_calls.recorder import RecordedCall
from logistics.models import CarrierAccount, Shipment
from logistics.tracking.coverage import Coverage
from logistics.tracking.pace import Pace
from logistics.tracking.poller import Answer, Counts, Poller, calls_made, tracking_query, was_refused
from logistics.tracking.throttle import CARRIERS, claim_due, slack_of
from ordersite.database.locking import update_in_order
from ordersite.database.one_writer import SQLITE_PAUSE_SECONDS
from ordersite.outside_accounts.circuit import CircuitState
from ordersite.outside_accounts.throttle import Lease

# While other accounts wait for threads.
SECONDS_A_LEASE = 3.0
RENEWED_AFTER = 5.0
QUICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class SentCall:
    """The parcels of a call, and since when it waits for its pace or its answer (monotonic seconds)."""

    parcels: list[Shipment]
    at: float


@dataclass(frozen=True, slots=True)
class ClaimedBatch:
    """The parcels of a call that is not sent yet, and when they were claimed (monotonic seconds)."""

    parcels: list[Shipment]
    claimed_at: float


@dataclass(frozen=True, slots=True)
class Until:
    """When a run claims no more (monotonic seconds).

    `others_wait`: for threads. `goes_on`: beyond `at`, as long as calls of before are still out, for accounts that
    answer quickly: they would wait for nothing.
    """

    at: float
    others_wait: bool
    goes_on: bool


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
        self.window = poller.window(is_on_trial=is_on_trial)
        self.calls: dict[Future[Answer], SentCall] = {}
        self._waiting = deque[ClaimedBatch]()
        self._lease, self._poller, self._pool = lease, poller, pool
        self._pace, self._slack = Pace(poller.per_second), slack_of(poller.floor).total_seconds()
        self._started_at = self._renewed_at = time.monotonic()
        self._claims_more, self._has_claimed = True, False
        # Where the next claim begins, so that it need not pass those again that others are waiting for.
        self._after: datetime | None = None

    @property
    def is_quick(self) -> bool:
        """Whether its answers come so soon that it delays nobody who waits for its last ones."""
        return self.window.expected_seconds <= QUICK_SECONDS

    def has_calls_of_before(self, at: float) -> bool:
        """Whether calls that were sent before `at` (monotonic seconds) are still out."""
        return any(sent.at < at for sent in self.calls.values())

    @property
    def is_over(self) -> bool:
        """Whether nothing is on its way, and another process may keep the limit without knowing of this one's calls."""
        return (
            not (self._claims_more or self.calls or self._waiting) and time.monotonic() >= self._pace.free_at
        )

    def claim(self, until: Until) -> None:
        """Claim parcels and send their queries, once a quarter of the window is free."""
        self._send()
        free = self.window.size - len(self.calls)
        if not self._claims_more or self._waiting or free < max(self.window.size // 4, 1):
            return
        now = time.monotonic()
        if not self._may_go_on(until, now):
            self._claims_more, self.has_more = False, True
            return
        if not self._keeps_lease(now):
            self._claims_more = False
            return
        self._claim(free * self._poller.numbers_a_call)
        self._send()

    def _may_go_on(self, until: Until, now: float) -> bool:
        """Whether another call may go out: one whose answer comes after the end of the run would hold the others up."""
        if until.others_wait and now >= self._started_at + SECONDS_A_LEASE:
            return False
        if now < until.at and not self._has_claimed:
            return True
        return self.answers_in_time(until, now)

    def answers_in_time(self, until: Until, now: float) -> bool:
        """Whether a call that goes out now is expected back before the end of the run."""
        return now + self.window.expected_seconds <= until.at or (until.goes_on and self.is_quick)

    def _claim(self, limit: int) -> None:
        poller, now = self._poller, time.monotonic()
        parcels = claim_due(self.coverage, floor=poller.floor, cap=poller.cap, limit=limit, after=self._after)
        self._waiting += [ClaimedBatch(rows, now) for rows in batches_of(parcels, poller.numbers_a_call)]
        usual = [row.next_check_at for row in parcels if row.next_check_at and not row.is_important]
        self._has_claimed, self._claims_more = True, len(parcels) == limit or self._after is not None
        self._after = max(usual) if usual and len(parcels) == limit else None

    def _send(self) -> None:
        """Send what is claimed while the window is open."""
        while self._waiting and len(self.calls) < max(self.window.size, 1):
            batch = self._waiting.popleft()
            queries = [tracking_query(parcel) for parcel in batch.parcels]
            before = batch.claimed_at + self._slack if self._slack else None
            call = self._pool.submit(
                self._poller.ask_and_subscribe,
                queries,
                self._pace,
                before=before,
                subscribing=self._poller.subscribing(batch.parcels),
            )
            self.calls[call] = SentCall(batch.parcels, time.monotonic())

    def collect(self, counts: Counts) -> None:
        """Store the answers that are there, and their calls in one statement.

        After a failure that stops the account nothing more is claimed or sent.
        """
        done = [call for call in self.calls if call.done()]
        if not done:
            return
        recorded, made = [], list[RecordedCall]()
        for call in done:
            answer, parcels = call.result(), self.calls.pop(call).parcels
            if not answer.was_sent:
                _give_back(parcels)
                continue
            recorded.append(self._poller.record(parcels, answer, counts))
            made += calls_made(parcels, answer)
            if recorded[-1].is_failure:
                self.window.failed(answer.seconds)
            else:
                self.window.answered(answer.seconds)
        store_calls(self._poller.account.pk, made)
        if not self._poller.conclude(recorded):
            self._claims_more = False
            _give_back([parcel for batch in self._waiting for parcel in batch.parcels])
            self._waiting.clear()
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


def _give_back(parcels: Sequence[Shipment]) -> None:
    """Let go of claimed parcels that were not sent: the claim counts as their query, so the floor holds them."""
    with transaction.atomic():
        update_in_order(Shipment.objects.filter(pk__in=[parcel.pk for parcel in parcels]), leased_until=None)


def batches_of(parcels: Sequence[Shipment], numbers_a_call: int) -> list[list[Shipment]]:
    """The parcels in calls of at most so many; one whose last query was rejected goes alone.

    Of two carriers' parcels with the same number the answer names only the number: they never share a call.
    """
    alone = [parcel for parcel in parcels if numbers_a_call == 1 or was_refused(parcel)]
    others = [parcel for parcel in parcels if numbers_a_call > 1 and not was_refused(parcel)]
    by_carrier: dict[str, list[Shipment]] = {}
    for parcel in others:
        by_carrier.setdefault(parcel.carrier, []).append(parcel)
    together = [
        rows[start : start + numbers_a_call]
        for rows in by_carrier.values()
        for start in range(0, len(rows), numbers_a_call)
    ]
    return together + [[parcel] for parcel in alone]
