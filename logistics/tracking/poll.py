"""Polls the carriers for the routes of parcels: by the clock, and on demand.

`next_check_at` of a parcel says when it is due. A run goes round the accounts and polls a few parcels of each, so
that a slow carrier delays its own parcels only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from logistics.accounts import keys_of
from logistics.carriers import registry
from logistics.carriers.types import CarrierError, CarrierKeys, TrackingQuery
from logistics.dispatch import route
from logistics.models import CarrierAccount, Shipment
from logistics.tracking.answers import note_answer, note_problem
from logistics.tracking.coverage import (
    Coverage,
    cap_of,
    coverage_of,
    coverages_with_due,
    floor_of,
    floors_by_carrier,
)
from logistics.tracking.throttle import CARRIERS, DAY, MISCONFIGURED_BACKOFF, claim_next, claim_this
from ordersite.database.locking import update_in_order
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.http import gateway
from ordersite.lib.tracebacks import brief
from ordersite.outside_accounts.web_calls import web_calls
from ordersite.queue import wakeups
from ordersite.queue.claims import SQLITE_PAUSE_SECONDS

PARCELS_A_LEASE = 20
SECONDS_A_LEASE = 3.0
SECONDS_A_RUN = 10.0
# A query that the carrier rejects (unknown company, wrong phone) is repeated after this time only.
AFTER_REFUSAL = timedelta(hours=24)
RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=2)
TASK = "logistics.poll_tracking"

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """What a run did, in parcels; `new_events` counts events. The fields are the keys of `poll_tracking --json`."""

    asked: int = 0
    answered: int = 0
    failed: int = 0
    too_soon: int = 0
    unknown: int = 0
    new_events: int = 0
    delivered: int = 0
    completed: int = 0

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def poll_tracking(*, seconds: float = SECONDS_A_RUN) -> Counts:
    """Poll all due parcels, those of important customers first, for at most about `seconds`.

    A run that leaves due parcels behind wakes the next run, so that a worker's other tasks come in between.
    """
    counts = Counts()
    until = time.monotonic() + seconds
    left = coverages_with_due(timezone.now())
    while left and time.monotonic() < until:
        left = [coverage for coverage in left if _poll_some(coverage, counts)]
    if left:
        wakeups.wake(TASK)
    return counts


def _poll_some(coverage: Coverage, counts: Counts) -> bool:
    """Poll a few parcels under a lease of the account; returns whether there may be more in this run."""
    lease = CARRIERS.take(coverage.account)
    if lease is None:
        return False
    try:
        poller = _poller(coverage)
        if poller is None:
            return False
        until = time.monotonic() + SECONDS_A_LEASE
        for _number in range(PARCELS_A_LEASE):
            parcel = claim_next(coverage, floor=poller.floor, cap=poller.cap)
            if parcel is None or not poller.poll(parcel, counts):
                return False
            renewed = CARRIERS.renew(lease) if time.monotonic() <= until else None
            if renewed is None:
                break
            lease = renewed
            if connection.vendor == "sqlite":
                time.sleep(SQLITE_PAUSE_SECONDS)
        return True
    finally:
        CARRIERS.release(lease)


def poll_interval(floor: timedelta) -> timedelta:
    """The time between two polls of a parcel whose carrier answers."""
    return max(timedelta(hours=settings.TRACKING_POLL_HOURS), floor)


def spread_interval(parcel: Shipment, *, floor: timedelta, cap: int | None) -> timedelta:
    """The time until a claimed parcel is polled again, so that the cap of a day lasts for the day.

    Where the clock alone would use it up, a parcel is polled the less often the longer it is under way: three times
    while it gets twice as old. That is three quarters of 48 on its first day, and leaves the rest to people.
    """
    usual, now = poll_interval(floor), timezone.now()
    if cap is not None and usual * cap < DAY:
        usual = max(usual, min((now - parcel.created_at) / 3, DAY / 12))
    return max(usual, parcel.capped_until - now) if parcel.capped_until else usual


@dataclass(frozen=True, slots=True)
class Poller:
    """Polls parcels through one account.

    `floor` is the minimum interval between two queries of one parcel, `cap` how many are answered in 24 hours.
    """

    account: CarrierAccount
    keys: CarrierKeys
    floor: timedelta
    cap: int | None

    def poll(self, parcel: Shipment, counts: Counts) -> bool:
        """Query the carrier for a claimed parcel and store the result; False if the account should pause."""
        counts.asked += 1
        try:
            self._query(parcel, counts)
        except CarrierError as error:
            return self._record_error(parcel, error, counts)
        except Exception as error:  # the parcel stores the error; the other parcels go on
            logger.exception("parcel not understood", extra={"shipment": parcel.pk})
            counts.failed += 1
            problem = _problem("fault", brief(error))
            _postpone(parcel, problem, self._backoff(parcel))
            note_problem(self.account.pk, problem)
            return True
        self._record_answer()
        return True

    def _query(self, parcel: Shipment, counts: Counts) -> None:
        connector = registry.get_carrier(self.keys.carrier)
        found = connector.query(_tracking_query(parcel), self.keys, gateway())
        applied = route.apply_route(parcel, found, next_check_in=self._interval(parcel))
        counts.answered += 1
        counts.new_events += applied.new_events
        counts.delivered += applied.delivered
        counts.completed += applied.completed

    def _record_error(self, parcel: Shipment, error: CarrierError, counts: Counts) -> bool:
        problem = _problem(error.code, error.detail)
        if error.code == "nothing_found":
            counts.answered += 1
            _record_nothing_found(parcel, problem, self._interval(parcel))
            self._record_answer()
            return True
        counts.failed += 1
        if error.ends_run:
            note_problem(self.account.pk, problem)
            _postpone(parcel, problem, max(self.floor, RETRY))
            CARRIERS.open_circuit(self.account.pk, MISCONFIGURED_BACKOFF)
            logger.error("carrier account unusable: %s", error.code, extra={"account": self.account.slug})
            return False
        if not error.retryable:
            _postpone(parcel, problem, max(self.floor, AFTER_REFUSAL))
            note_answer(self.account.pk)
            return True
        _postpone(parcel, problem, self._backoff(parcel))
        note_problem(self.account.pk, problem)
        return not CARRIERS.record_calls(self.account.pk, [True])

    def _record_answer(self) -> None:
        CARRIERS.record_calls(self.account.pk, [False])
        note_answer(self.account.pk)

    def _interval(self, parcel: Shipment) -> timedelta:
        return spread_interval(parcel, floor=self.floor, cap=self.cap)

    def _backoff(self, parcel: Shipment) -> timedelta:
        """1, 2, 4 … minutes, at least the minimum interval."""
        return max(self.floor, min(RETRY * 2 ** min(parcel.check_failures, 10), LONGEST_RETRY))


def _poller(coverage: Coverage) -> Poller | None:
    """None when the secrets cannot be opened: the circuit is opened, and the error is logged."""
    account = coverage.account
    try:
        keys = keys_of(account)
    except CannotDecrypt:
        logger.exception("carrier account cannot be opened", extra={"account": account.slug})
        note_problem(account.pk, "cannot_open")
        CARRIERS.open_circuit(account.pk, MISCONFIGURED_BACKOFF)
        return None
    return Poller(account, keys, floor_of(account), cap_of(account))


def _tracking_query(parcel: Shipment) -> TrackingQuery:
    """The query for a parcel. SF and ZTO require the last four digits of the receiver's phone.

    Of a virtual number (`13800138000-1234`) the digits after the dash count.
    """
    order = parcel.order
    digits = "".join(filter(str.isdigit, order.buyer_phone.rpartition("-")[2]))
    return TrackingQuery(
        carrier=parcel.carrier,
        tracking_number=parcel.tracking_number,
        phone_last4=digits[-4:],
        destination=f"{order.province}{order.city}{order.district}",
    )


def _problem(code: str, detail: str) -> str:
    return f"{code}: {detail}"[:200] if detail else code


def _postpone(parcel: Shipment, problem: str, pause: timedelta) -> None:
    """Store a failed poll."""
    Shipment.objects.filter(pk=parcel.pk).update(
        leased_until=None,
        check_failures=min(parcel.check_failures + 1, 1000),
        last_problem=problem,
        next_check_at=timezone.now() + pause,
    )


def _record_nothing_found(parcel: Shipment, problem: str, pause: timedelta) -> None:
    """Store a poll that found nothing (yet): a successful check, not a failure."""
    now = timezone.now()
    Shipment.objects.filter(pk=parcel.pk).update(
        leased_until=None,
        check_failures=0,
        last_problem=problem,
        last_checked_at=now,
        next_check_at=now + pause,
    )


@dataclass(frozen=True, slots=True)
class Refresh:
    """The result of a refresh.

    `code` is refreshed, too_soon, arrived, no_account, circuit_open, busy_here (a worker polls it), failed or a code of
    `CARRIER_ERRORS`.
    `allowed_at` (UTC) is when the parcel may be refreshed again.
    """

    code: str
    allowed_at: datetime | None = None


def refresh_now(shipment: Shipment, *, counts: Counts | None = None) -> Refresh:
    """Poll one parcel now, for a button or a command, if the minimum interval allows it. Calls the carrier."""
    counts = Counts() if counts is None else counts
    if not shipment.is_polled:
        return Refresh("arrived")
    coverage = coverage_of(shipment.merchant_id, shipment.carrier)
    poller = _poller(coverage) if coverage else None
    if poller is None:
        return Refresh("no_account")
    if poller.account.is_circuit_open:
        return Refresh("circuit_open", poller.account.circuit_open_until)
    with web_calls().query(poller.account) as has_slot:
        if not has_slot:
            poll_soon([shipment])
            return Refresh("busy_here")
        return _claim_and_poll(shipment, poller, counts)


def _claim_and_poll(shipment: Shipment, poller: Poller, counts: Counts) -> Refresh:
    parcel = claim_this(shipment, floor=poller.floor, cap=poller.cap)
    if parcel is None:
        counts.too_soon += 1
        return Refresh("too_soon", _allowed_at(shipment, poller.floor))
    poller.poll(parcel, counts)
    return _refreshed(parcel, poller.floor)


def _refreshed(parcel: Shipment, floor: timedelta) -> Refresh:
    after = Shipment.objects.only("last_problem", "last_poll_at").get(pk=parcel.pk)
    code = after.last_problem.partition(":")[0]
    return Refresh({"": "refreshed", "fault": "failed"}.get(code, code), _allowed_at(after, floor))


def _allowed_at(shipment: Shipment, floor: timedelta) -> datetime | None:
    parcel = Shipment.objects.only("last_poll_at", "capped_until").get(pk=shipment.pk)
    return _free_at(parcel, floor) if parcel.last_poll_at else None


def _free_at(parcel: Shipment, floor: timedelta) -> datetime:
    """When the interval and the cap of the day allow the next query (UTC)."""
    after_floor = parcel.last_poll_at + floor if parcel.last_poll_at else parcel.created_at
    return max(after_floor, parcel.capped_until) if parcel.capped_until else after_floor


def refresh_allowed_at(shipment: Shipment, floors: Mapping[str, timedelta]) -> datetime | None:
    """When this parcel may be polled again (UTC, may be past); None when it has arrived or no account can poll it.

    `floors` are the `floors_by_carrier` of its merchant.
    """
    floor = floors.get(shipment.carrier)
    if floor is None or not shipment.is_polled:
        return None
    return _free_at(shipment, floor)


def poll_soon(shipments: Sequence[Shipment]) -> int:
    """Make these parcels of one merchant due now if the minimum interval allows it; returns how many.

    Calls no carrier itself, so that a click on the public page never waits for one.
    """
    now = timezone.now()
    floors = floors_by_carrier(shipments[0].merchant_id) if shipments else {}
    ready = [row.pk for row in shipments if (at := refresh_allowed_at(row, floors)) is not None and at <= now]
    if not ready:
        return 0
    with transaction.atomic():
        update_in_order(Shipment.objects.filter(pk__in=ready, next_check_at__gt=now), next_check_at=now)
    wakeups.wake(TASK)
    return len(ready)
