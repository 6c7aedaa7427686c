"""Maps stored events anew after a carrier's table of codes has changed; their parcels follow through the ordinary door.

A run walks over all events by primary key, in batches, and remembers where it is: it may end anywhere and goes on there.
A code that today's table does not know keeps what it meant. What a parcel has reached it keeps (`judge`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from logistics.carriers.registry import CARRIERS, FALLBACK, get_carrier
from logistics.carriers.types import Route, TrackingStatus
from logistics.dispatch.progress import place_of_status
from logistics.dispatch.route import Judged, judge
from logistics.dispatch.timeline import Timeline, events_of, milestones_of
from logistics.models import MapRun, Shipment, TrackingEvent
from orders import lifecycle
from ordersite.database import bulk

BATCH = 2_000
_NOTHING_NEW = Route(events=(), status=TrackingStatus.UNKNOWN)

logger = logging.getLogger(__name__)


def todays_status(source: str, code: str) -> TrackingStatus | None:
    """What a connector's code means by today's table; None where the table does not know it. Empty source: Kuaidi100."""
    connector = CARRIERS.get(source or FALLBACK)
    found = connector.status_of(code) if connector and code else TrackingStatus.UNKNOWN
    return None if found is TrackingStatus.UNKNOWN else found


def by_todays_table(route: Route, source: str) -> Route:
    """A route that was read some time ago, its events' codes as today's table maps them."""
    events = tuple(
        replace(one, status=todays_status(source, one.provider_code) or one.status) for one in route.events
    )
    return replace(route, events=events)


def start_run(carrier: str, *, by: str) -> MapRun:
    """Start a run over the events of this connector, or give back the one that is under way. Raises `DomainError`."""
    get_carrier(carrier)
    with transaction.atomic():
        run, _made = MapRun.objects.select_for_update(no_key=True).get_or_create(
            carrier=carrier, defaults={"finished_at": timezone.now()}
        )
        if run.finished_at is not None:
            run.position, run.events, run.parcels = 0, 0, 0
            run.last_id = TrackingEvent.objects.aggregate(last=Max("pk"))["last"] or 0
            run.started_by, run.started_at, run.finished_at = by, timezone.now(), None
            run.save()
            logger.info("map of codes is applied again", extra={"carrier": carrier, "actor": by})
    return run


def go_on(run: MapRun, *, seconds: float) -> MapRun:
    """Work on a run for about so long; returns it as it stands then."""
    until = time.monotonic() + seconds
    while run.finished_at is None and time.monotonic() < until:
        _work_batch(run)
        run.refresh_from_db()
    return run


def go_on_with_all(*, seconds: float) -> None:
    """Work on the runs that are under way, for about so long in all."""
    for run in MapRun.objects.filter(finished_at=None).order_by("pk"):
        go_on(run, seconds=seconds)


def _work_batch(run: MapRun) -> None:
    """Map one batch. Doing it twice is harmless; only one of two that do it at once moves the position."""
    rows = TrackingEvent.objects.filter(pk__gt=run.position, pk__lte=run.last_id).order_by("pk")
    batch = list(rows.only("pk", "shipment_id", "source", "provider_code", "status")[:BATCH])
    changed = sorted({event.shipment_id for event in batch if _is_other(event, run.carrier)})
    done = [_map_parcel(parcel_id, run.carrier) for parcel_id in changed]
    at = MapRun.objects.filter(pk=run.pk, position=run.position, finished_at=None)
    if len(batch) < BATCH:
        at.update(finished_at=timezone.now(), **_counted(done))
    else:
        at.update(position=batch[-1].pk, **_counted(done))


def _counted(done: Sequence[int]) -> dict[str, F]:
    return {"events": F("events") + sum(done), "parcels": F("parcels") + sum(map(bool, done))}  # type: ignore[dict-item]


def _is_other(event: TrackingEvent, carrier: str) -> bool:
    """Whether an event of this connector means something else today."""
    meaning = todays_status(carrier, event.provider_code) if (event.source or FALLBACK) == carrier else None
    return meaning is not None and meaning.value != event.status


def _map_parcel(parcel_id: int, carrier: str) -> int:
    """Map the events of one parcel anew and move it where they say; returns how many were changed."""
    order_id = Shipment.objects.values_list("order_id", flat=True).get(pk=parcel_id)
    with transaction.atomic():
        orders = lifecycle.lock([order_id])
        parcels = Shipment.objects.lock_of_order(order_id)
        parcel = next(row for row in parcels if row.pk == parcel_id)
        events = events_of(parcel)
        changed = [event for event in events if _is_other(event, carrier)]
        for event in changed:
            event.status = (todays_status(carrier, event.provider_code) or TrackingStatus.UNKNOWN).value
            event.place = place_of_status(event.place, TrackingStatus(event.status))
        if not changed:
            return 0
        bulk.update_rows(TrackingEvent, sorted(changed, key=lambda event: event.pk), ("status", "place"))
        events.sort(key=lambda event: (event.at, event.place, event.text_digest))
        judge(parcel, Timeline(milestones_of(events)), Judged(orders, parcels, _NOTHING_NEW))
    return len(changed)
