"""Rolling deploys: versions with other events and handlers run side by side, and no event is lost between them.

- What was spread is remembered for KEPT. A version that has a handler more for one of those events makes its delivery.
- An event or a handler that a process does not know is parked with an alert. The first version that knows it takes it up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from ordersite.database import bulk
from ordersite.health.alerts import raise_alert
from ordersite.health.models import Alert
from ordersite.queue.models import Delivery, OutboxEntry, SpreadBatch

# Longer than a rolling deploy takes; a handler that is added gets the events of this time.
KEPT = timedelta(hours=1)
UNKNOWN = "unknown"
_OPEN = "SELECT min(handler) FROM rails_delivery WHERE parked_at IS NULL"
_HANDLERS = (
    f"WITH RECURSIVE waiting (handler) AS ({_OPEN} UNION ALL SELECT ({_OPEN} AND handler > waiting.handler)"
    " FROM waiting WHERE handler IS NOT NULL) SELECT handler FROM waiting WHERE handler IS NOT NULL"
)
# event name → handler keys
Keys = Mapping[str, Sequence[str]]


def keys_of(table: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """The handler keys of each event that this version knows."""
    return {event: sorted(keyed) for event, keyed in table.items()}


def version_of(keys: Keys) -> str:
    """A short name for a set of events and handlers: the same in every process of a version."""
    return hashlib.sha256(json.dumps(keys, sort_keys=True).encode()).hexdigest()[:16]


def remember(entries: Sequence[OutboxEntry], keys: Keys) -> None:
    """Keep what is being spread, in the transaction that spreads it. Unknown events are parked instead."""
    known = [entry for entry in entries if entry.name in keys]
    if known:
        SpreadBatch.objects.create(
            version=version_of(keys),
            keys={entry.name: list(keys[entry.name]) for entry in known},
            events=[
                [entry.name, entry.subject_id, entry.payload, entry.created_at.isoformat()] for entry in known
            ],
        )


def catch_up(keys: Keys) -> None:
    """Spread again what an older version spread without a handler of ours, and take up and park deliveries."""
    version = version_of(keys)
    others = SpreadBatch.objects.filter(Q(version__lt=version) | Q(version__gt=version))
    for pk in others.exclude(seen_by__contains=version).values_list("pk", flat=True):
        _spread_again(pk, keys, version)
    _take_up(keys)
    _park_unknown(keys)


def forget_old() -> int:
    """Delete what was spread KEPT ago; return how many batches."""
    return SpreadBatch.objects.filter(spread_at__lt=timezone.now() - KEPT).delete()[0]


def _spread_again(pk: int, keys: Keys, version: str) -> None:
    with transaction.atomic():
        rows = SpreadBatch.objects.filter(pk=pk).exclude(seen_by__contains=version)
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True)
        for batch in rows:
            missing = {name: set(keys.get(name, ())) - set(done) for name, done in batch.keys.items()}
            bulk.insert_rows(
                Delivery,
                [
                    Delivery(handler=key, event=name, subject_id=subject, payload=payload, event_at=_time(at))
                    for name, subject, payload, at in batch.events
                    for key in sorted(missing[name])
                ],
            )
            batch.keys = {name: [*done, *sorted(missing[name])] for name, done in batch.keys.items()}
            batch.seen_by = f"{batch.seen_by},{version}"[-500:]
            batch.save(update_fields=["keys", "seen_by"])


def _time(text: str) -> datetime:
    found = parse_datetime(text)
    if found is None:
        raise ValueError(f"not a time: {text!r}")
    return found


def _take_up(keys: Keys) -> None:
    """Deliver what was parked because nobody knew it then."""
    for row in Delivery.objects.filter(parked_at__isnull=False, handler=UNKNOWN, event__in=list(keys)):
        take_up(row, keys)
    ours = [key for own in keys.values() for key in own]
    parked = Delivery.objects.filter(parked_at__isnull=False, is_unknown=True, handler__in=ours)
    parked.update(parked_at=None, is_unknown=False, attempts=0, due_at=timezone.now(), leased_until=None)


def take_up(row: Delivery, keys: Keys) -> None:
    """Make the deliveries of an event that was parked as unknown and is known now."""
    with transaction.atomic():
        if Delivery.objects.filter(pk=row.pk).delete()[0]:
            bulk.insert_rows(
                Delivery,
                [
                    Delivery(
                        handler=key,
                        event=row.event,
                        subject_id=row.subject_id,
                        payload=row.payload,
                        event_at=row.event_at,
                    )
                    for key in keys[row.event]
                ],
            )


def _park_unknown(keys: Keys) -> None:
    """Park deliveries whose handler this version does not have, with an alert; a version that has it takes them up."""
    now = timezone.now()
    unclaimed = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    for handler in _waiting_handlers() - {key for own in keys.values() for key in own}:
        rows = Delivery.objects.filter(unclaimed, parked_at__isnull=True, handler=handler)
        event = rows.order_by("id").values_list("event", flat=True).first()
        if rows.update(parked_at=now, is_unknown=True, last_error="nobody here knows this handler"):
            raise_alert(Alert.Kind.DELIVERY_PARKED, handler, f"{event}: nobody knows its handler {handler}")


def _waiting_handlers() -> set[str]:
    """The handlers that deliveries wait for: from one to the next in the index, however many deliveries there are."""
    with connection.cursor() as cursor:
        cursor.execute(_HANDLERS)
        return {handler for (handler,) in cursor.fetchall()}
