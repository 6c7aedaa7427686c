"""Reads the route in an answer to a query, or in a push."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logistics.carriers.kuaidi100.codes import FUNDS, QUERY_ERRORS, STATUS_BY_CODE
from logistics.carriers.numbers import tidy_number
from logistics.carriers.types import (
    MAX_EVIDENCE,
    CarrierError,
    CityStrip,
    Route,
    RouteEvent,
    TrackingStatus,
    tidy_events,
)
from ordersite.lib.china_time import read_beijing
from ordersite.lib.http import Reply
from ordersite.lib.strict_json import loads_object


def read_answer(reply: Reply, number: str) -> Route:
    """The route of this number in the answer to its query. Raises `CarrierError`."""
    try:
        data = loads_object(reply.body)
    except ValueError as error:
        raise CarrierError("busy", f"the answer {error}") from error
    # A success and a failure have different fields; only a success has the status 200.
    if text_of(data, "status") != "200":
        raise _error(data)
    if tidy_number(text_of(data, "nu") or number) != number:
        raise CarrierError("busy", "the answer is about another number")
    return read_route(data, reply.body.decode()[:MAX_EVIDENCE])


def _error(data: Mapping[str, Any]) -> CarrierError:
    code, message = text_of(data, "returnCode"), text_of(data, "message")
    if code == "400" and FUNDS.search(message):
        return CarrierError("out_of_funds", message)
    return CarrierError(QUERY_ERRORS.get(code, "busy"), f"{code} {message}".strip())


def text_of(data: Mapping[str, Any], name: str) -> str:
    """A field as trimmed text; also of a number, since the vendor's examples show codes both ways."""
    value = data.get(name)
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def read_route(data: Mapping[str, Any], raw: str) -> Route:
    """The route in a query's answer or in a push; rows that are no events are left out."""
    rows = data.get("data")
    events = tidy_events(filter(None, map(_event, rows if isinstance(rows, list) else [])))
    overall = STATUS_BY_CODE.get(text_of(data, "state"), TrackingStatus.UNKNOWN)
    newest = events[-1].status if events else TrackingStatus.UNKNOWN
    return Route(
        events=events,
        status=overall if newest is TrackingStatus.UNKNOWN else newest,
        cities=_cities(data.get("routeInfo")),
        estimated_at=read_beijing(text_of(data, "arrivalTime")),
        raw=raw,
    )


def _event(row: Any) -> RouteEvent | None:
    """The event of a row; None for a row without a time, which could not be ordered or de-duplicated."""
    if not isinstance(row, dict):
        return None
    at = read_beijing(text_of(row, "ftime") or text_of(row, "time"))
    if at is None:
        return None
    code = text_of(row, "statusCode")
    return RouteEvent(
        at=at,
        status=STATUS_BY_CODE.get(code, TrackingStatus.UNKNOWN),
        text=text_of(row, "context")[:500],
        location=(text_of(row, "location") or text_of(row, "areaName").replace(",", " "))[:100],
        provider_code=code[:20],
    )


def _cities(info: Any) -> CityStrip:
    return CityStrip(origin=_city(info, "from"), current=_city(info, "cur"), destination=_city(info, "to"))


def _city(info: Any, name: str) -> str:
    """The city of a place like `广东,深圳市,龙岗区`: the second part."""
    place = info.get(name) if isinstance(info, dict) else None
    parts = text_of(place, "name").split(",") if isinstance(place, dict) else [""]
    return (parts[1] if len(parts) > 1 else parts[0]).strip()[:40]
