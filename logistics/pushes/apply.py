"""Apply stored, verified pushes to their parcels, in batches of one transaction each.

`CarrierNotification` is the inbox; `ordersite.queue.claims` claims its rows. Any number of workers may run this. A push
for a number that is not known yet (the warehouse confirms later than the carrier scans) is tried again for a while, then
stands in the list of unknown numbers, and is applied once the number is there.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from logistics import cases
from logistics.carriers.types import PushedRoute
from logistics.dispatch.correct_carrier import correct_carrier
from logistics.dispatch.remap import by_todays_table
from logistics.dispatch.route import apply_route
from logistics.models import (
    CarrierNotification,
    PushBody,
    Shipment,
    ShipmentException,
)
from logistics.pushes.store import read_routes
from logistics.tracking.intervals import after_push
from logistics.tracking.subscriptions import end_subscription
from orders import lifecycle
from ordersite.queue import claims

BATCH = 50
# A warehouse may confirm a little later than the carrier scans the parcel.
WAIT_FOR_NUMBER, RETRY = timedelta(minutes=10), timedelta(seconds=30)
# Looked at in one run of `find_late_numbers`, the oldest first.
MOST_UNKNOWN = 2000
# Stored in English, shown in the reader's language by `orders.labels.note_label`.
NUMBERS_KNOWN = "every pushed number is known now"
Effect = CarrierNotification.Effect
_UNKNOWN = ShipmentException.Kind.PUSH_UNKNOWN

logger = logging.getLogger(__name__)


def apply_pushes() -> int:
    """Apply all waiting pushes; return how many rows were claimed."""
    return claims.drain(CarrierNotification, size=BATCH, apply=apply_notifications, give_up=_give_up)


@dataclass(frozen=True, slots=True)
class Said:
    """A waiting row, the parcel that it is about, and what it says; None where either is not there."""

    row: CarrierNotification
    parcel: Shipment | None
    pushed: PushedRoute | None


def apply_notifications(ids: Sequence[int]) -> None:
    """Apply these pushes and skip rows that are done. Locks them; call inside a transaction.

    Orders are locked by primary key, before their parcels are touched one after another.
    """
    locked = CarrierNotification.objects.waiting().select_for_update(no_key=True, of=("self",))
    rows = list(locked.filter(pk__in=ids).select_related("account").order_by("pk"))
    contents = _contents(rows)
    parcels = _parcels(rows)
    said = [Said(row, parcels.get(row.pk), contents.get(row.pk)) for row in rows]
    said.sort(key=lambda one: (one.parcel.order_id if one.parcel else 0, one.row.pk))
    lifecycle.lock({one.parcel.order_id for one in said if one.parcel})
    for one in said:
        _apply(one)


def _contents(rows: Sequence[CarrierNotification]) -> dict[int, PushedRoute]:
    """What these rows say, by primary key. The rows of one call share one raw body, at the first of them."""
    opened: dict[str, dict[str, PushedRoute]] = {}
    for body in PushBody.objects.of_verified({row.body_digest for row in rows}):
        opened.setdefault(body.place, {}).update(read_routes(body.routes))
    found: dict[int, PushedRoute] = {}
    for row in rows:
        routes = opened.get(PushBody(notification=row).place, {})
        if row.facts_digest in routes:
            found[row.pk] = routes[row.facts_digest]
    return found


def _parcels(rows: Sequence[CarrierNotification]) -> dict[int, Shipment]:
    """The parcels of these rows by the rows' primary keys: of the account's merchant alone, by carrier and number."""
    numbers = {row.tracking_number for row in rows}
    merchants = {row.account.merchant_id for row in rows}
    found: dict[tuple[int, str], list[Shipment]] = {}
    for parcel in Shipment.objects.filter(tracking_number__in=numbers, merchant__in=merchants).order_by("pk"):
        found.setdefault((parcel.merchant_id, parcel.tracking_number), []).append(parcel)
    chosen: dict[int, Shipment] = {}
    for row in rows:
        choice = _choose(row, found.get((row.account.merchant_id, row.tracking_number), []))
        if choice is not None:
            chosen[row.pk] = choice
    return chosen


def _choose(row: CarrierNotification, parcels: Sequence[Shipment]) -> Shipment | None:
    """The parcel that a row is about; where the carrier's name does not decide, the only one with its number."""
    for carrier in (row.carrier, row.corrected_carrier):
        for parcel in parcels:
            if parcel.carrier == carrier:
                return parcel
    decides = row.carrier and not row.corrected_carrier
    return parcels[0] if len(parcels) == 1 and not decides else None


def _apply(one: Said) -> None:
    now = timezone.now()
    if one.parcel is None:
        _wait_for_number(one.row, now)
        return
    if one.pushed is None:
        raise LookupError("the raw push is deleted, or does not hold these facts")
    parcel = one.parcel
    if one.pushed.corrected_carrier:
        correct_carrier(parcel, one.pushed.corrected_carrier)
    applied = apply_route(
        parcel,
        by_todays_table(one.pushed.route, one.row.account.carrier),
        next_check_in=after_push(parcel, goes_on=not one.pushed.has_ended),
        source=one.row.account.carrier,
        pushed_at=now,
    )
    if one.pushed.has_ended:
        end_subscription(parcel)
    outcome = Effect.APPLIED if applied.new_events or applied.delivered else Effect.DUPLICATE
    _finish(one.row, outcome, now)


def _finish(row: CarrierNotification, outcome: str, now: datetime) -> None:
    changes = {"outcome": outcome, "done_at": now, "leased_until": None, "last_error": ""}
    CarrierNotification.objects.waiting().filter(pk=row.pk).update(**changes)


def _wait_for_number(row: CarrierNotification, now: datetime) -> None:
    """Try a row whose number is not known again soon, or put it into the list of unknown numbers and open a case."""
    if now - row.received_at < WAIT_FOR_NUMBER:
        changes = {"due_at": now + RETRY, "attempts": 0, "leased_until": None}
        CarrierNotification.objects.waiting().filter(pk=row.pk).update(**changes)
        return
    _finish(row, Effect.UNKNOWN_NUMBER, now)
    cases.open_account_case(row.account, {"tracking_number": row.tracking_number}, kind=_UNKNOWN)


def _give_up(pk: int, why: str) -> None:
    """Park a row that cannot be processed and open a case; a person may replay it."""
    logger.error("push given up", extra={"notification": pk})
    with transaction.atomic():
        row = CarrierNotification.objects.select_related("account").get(pk=pk)
        changes = {"outcome": Effect.POISON, "done_at": timezone.now(), "leased_until": None}
        changed = CarrierNotification.objects.waiting().filter(pk=pk).update(**changes, last_error=why[:500])
        if changed:
            detail = {"tracking_number": row.tracking_number, "push": f"#{row.pk}"}
            cases.open_account_case(row.account, detail, kind=ShipmentException.Kind.PUSH_STUCK)


def find_late_numbers() -> int:
    """Make pushes due again whose number was unknown and is known now; return how many.

    An account's case of unknown numbers is resolved once there is none left.
    """
    here = Shipment.objects.filter(
        tracking_number=OuterRef("tracking_number"), merchant=OuterRef("account__merchant")
    )
    unknown = CarrierNotification.objects.filter(Exists(here), outcome=Effect.UNKNOWN_NUMBER)
    rows = list(unknown.select_related("account").order_by("pk")[:MOST_UNKNOWN])
    known = sorted(_parcels(rows))
    changes = {"outcome": "", "done_at": None, "due_at": timezone.now(), "attempts": 0}
    waiting = CarrierNotification.objects.filter(pk__in=known, outcome=Effect.UNKNOWN_NUMBER)
    found = waiting.update(**changes) if known else 0
    _resolve_cases()
    return found


def _resolve_cases() -> None:
    for case in ShipmentException.objects.open().filter(kind=_UNKNOWN).order_by("pk"):
        left = CarrierNotification.objects.filter(
            account_id=case.account_id or 0, outcome=Effect.UNKNOWN_NUMBER
        )
        if not left.exists():
            cases.resolve(case, user=None, note=NUMBERS_KNOWN)
