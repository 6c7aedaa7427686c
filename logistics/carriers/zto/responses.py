"""What ZTO answers, read into our dataclasses. Pure functions.

A courier's own telephone number is never kept: fields that hold one are dropped, and those in a text are masked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from logistics.carriers.exchange import read_json, text_of
from logistics.carriers.numbers import tidy_number
from logistics.carriers.route_parts import CityEvent, route_from
from logistics.carriers.types import (
    MAX_EVIDENCE,
    CarrierError,
    NewWaybill,
    Route,
    RouteEvent,
    TrackingStatus,
)
from logistics.carriers.zto.codes import OUTCOME_UNKNOWN, PLATFORM_ERRORS, STATUS_BY_SCAN, SUCCESS
from ordersite.lib.http import Reply
from ordersite.lib.masking import mask_phone, mask_phones

# In the words of a refusal: an order of this reference is there already.
_IS_THERE = ("重复", "已存在", "已下单")
_IS_NOT_THERE = ("订单不存在", "未查询到", "查无")
_IS_CANCELLED = ("已取消", "已经取消")
_OF_THE_COURIER = frozenset(("operateUser", "operateUserPhone", "operateUserCode"))
# Of a found order; the rest of it is who sends and who receives.
_OF_THE_ORDER = ("billCode", "orderCode", "partnerOrderCode", "bigMarkInfo", "orderStatus")


def read_route(reply: Reply, number: str) -> Route:
    """The route of a parcel, the oldest event first. Raises `CarrierError`."""
    data = _envelope(reply, otherwise="busy")
    if not _is_success(data):
        raise _query_error(data)
    found = data.get("result")
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    if not rows:
        raise CarrierError("nothing_found", text_of(data, "message"))
    if any(tidy_number(text_of(row, "billCode") or number) != number for row in rows):
        raise CarrierError("busy", "the answer is about another number")
    return route_from([row for row in map(_event, rows) if row is not None], raw=_route_evidence(rows))


def _event(row: Mapping[str, Any]) -> CityEvent | None:
    """The event of a row; None for a row without a time, which could not be ordered."""
    at = _instant(row.get("scanDate"))
    if at is None:
        return None
    site = row.get("scanSite")
    place = site if isinstance(site, dict) else {}
    city, name = text_of(place, "city"), text_of(place, "name")
    code = text_of(row, "scanType")
    event = RouteEvent(
        at=at,
        status=STATUS_BY_SCAN.get(code, TrackingStatus.UNKNOWN),
        text=_text(row)[:500],
        location=" ".join(dict.fromkeys(filter(None, (city, name))))[:100],
        provider_code=code[:20],
    )
    return CityEvent(event, city[:40])


def _text(row: Mapping[str, Any]) -> str:
    """The description without the courier's number, whatever its form."""
    phone, text = text_of(row, "operateUserPhone"), text_of(row, "desc")
    return mask_phones(text.replace(phone, mask_phone(phone)) if len(phone) > 4 else text)


def _instant(value: Any) -> datetime | None:
    """An epoch in milliseconds as UTC; None for anything that is none of this century."""
    milliseconds = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int):
        return None
    if not 946_684_800_000 <= milliseconds < 4_102_444_800_000:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _route_evidence(rows: list[dict[str, Any]]) -> str:
    kept = [
        {name: value for name, value in row.items() if name not in _OF_THE_COURIER}
        | ({"desc": _text(row)} if "desc" in row else {})
        for row in rows
    ]
    return _evidence(kept)


def _evidence(kept: object) -> str:
    return mask_phones(json.dumps(kept, ensure_ascii=False, default=str))[:MAX_EVIDENCE]


def read_created(reply: Reply) -> NewWaybill:
    """The waybill that was ordered. Raises `CarrierError`."""
    data = _envelope(reply, otherwise="unknown")
    result = data.get("result")
    if _is_success(data) and isinstance(result, dict) and text_of(result, "billCode"):
        return _waybill(result)
    if _is_success(data):
        raise CarrierError("unknown", "no number in the answer")
    raise _refusal(data)


def read_found(reply: Reply, reference: str) -> NewWaybill | None:
    """What was ordered under our reference; None where ZTO says that there is nothing. Raises `CarrierError`."""
    data = _envelope(reply, otherwise="busy")
    if not _is_success(data):
        _absent_or_raise(data)
        return None
    result = data.get("result")
    rows = result if isinstance(result, list) else [result] if result else []
    for row in rows:
        if (
            isinstance(row, dict)
            and text_of(row, "partnerOrderCode") == reference
            and text_of(row, "billCode")
        ):
            return _waybill(row)
    if rows:
        raise CarrierError("busy", "the answer is about another order")
    return None


def _absent_or_raise(data: Mapping[str, Any]) -> None:
    """Return where the words say that there is no such order. Raises `CarrierError` for any other failure."""
    is_platforms = text_of(data, "statusCode") in {*PLATFORM_ERRORS, *OUTCOME_UNKNOWN}
    if is_platforms or not any(word in text_of(data, "message") for word in _IS_NOT_THERE):
        raise _query_error(data)


def read_cancelled(reply: Reply) -> None:
    """Return once the waybill is cancelled. Raises `CarrierError`."""
    data = _envelope(reply, otherwise="unknown")
    if not _is_success(data) and not any(word in text_of(data, "message") for word in _IS_CANCELLED):
        raise _refusal(data)


def _waybill(result: Mapping[str, Any]) -> NewWaybill:
    big_mark = result.get("bigMarkInfo")
    mark = big_mark if isinstance(big_mark, dict) else {}
    marks = {"mark": text_of(mark, "mark"), "bag": text_of(mark, "bagAddr")}
    return NewWaybill(
        tracking_number=tidy_number(text_of(result, "billCode")),
        marks={name: value for name, value in marks.items() if value},
        raw=_evidence({name: result[name] for name in _OF_THE_ORDER if name in result}),
    )


def _envelope(reply: Reply, *, otherwise: str) -> dict[str, Any]:
    data = read_json(reply, otherwise=otherwise)
    if not isinstance(data, dict) or not isinstance(data.get("status"), bool):
        raise CarrierError(otherwise, "the answer has no status")
    return data


def _is_success(data: Mapping[str, Any]) -> bool:
    return data.get("status") is True and (text_of(data, "statusCode") or "0000") in SUCCESS


def _query_error(data: Mapping[str, Any]) -> CarrierError:
    code = text_of(data, "statusCode")
    return CarrierError(PLATFORM_ERRORS.get(code, "busy"), _words(data))


def _refusal(data: Mapping[str, Any]) -> CarrierError:
    """Why an order was not taken; unknown where it may have been, this time or an earlier one."""
    code, words = text_of(data, "statusCode"), _words(data)
    if code in OUTCOME_UNKNOWN or any(word in words for word in _IS_THERE):
        return CarrierError("unknown", words)
    return CarrierError(PLATFORM_ERRORS.get(code, "refused"), words)


def _words(data: Mapping[str, Any]) -> str:
    return f"{text_of(data, 'statusCode')} {text_of(data, 'message')}".strip()
