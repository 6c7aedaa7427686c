"""Asking carriers where parcels are: by the clock, and on demand.

Due parcels wait on their rows (`next_check_at`). A run goes round the accounts; each lane asks a few parcels and
lets the next account have its turn, so that a slow carrier holds up its own parcels only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from logistics import accounts
from logistics.accounts import Lane
from logistics.carriers import registry
from logistics.carriers.types import CarrierError, CarrierKeys, ParcelQuestion
from logistics.dispatch import route
from logistics.models import Shipment
from logistics.tracking import throttle
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.http import gateway
from ordersite.queue import wakeups
from ordersite.queue.claims import SQLITE_PAUSE_SECONDS

PARCELS_A_TURN = 20
SECONDS_A_TURN = 3.0
SECONDS_A_RUN = 10.0
# A question that the carrier does not take (no connector, a wrong phone) is not asked every two hours.
AFTER_REFUSAL = timedelta(hours=24)
RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=2)
HINT = "logistics.poll_tracking"

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """What a run did, in parcels; `new_events` in events."""

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
    """Ask for all parcels that are due, important customers first; ends when none is left or its time is up.

    A run that leaves work behind hints for the next one, so that a worker's other tasks come in between.
    """
    counts = Counts()
    until = time.monotonic() + seconds
    busy = accounts.busy_lanes(timezone.now())
    while busy and time.monotonic() < until:
        busy = [lane for lane in busy if _work(lane, counts)]
    if busy:
        wakeups.hint(HINT)
    return counts


def _work(lane: Lane, counts: Counts) -> bool:
    """One turn of a lane; False when it has nothing more to do in this run."""
    if not throttle.take(lane.account):
        return False
    try:
        return _ask_in_turn(lane, counts)
    finally:
        throttle.leave(lane.account)


def _ask_in_turn(lane: Lane, counts: Counts) -> bool:
    asker = _asker(lane)
    if asker is None:
        return False
    until = time.monotonic() + SECONDS_A_TURN
    for _turn in range(PARCELS_A_TURN):
        parcel = throttle.claim_next(lane, floor=asker.floor)
        if parcel is None or not asker.ask(parcel, counts):
            return False
        if time.monotonic() > until or not throttle.keep(lane.account):
            break
        if connection.vendor == "sqlite":
            time.sleep(SQLITE_PAUSE_SECONDS)
    return True


def poll_interval(floor: timedelta) -> timedelta:
    """How long a parcel rests between two questions."""
    return max(timedelta(hours=settings.TRACKING_POLL_HOURS), floor)


@dataclass(frozen=True, slots=True)
class Asker:
    """An opened account and what asking through it needs."""

    lane: Lane
    keys: CarrierKeys
    floor: timedelta

    def ask(self, parcel: Shipment, counts: Counts) -> bool:
        """Ask for a claimed parcel and keep what comes of it; False when the lane should stop."""
        counts.asked += 1
        try:
            self._take_answer(parcel, counts)
        except CarrierError as error:
            return self._keep_refusal(parcel, error, counts)
        except Exception as error:  # the edge: the error is kept on the parcel's row, the others go on
            logger.exception("parcel not understood", extra={"shipment": parcel.pk})
            counts.failed += 1
            _postpone(parcel, _problem("fault", repr(error)), self._retry(parcel))
            return True
        throttle.note_success(self.lane.account)
        return True

    def _take_answer(self, parcel: Shipment, counts: Counts) -> None:
        connector = registry.get_carrier(self.keys.carrier)
        answer = connector.query(_question(parcel), self.keys, gateway())
        applied = route.apply_route(parcel, answer, next_check_in=poll_interval(self.floor))
        counts.answered += 1
        counts.new_events += applied.new_events
        counts.delivered += applied.delivered
        counts.completed += applied.completed

    def _keep_refusal(self, parcel: Shipment, error: CarrierError, counts: Counts) -> bool:
        problem = _problem(error.code, error.detail)
        account = self.lane.account
        if error.code == "nothing_found":
            counts.answered += 1
            _note_silence(parcel, problem, poll_interval(self.floor))
            throttle.note_success(account)
            return True
        counts.failed += 1
        if error.ends_run:
            _postpone(parcel, problem, max(self.floor, RETRY))
            throttle.rest(account, throttle.REST_MISCONFIGURED)
            logger.error("carrier account unusable: %s", error.code, extra={"account": account.slug})
            return False
        if not error.retryable:
            _postpone(parcel, problem, max(self.floor, AFTER_REFUSAL))
            return True
        _postpone(parcel, problem, self._retry(parcel))
        return not throttle.note_failure(account)

    def _retry(self, parcel: Shipment) -> timedelta:
        """1, 2, 4 … minutes, never sooner than the account's floor."""
        return max(self.floor, min(RETRY * 2 ** min(parcel.check_failures, 10), LONGEST_RETRY))


def _asker(lane: Lane) -> Asker | None:
    """None when the secrets cannot be opened: the account rests, and the log says so."""
    try:
        keys = accounts.keys_of(lane.account)
    except CannotDecrypt:
        logger.exception("carrier account cannot be opened", extra={"account": lane.account.slug})
        throttle.rest(lane.account, throttle.REST_MISCONFIGURED)
        return None
    return Asker(lane, keys, accounts.floor_of(lane.account))


def _question(parcel: Shipment) -> ParcelQuestion:
    """SF and ZTO want the last four digits of the receiver's phone; a virtual number counts after its dash."""
    order = parcel.order
    digits = "".join(filter(str.isdigit, order.buyer_phone.rpartition("-")[2]))
    return ParcelQuestion(
        carrier=parcel.carrier,
        tracking_number=parcel.tracking_number,
        phone_last4=digits[-4:],
        destination=f"{order.province}{order.city}{order.district}",
    )


def _problem(code: str, detail: str) -> str:
    return f"{code}: {detail}"[:200] if detail else code


def _postpone(parcel: Shipment, problem: str, pause: timedelta) -> None:
    Shipment.objects.filter(pk=parcel.pk).update(
        leased_until=None,
        check_failures=min(parcel.check_failures + 1, 1000),
        last_problem=problem,
        next_check_at=timezone.now() + pause,
    )


def _note_silence(parcel: Shipment, problem: str, pause: timedelta) -> None:
    """The carrier answered that it knows nothing (yet): a check, not a failure."""
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
    """What became of a wish to ask now. `code` is refreshed, too_soon, arrived, no_account, resting, failed or a
    code of `CARRIER_ERRORS`; `allowed_at` (UTC) is when asking is allowed again."""

    code: str
    allowed_at: datetime | None = None


def refresh_now(shipment: Shipment, *, counts: Counts | None = None) -> Refresh:
    """Ask for one parcel at once, for a button or a command; the account's floor is kept. Calls outside."""
    counts = Counts() if counts is None else counts
    if shipment.next_check_at is None:
        return Refresh("arrived")
    lane = accounts.lane_for(shipment.merchant_id, shipment.carrier)
    asker = _asker(lane) if lane else None
    if lane is None or asker is None:
        return Refresh("no_account")
    if accounts.rests(lane.account, timezone.now()):
        return Refresh("resting", lane.account.resting_until)
    parcel = throttle.claim_this(shipment, floor=asker.floor)
    if parcel is None:
        counts.too_soon += 1
        return Refresh("too_soon", _allowed_at(shipment, asker.floor))
    asker.ask(parcel, counts)
    return _refreshed(parcel, asker.floor)


def _refreshed(parcel: Shipment, floor: timedelta) -> Refresh:
    after = Shipment.objects.only("last_problem", "last_asked_at").get(pk=parcel.pk)
    code = after.last_problem.partition(":")[0]
    return Refresh({"": "refreshed", "fault": "failed"}.get(code, code), _allowed_at(after, floor))


def _allowed_at(shipment: Shipment, floor: timedelta) -> datetime | None:
    asked = Shipment.objects.values_list("last_asked_at", flat=True).get(pk=shipment.pk)
    return asked + floor if asked else None


def refresh_allowed_at(shipment: Shipment, floors: Mapping[str, timedelta]) -> datetime | None:
    """When this parcel may be asked for again (UTC, may be past), by `accounts.floors` of its merchant; None when
    it has arrived or nobody can be asked."""
    floor = floors.get(shipment.carrier)
    if floor is None or shipment.next_check_at is None:
        return None
    return shipment.last_asked_at + floor if shipment.last_asked_at else shipment.created_at


def ask_soon(shipments: Sequence[Shipment]) -> int:
    """Put these parcels of one merchant at the head of the queue, as far as the floor allows; returns how many.

    Asks nobody itself: a stranger's click on a public page never waits for a carrier.
    """
    now = timezone.now()
    floors = accounts.floors(shipments[0].merchant_id) if shipments else {}
    ready = [row.pk for row in shipments if (at := refresh_allowed_at(row, floors)) is not None and at <= now]
    if not ready:
        return 0
    Shipment.objects.filter(pk__in=ready, next_check_at__gt=now).update(next_check_at=now)
    wakeups.hint(HINT)
    return len(ready)
