"""Polls the carriers for the routes of parcels: what one query asks, stores and says about its account.

`next_check_at` of a parcel says when it is due; `run` polls what is. A person may have one parcel polled at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from logistics.accounts import keys_of
from logistics.carriers import registry
from logistics.carriers.types import CarrierError, CarrierKeys, Route, TrackingQuery
from logistics.dispatch import route
from logistics.models import CarrierAccount, Shipment
from logistics.tracking.answers import note_answer, note_problem
from logistics.tracking.coverage import (
    Coverage,
    cap_of,
    coverage_of,
    floor_of,
    floors_by_carrier,
    limit_of,
    pollers_limit,
)
from logistics.tracking.pace import SECOND, Pace
from logistics.tracking.throttle import CARRIERS, DAY, MISCONFIGURED_BACKOFF, claim_this
from ordersite.database.locking import update_in_order
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.http import gateway
from ordersite.lib.tracebacks import brief
from ordersite.outside_accounts.web_calls import web_calls
from ordersite.queue import wakeups

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
class Answer:
    """What a query brought: a route, or why there is none. `seconds` is how long it took."""

    seconds: float
    found: Route | None = None
    error: Exception | None = None


class Outcome(Enum):
    """What an answer says about its account."""

    ANSWERED = "answered"
    REFUSED = "refused"  # this query alone
    NOT_UNDERSTOOD = "not understood"
    OUTAGE = "outage"
    UNUSABLE = "unusable"  # every other query would fail alike

    @property
    def is_failure(self) -> bool:
        return self in (Outcome.NOT_UNDERSTOOD, Outcome.OUTAGE, Outcome.UNUSABLE)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was stored of a query; `problem` is empty where it was answered."""

    outcome: Outcome
    problem: str = ""

    @property
    def is_failure(self) -> bool:
        return self.outcome.is_failure


@dataclass(frozen=True, slots=True)
class Poller:
    """Polls parcels through one account.

    `floor` is the minimum interval between two queries of one parcel, `cap` how many are answered in 24 hours,
    `per_second` how many queries a poller may send in a second; None: one after another.
    """

    account: CarrierAccount
    keys: CarrierKeys
    floor: timedelta
    cap: int | None
    per_second: int | None

    def poll(self, parcel: Shipment, counts: Counts) -> None:
        """Query the carrier for a claimed parcel and store the result."""
        answer = self.ask(self.query_of(parcel), Pace(None))
        self.conclude([self.record(parcel, answer, counts)])

    def query_of(self, parcel: Shipment) -> TrackingQuery:
        return _tracking_query(parcel)

    def ask(self, query: TrackingQuery, pace: Pace) -> Answer:
        """Query the carrier when its limit allows it. Never raises, and needs no database."""
        pace.wait()
        start = time.monotonic()
        try:
            found = registry.get_carrier(self.keys.carrier).query(query, self.keys, gateway())
        except Exception as error:  # the parcel stores the error; the other parcels go on
            return Answer(time.monotonic() - start, error=error)
        return Answer(time.monotonic() - start, found)

    def record(self, parcel: Shipment, answer: Answer, counts: Counts) -> Recorded:
        """Store the answer of a claimed parcel."""
        counts.asked += 1
        if isinstance(answer.error, CarrierError):
            return self._record_error(parcel, answer.error, counts)
        try:
            if answer.found is None:
                raise answer.error or ValueError("neither a route nor an error")
            applied = route.apply_route(parcel, answer.found, next_check_in=self._interval(parcel))
        except Exception as error:  # the parcel stores the error; the other parcels go on
            logger.exception("parcel not understood", extra={"shipment": parcel.pk})
            counts.failed += 1
            problem = _problem("fault", brief(error))
            _postpone(parcel, problem, self._backoff(parcel))
            return Recorded(Outcome.NOT_UNDERSTOOD, problem)
        counts.answered += 1
        counts.new_events += applied.new_events
        counts.delivered += applied.delivered
        counts.completed += applied.completed
        return Recorded(Outcome.ANSWERED)

    def _record_error(self, parcel: Shipment, error: CarrierError, counts: Counts) -> Recorded:
        problem = _problem(error.code, error.detail)
        if error.code == "nothing_found":
            counts.answered += 1
            _record_nothing_found(parcel, problem, self._interval(parcel))
            return Recorded(Outcome.ANSWERED)
        counts.failed += 1
        if error.ends_run:
            _postpone(parcel, problem, max(self.floor, RETRY))
            return Recorded(Outcome.UNUSABLE, problem)
        if not error.retryable:
            _postpone(parcel, problem, max(self.floor, AFTER_REFUSAL))
            return Recorded(Outcome.REFUSED, problem)
        _postpone(parcel, problem, self._backoff(parcel))
        return Recorded(Outcome.OUTAGE, problem)

    def conclude(self, recorded: Sequence[Recorded]) -> bool:
        """Store what these answers say about the account; False if it should pause."""
        account_id, outcomes = self.account.pk, [one.outcome for one in recorded]
        problems = [one.problem for one in recorded if one.is_failure]
        if Outcome.ANSWERED in outcomes or Outcome.REFUSED in outcomes:
            note_answer(account_id)
        elif problems:
            note_problem(account_id, problems[-1])
        if Outcome.UNUSABLE in outcomes:
            CARRIERS.open_circuit(account_id, MISCONFIGURED_BACKOFF)
            logger.error("carrier account unusable: %s", problems[-1], extra={"account": self.account.slug})
            return False
        calls = [one is Outcome.OUTAGE for one in outcomes if one in (Outcome.ANSWERED, Outcome.OUTAGE)]
        return not (calls and CARRIERS.record_calls(account_id, calls))

    def _interval(self, parcel: Shipment) -> timedelta:
        return spread_interval(parcel, floor=self.floor, cap=self.cap)

    def _backoff(self, parcel: Shipment) -> timedelta:
        """1, 2, 4 … minutes, at least the minimum interval."""
        return max(self.floor, min(RETRY * 2 ** min(parcel.check_failures, 10), LONGEST_RETRY))


def poller_of(coverage: Coverage) -> Poller | None:
    """None when the secrets cannot be opened: the circuit is opened, and the error is logged."""
    account = coverage.account
    try:
        keys = keys_of(account)
    except CannotDecrypt:
        logger.exception("carrier account cannot be opened", extra={"account": account.slug})
        note_problem(account.pk, "cannot_open")
        CARRIERS.open_circuit(account.pk, MISCONFIGURED_BACKOFF)
        return None
    return Poller(account, keys, floor_of(account), cap_of(account), pollers_limit(account))


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
    poller = poller_of(coverage) if coverage else None
    if poller is None:
        return Refresh("no_account")
    if poller.account.is_circuit_open:
        return Refresh("circuit_open", poller.account.circuit_open_until)
    with web_calls().query(poller.account) as has_slot:
        if not has_slot or not _takes_a_call(poller.account):
            poll_soon([shipment])
            return Refresh("busy_here")
        return _claim_and_poll(shipment, poller, counts)


def _takes_a_call(account: CarrierAccount) -> bool:
    """Whether a person may call this account now: once a second where its calls are limited, beside the pollers."""
    if limit_of(account) is None:
        return True
    if limit_of(account) == pollers_limit(account):
        return False
    now = timezone.now()
    is_free = Q(last_refresh_at__isnull=True) | Q(last_refresh_at__lte=now - timedelta(seconds=SECOND))
    return bool(CarrierAccount.objects.filter(is_free, pk=account.pk).update(last_refresh_at=now))


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
