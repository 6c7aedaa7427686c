"""Reads the rows of SF's routes, which queries and pushes share, into our events. Pure functions.

The texts name couriers and their telephone numbers; the numbers are masked before anything is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from logistics.carriers.exchange import text_of
from logistics.carriers.route_parts import CityEvent, route_from
from logistics.carriers.sf.codes import STATUS_BY_CODE, STATUS_BY_NAME, STAYS
from logistics.carriers.types import MAX_EVIDENCE, Route, RouteEvent, TrackingStatus
from ordersite.lib.china_time import read_beijing
from ordersite.lib.masking import mask_phones

_KEPT = (
    "id", "mailNo", "mailno", "acceptTime", "acceptAddress", "remark", "opCode", "firstStatusCode", "firstStatusName",
    "secondaryStatusCode", "secondaryStatusName", "reasonCode", "reasonName",
)  # fmt: skip
_PROVINCE = re.compile(r"^.{2,8}?(?:省|自治区|特别行政区)")
_CITY = re.compile(r"^.{1,10}?(?:自治州|地区|市|盟)")


def route_of(rows: Sequence[Mapping[str, Any]]) -> Route:
    """The route of rows in SF's order, the oldest first.

    After an event of an unknown code the parcel is on its way, unless it was delivered or went back before.
    """
    route = route_from([event for event in map(_event, rows) if event is not None], raw=evidence(rows))
    if route.events and route.events[-1].status is TrackingStatus.UNKNOWN and route.status not in STAYS:
        return replace(route, status=TrackingStatus.IN_TRANSIT)
    return route


def _event(row: Mapping[str, Any]) -> CityEvent | None:
    """The event of a row; None for a row without a time, which could not be ordered."""
    at = read_beijing(text_of(row, "acceptTime"))
    if at is None:
        return None
    code, address = text_of(row, "opCode"), text_of(row, "acceptAddress")
    by_name = STATUS_BY_NAME.get(text_of(row, "firstStatusName"), TrackingStatus.UNKNOWN)
    event = RouteEvent(
        at=at,
        status=STATUS_BY_CODE.get(code, by_name),
        text=mask_phones(text_of(row, "remark"))[:500],
        location=mask_phones(address)[:100],
        provider_code=code[:20],
    )
    return CityEvent(event, city_of(address))


def city_of(address: str) -> str:
    """The city at the beginning of an address, with or without its province; empty where none is named."""
    found = _CITY.match(_PROVINCE.sub("", address))
    return found[0] if found else ""


def evidence(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows' known fields as JSON text, bounded."""
    kept = [{name: row[name] for name in _KEPT if name in row} for row in rows]
    return mask_phones(json.dumps(kept, ensure_ascii=False, default=str))[:MAX_EVIDENCE]
