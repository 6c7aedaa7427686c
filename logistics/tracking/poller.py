"""Polls parcels through one account: what one call asks, stores and says about its account.

A call names as many parcels as the carrier takes in one; floors and the cap of a day count per parcel, the limit of a
second counts calls.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from enum import Enum

from django.utils import timezone

from logistics.accounts import keys_of
from logistics.carrier_calls.log import store_calls
from logistics.carrier_calls.recorder import CallRecorder, RecordedCall, calls_of_batch
from logistics.carriers import registry
from logistics.carriers.interface import Operation
from logistics.carriers.types import CarrierError, CarrierKeys, Route, TrackingQuery
from logistics.dispatch import route
from logistics.models import CarrierAccount, Shipment
from logistics.tracking import subscriptions
from logistics.tracking.account_health import note_answer, note_problem
from logistics.tracking.coverage import (
    Coverage,
    cap_of,
    floor_of,
    important_rhythm,
    parallel_of,
    pollers_limit,
)
from logistics.tracking.intervals import AFTER_REFUSAL, RETRY, backoff, is_too_old, next_interval
from logistics.tracking.pace import Pace, Window
from logistics.tracking.subscriptions import Subscribed
from logistics.tracking.throttle import CARRIERS, MISCONFIGURED_BACKOFF
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.http import Gateway
from ordersite.lib.tracebacks import brief

logger = logging.getLogger(__name__)

# In a worker a slow carrier keeps nobody waiting; one that answers in 5 s would else be taken for one that is down.
PATIENT = Gateway(read=10.0)


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


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call brought: a route or an error by waybill number, or why there is none. `seconds`: how long it took.

    `was_sent` is False where it was too late after the claim to keep the floor. `subscribed`: the parcels that were
    subscribed with it, by waybill number.
    """

    seconds: float
    recorder: CallRecorder
    found: Mapping[str, Route | CarrierError] = field(default_factory=dict)
    error: Exception | None = None
    was_sent: bool = True
    subscribed: Mapping[str, Subscribed] = field(default_factory=dict)

    def of(self, parcel: Shipment) -> Route | Exception:
        """What the call brought about one of its parcels."""
        if self.error is not None:
            return self.error
        return self.found.get(parcel.tracking_number) or CarrierError(
            "busy", "the answer leaves this number out"
        )


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
    """What was stored of a call, or of one parcel in it; `problem` is empty where it was answered."""

    outcome: Outcome
    problem: str = ""

    @property
    def is_failure(self) -> bool:
        return self.outcome.is_failure


@dataclass(frozen=True, slots=True)
class Poller:
    """Polls parcels through one account.

    `floor` is the minimum interval between two queries of one parcel, `cap` how many are answered in 24 hours,
    `per_second` how many calls a poller may send in a second; None: as many as are answered. `push_url`: where the
    carrier pushes the events of the parcels that are subscribed; empty: none is.
    """

    account: CarrierAccount
    keys: CarrierKeys
    floor: timedelta
    cap: int | None
    per_second: int | None
    push_url: str = ""

    @property
    def numbers_a_call(self) -> int:
        """How many parcels one call may name."""
        return registry.get_carrier(self.keys.carrier).numbers_a_call

    def window(self, *, is_on_trial: bool) -> Window:
        """How many calls may be on their way at once."""
        return Window(self.per_second, is_on_trial=is_on_trial, most=parallel_of(self.account))

    def poll(self, parcel: Shipment, counts: Counts) -> None:
        """Query the carrier for a claimed parcel and store the result."""
        answer = self.ask([tracking_query(parcel)], Pace(None))
        self.conclude([self.record([parcel], answer, counts)])
        store_calls(self.account.pk, calls_made([parcel], answer))

    def ask(
        self,
        queries: Sequence[TrackingQuery],
        pace: Pace,
        *,
        before: float | None = None,
        through: Gateway | None = None,
    ) -> Answer:
        """Query the carrier when its limit allows it, but not after `before` (monotonic seconds).

        Never raises, and needs no database.
        """
        pace.wait()
        recorder, start = CallRecorder(Operation.QUERY, self.keys, through=through), time.monotonic()
        if before is not None and start > before:
            return Answer(0.0, recorder, was_sent=False)
        try:
            found = recorder.run(lambda gateway: self._query(queries, gateway))
        except Exception as error:  # the parcels store the error; the others go on
            return Answer(time.monotonic() - start, recorder, error=error)
        return Answer(time.monotonic() - start, recorder, found)

    def subscribing(self, parcels: Sequence[Shipment]) -> list[TrackingQuery]:
        """The queries of those that are to be subscribed."""
        return [tracking_query(parcel) for parcel in parcels if self.push_url and subscriptions.wants(parcel)]

    def ask_and_subscribe(
        self,
        queries: Sequence[TrackingQuery],
        pace: Pace,
        *,
        before: float | None = None,
        subscribing: Sequence[TrackingQuery] = (),
    ) -> Answer:
        """`ask` patiently, then subscribe those that are to be, where the answer shows that it is worth a call."""
        answer = self.ask(queries, pace, before=before, through=PATIENT)
        wanted = [
            query
            for query in subscribing
            if subscriptions.is_worth_it(answer.error or answer.found.get(query.tracking_number))
        ]
        subscribed = {
            query.tracking_number: subscriptions.subscribe(query, self.keys, self.push_url, pace)
            for query in wanted
        }
        return replace(answer, subscribed=subscribed) if subscribed else answer

    def _query(
        self, queries: Sequence[TrackingQuery], gateway: Gateway
    ) -> Mapping[str, Route | CarrierError]:
        carrier = registry.get_carrier(self.keys.carrier)
        if len(queries) > 1:
            return carrier.query_many(queries, self.keys, gateway)
        return {queries[0].tracking_number: carrier.query(queries[0], self.keys, gateway)}

    def record(self, parcels: Sequence[Shipment], answer: Answer, counts: Counts) -> Recorded:
        """Store what a call brought about each of its claimed parcels; returns what it says of the account."""
        is_alone = len(parcels) == 1
        for parcel in parcels:
            if subscribed := answer.subscribed.get(parcel.tracking_number):
                subscriptions.store_subscribed(parcel, subscribed)
        recorded = [self._record(parcel, answer.of(parcel), counts, is_alone=is_alone) for parcel in parcels]
        unusable = [one for one in recorded if one.outcome is Outcome.UNUSABLE]
        useful = [one for one in recorded if not one.is_failure]
        return (unusable or useful or recorded)[-1]

    def _record(
        self, parcel: Shipment, found: Route | Exception, counts: Counts, *, is_alone: bool
    ) -> Recorded:
        counts.asked += 1
        if isinstance(found, CarrierError):
            return self._record_error(parcel, found, counts, is_alone=is_alone)
        try:
            if isinstance(found, Exception):
                raise found
            pause = None if is_too_old(parcel) else self._interval(parcel)
            applied = route.apply_route(parcel, found, next_check_in=pause, source=self.account.carrier)
        except Exception as error:  # the parcel stores the error; the other parcels go on
            logger.exception("parcel not understood", extra={"shipment": parcel.pk})
            counts.failed += 1
            problem = _problem("fault", brief(error))
            _postpone(parcel, problem, backoff(parcel, self.floor))
            return Recorded(Outcome.NOT_UNDERSTOOD, problem)
        counts.answered += 1
        counts.new_events += applied.new_events
        counts.delivered += applied.delivered
        counts.completed += applied.completed
        return Recorded(Outcome.ANSWERED)

    def _record_error(
        self, parcel: Shipment, error: CarrierError, counts: Counts, *, is_alone: bool
    ) -> Recorded:
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
            # Of several in one call it is not certain which of them was refused: each is asked for alone next.
            _postpone(parcel, problem, max(self.floor, AFTER_REFUSAL if is_alone else RETRY))
            return Recorded(Outcome.REFUSED, problem)
        _postpone(parcel, problem, backoff(parcel, self.floor))
        return Recorded(Outcome.OUTAGE, problem)

    def conclude(self, recorded: Sequence[Recorded]) -> bool:
        """Store what these calls say about the account; False if it should pause."""
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
        important = important_rhythm(self.account)
        return next_interval(parcel, floor=self.floor, cap=self.cap, important=important)


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
    limit, push_url = pollers_limit(account), subscriptions.push_url_for(account, keys)
    return Poller(account, keys, floor_of(account), cap_of(account), limit, push_url)


def tracking_query(parcel: Shipment) -> TrackingQuery:
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


def calls_made(parcels: Sequence[Shipment], answer: Answer) -> list[RecordedCall]:
    """A row of the log for each parcel of a call, and for each subscription."""
    rows = []
    for parcel in parcels:
        error = answer.found.get(parcel.tracking_number)
        code, detail = (error.code, error.detail) if isinstance(error, CarrierError) else ("", "")
        if answer.error is None and error is None:
            code = "busy"
        rows.append(RecordedCall(answer.recorder, parcel.tracking_number, parcel.order_id, code, detail))
    orders = {parcel.tracking_number: parcel.order_id for parcel in parcels}
    subscribed = [
        RecordedCall(one.recorder, number, orders.get(number)) for number, one in answer.subscribed.items()
    ]
    return [*calls_of_batch(rows), *subscribed]


def was_refused(parcel: Shipment) -> bool:
    """Whether the carrier rejected the parcel's last query, so that it would spoil a call for several."""
    code = parcel.last_problem.partition(":")[0]
    return bool(parcel.check_failures) and code in ("refused", "not_accepted", "phone_needed")


def _problem(code: str, detail: str) -> str:
    return f"{code}: {detail}"[:200] if detail else code


def _postpone(parcel: Shipment, problem: str, pause: timedelta) -> None:
    """Store a failed poll."""
    Shipment.objects.filter(pk=parcel.pk).update(
        leased_until=None,
        check_failures=min(parcel.check_failures + 1, 1000),
        last_problem=problem,
        next_check_at=None if is_too_old(parcel) else timezone.now() + pause,
    )


def _record_nothing_found(parcel: Shipment, problem: str, pause: timedelta) -> None:
    """Store a poll that found nothing (yet): a successful check, not a failure."""
    now = timezone.now()
    Shipment.objects.filter(pk=parcel.pk).update(
        leased_until=None,
        check_failures=0,
        last_problem=problem,
        last_checked_at=now,
        next_check_at=None if is_too_old(parcel) else now + pause,
    )
