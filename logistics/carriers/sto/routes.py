"""Reads the rows of STO's routes, which queries and pushes share, into our events. Pure functions.

The texts name couriers and their telephone numbers; the numbers are masked, and the fields that hold them are not kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from logistics.carriers.exchange import text_of
from logistics.carriers.route_parts import CityEvent, route_from
from logistics.carriers.sto.codes import STATUS_BY_SCAN
from logistics.carriers.types import MAX_EVIDENCE, Route, RouteEvent, TrackingStatus
from ordersite.lib.china_time import read_beijing
from ordersite.lib.masking import mask_phones

_KEPT = (
    "waybillNo", "outBizCode", "opTime", "scanType", "opOrgName", "opOrgCode", "opOrgType", "opOrgProvinceName",
    "opOrgCityName", "memo", "nextOrgName", "nextOrgCode", "issueName", "weight",
)  # fmt: skip


def route_of(rows: Sequence[Mapping[str, Any]]) -> Route:
    """The route of rows in STO's order, the oldest first."""
    return route_from([event for event in map(_event, rows) if event is not None], raw=_evidence(rows))


def _event(row: Mapping[str, Any]) -> CityEvent | None:
    """The event of a row; None for a row without a time, which could not be ordered."""
    at = read_beijing(text_of(row, "opTime"))
    if at is None:
        return None
    scan, city = text_of(row, "scanType"), text_of(row, "opOrgCityName")
    words = text_of(row, "memo") or f"{scan} {text_of(row, 'issueName')}".strip()
    place = (city, text_of(row, "opOrgName"))
    event = RouteEvent(
        at=at,
        status=STATUS_BY_SCAN.get(scan, TrackingStatus.UNKNOWN),
        text=mask_phones(words)[:500],
        location=mask_phones(" ".join(dict.fromkeys(filter(None, place))))[:100],
        provider_code=scan[:20],
    )
    return CityEvent(event, city[:40])


def _evidence(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows' known fields as JSON text, bounded."""
    kept = [{name: row[name] for name in _KEPT if name in row} for row in rows]
    return mask_phones(json.dumps(kept, ensure_ascii=False, default=str))[:MAX_EVIDENCE]
