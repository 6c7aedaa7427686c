"""What YTO answers, read into our dataclasses. Pure functions. Telephone numbers in texts are masked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from logistics.carriers.exchange import read_json, text_of
from logistics.carriers.numbers import tidy_number
from logistics.carriers.refusal_words import code_of_words, says_cancelled
from logistics.carriers.route_parts import CityEvent, route_from
from logistics.carriers.types import (
    MAX_EVIDENCE,
    CarrierError,
    NewWaybill,
    Route,
    RouteEvent,
    TrackingStatus,
)
from logistics.carriers.yto.codes import NOTHING_FOUND, STATUS_BY_CONTENT
from ordersite.lib.china_time import read_beijing
from ordersite.lib.http import Reply
from ordersite.lib.masking import mask_phones

_OF_THE_ORDER = ("customerCode", "logisticsNo", "mailNo", "shortAddress")
_WORDS = ("message", "reason", "apiErrorMsg")


def read_route(reply: Reply, number: str) -> Route:
    """The route of a parcel, the oldest event first: YTO answers an array, or an object that says why not.

    Raises `CarrierError`.
    """
    data = read_json(reply, otherwise="busy")
    if isinstance(data, dict):
        raise _query_error(data)
    rows = [row for row in data if isinstance(row, dict)] if isinstance(data, list) else None
    if rows is None:
        raise CarrierError("busy", "the answer is no array and no object")
    if not rows:
        raise CarrierError("nothing_found")
    if any(tidy_number(text_of(row, "waybill_No") or number) != number for row in rows):
        raise CarrierError("busy", "the answer is about another number")
    events = [row for row in map(_event, rows) if row is not None]
    return route_from(events, raw=_evidence(rows))


def _query_error(data: Mapping[str, Any]) -> CarrierError:
    if text_of(data, "code") == NOTHING_FOUND and is_true(data.get("success")):
        return CarrierError("nothing_found", _words(data))
    words = _words(data)
    code = code_of_words(words, otherwise="busy")
    return CarrierError("busy" if code == "unknown" else code, words)


def _event(row: Mapping[str, Any]) -> CityEvent | None:
    """The event of a row; None for a row without a time, which could not be ordered."""
    at = read_beijing(text_of(row, "upload_Time"))
    if at is None:
        return None
    city, district = text_of(row, "city"), text_of(row, "district")
    code = text_of(row, "infoContent")
    event = RouteEvent(
        at=at,
        status=STATUS_BY_CONTENT.get(code, TrackingStatus.UNKNOWN),
        text=mask_phones(text_of(row, "processInfo"))[:500],
        location=" ".join(dict.fromkeys(filter(None, (city, district))))[:100],
        provider_code=code[:20],
    )
    return CityEvent(event, city[:40])


def read_created(reply: Reply) -> NewWaybill:
    """The waybill that was ordered. Raises `CarrierError`."""
    data = _object(reply)
    result = data.get("data") if isinstance(data.get("data"), dict) else data
    if isinstance(result, dict) and text_of(result, "mailNo") and not is_false(data.get("success")):
        mark = text_of(result, "shortAddress")
        kept = {name: result[name] for name in _OF_THE_ORDER if name in result}
        return NewWaybill(
            tracking_number=tidy_number(text_of(result, "mailNo")),
            marks={"mark": mark} if mark else {},
            raw=_evidence(kept),
        )
    raise _refusal(data)


def read_cancelled(reply: Reply, reference: str) -> None:
    """Return once the order is cancelled: YTO then echoes its number. Raises `CarrierError`."""
    data = _object(reply)
    result = data.get("data") if isinstance(data.get("data"), dict) else data
    is_done = isinstance(result, dict) and text_of(result, "logisticsNo") == reference
    if is_done and not is_false(data.get("success")):
        return
    if says_cancelled(_words(data)):
        return
    raise _refusal(data)


def _object(reply: Reply) -> dict[str, Any]:
    data = read_json(reply, otherwise="unknown")
    if not isinstance(data, dict):
        raise CarrierError("unknown", "the answer is no object")
    return data


def _refusal(data: Mapping[str, Any]) -> CarrierError:
    """Why an order was not taken; unknown where it may have been, and where nothing says that it was refused."""
    words = _words(data)
    is_refusal = is_false(data.get("success")) or (words and not is_true(data.get("success")))
    return CarrierError(code_of_words(words, otherwise="refused") if is_refusal else "unknown", words)


def is_true(value: Any) -> bool:
    """Whether it is YTO's yes, which is a text in some answers."""
    return value is True or value == "true"


def is_false(value: Any) -> bool:
    """Whether it is YTO's no."""
    return value is False or value == "false"


def _words(data: Mapping[str, Any]) -> str:
    words = next(filter(None, (text_of(data, name) for name in _WORDS)), "")
    return f"{text_of(data, 'code')} {words}".strip()


def _evidence(kept: object) -> str:
    return mask_phones(json.dumps(kept, ensure_ascii=False, default=str))[:MAX_EVIDENCE]
