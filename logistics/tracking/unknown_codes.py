"""The codes that no table knows: which, how often, since when, and a parcel that has one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from logistics.carriers.registry import CARRIERS
from logistics.models import Shipment, TrackingEvent

# Counted exactly up to here.
MOST_EVENTS = 10_000
MOST_CODES = 100
_EVENTS = TrackingEvent._meta.db_table
# Jumps from code to code along the index of unknown ones: what is read grows with the codes, not with the events.
_REPORT = f"""
WITH RECURSIVE codes(code) AS (
  SELECT min(provider_code) FROM {_EVENTS} WHERE status = 'unknown' AND source = %s
  UNION ALL
  SELECT (SELECT min(provider_code) FROM {_EVENTS}
          WHERE status = 'unknown' AND source = %s AND provider_code > codes.code)
  FROM codes WHERE code IS NOT NULL
)
SELECT code,
  (SELECT count(*) FROM (SELECT 1 FROM {_EVENTS} e
   WHERE e.status = 'unknown' AND e.source = %s AND e.provider_code = codes.code LIMIT {MOST_EVENTS + 1}) few),
  (SELECT min(id) FROM {_EVENTS} e WHERE e.status = 'unknown' AND e.source = %s AND e.provider_code = codes.code),
  (SELECT max(id) FROM {_EVENTS} e WHERE e.status = 'unknown' AND e.source = %s AND e.provider_code = codes.code)
FROM codes WHERE code IS NOT NULL LIMIT {MOST_CODES}
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class UnknownCode:
    """A code that means nothing here. `events` counts up to MOST_EVENTS, then one more; times are UTC.

    `source` is the connector whose code it is, empty for those of Kuaidi100 from before there was another; `code` is
    empty where the carrier gave none. `example` is the parcel that had it last.
    """

    source: str
    code: str
    events: int
    first_at: datetime
    last_at: datetime
    example: Shipment

    @property
    def has_more(self) -> bool:
        return self.events > MOST_EVENTS


def unknown_codes() -> list[UnknownCode]:
    """The codes of all connectors, those of each in their order; one query a connector and one for the events."""
    rows = [row for source in ("", *CARRIERS) for row in _rows(source)]
    ids = {pk for _source, _code, _count, first, last in rows for pk in (first, last)}
    events = TrackingEvent.objects.select_related("shipment").in_bulk(list(ids))
    return [
        UnknownCode(
            source, code, count, events[first].received_at, events[last].received_at, events[last].shipment
        )
        for source, code, count, first, last in rows
    ]


def _rows(source: str) -> Iterator[tuple[str, str, int, int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_REPORT, [source] * 5)
        for code, count, first, last in cursor.fetchall():
            yield source, code, count, first, last
