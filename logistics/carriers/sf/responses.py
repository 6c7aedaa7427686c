"""What SF answers, read into our dataclasses. Pure functions.

An answer has two layers: the gateway's, and in it, as JSON text, that of the program behind it. Both are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from logistics.carriers.exchange import read_json, text_of
from logistics.carriers.numbers import tidy_number
from logistics.carriers.sf import codes
from logistics.carriers.sf.routes import route_of
from logistics.carriers.types import MAX_EVIDENCE, CarrierError, NewWaybill, Route, WaybillRequest
from ordersite.lib.http import Reply
from ordersite.lib.masking import mask_phones
from ordersite.lib.strict_json import loads_object

_MOTHER = "1"
# Of an order; the rest of it is who sends and who receives.
_OF_THE_ORDER = ("orderId", "originCode", "destCode", "filterResult", "remark", "waybillNoInfoList")
# Our names of what a label prints, and the fields of routeLabelData that hold it.
_MARKS = {
    "route": "destRouteLabel",
    "product": "proCode",
    "mapping": "codingMapping",
    "mapping_out": "codingMappingOut",
    "transfer": "sourceTransferCode",
    "destination_team": "destTeamCode",
}


class DuplicateOrder(Exception):
    """SF has an order of this reference already, and keeps it for ever."""


@dataclass(frozen=True, slots=True)
class Business:
    """The inner layer. `words` is the code with SF's message, `data` its msgData."""

    code: str
    words: str
    data: Mapping[str, Any]

    @property
    def is_success(self) -> bool:
        return self.code == codes.SUCCESS


def read_business(reply: Reply, *, otherwise: str) -> Business:
    """The inner layer of an answer. Raises `CarrierError`: the gateway's refusal, `otherwise` where neither is clear."""
    outer = read_json(reply, otherwise=otherwise)
    if not isinstance(outer, dict):
        raise CarrierError(otherwise, "the answer is not an object")
    code = text_of(outer, "apiResultCode")
    if code != codes.GATEWAY_TOOK_IT:
        words = f"{code} {text_of(outer, 'apiErrorMsg')}".strip()
        raise CarrierError(codes.GATEWAY_ERRORS.get(code, otherwise), words)
    inner = _object(outer.get("apiResultData"), otherwise)
    return _business(inner, otherwise)


def _business(inner: Mapping[str, Any], otherwise: str) -> Business:
    code, data = text_of(inner, "errorCode"), inner.get("msgData")
    is_success = inner.get("success") in (True, "true")
    if not code or is_success != (code == codes.SUCCESS):
        raise CarrierError(otherwise, f"success and errorCode do not agree: {code}")
    words = f"{code} {text_of(inner, 'errorMsg')}".strip()
    return Business(code, words, _object(data, otherwise) if data else {})


def _object(value: Any, otherwise: str) -> Mapping[str, Any]:
    """An object, also one that is given as JSON text."""
    try:
        found = loads_object(value) if isinstance(value, str) else value
    except ValueError as error:
        raise CarrierError(otherwise, f"the answer {error}") from error
    if not isinstance(found, dict):
        raise CarrierError(otherwise, "the answer has no result")
    return found


def read_routes(reply: Reply, numbers: list[str]) -> dict[str, Route | CarrierError]:
    """A route or an error for each of these tidy numbers. Raises `CarrierError` where nothing was answered."""
    business = read_business(reply, otherwise="busy")
    if not business.is_success:
        raise CarrierError("busy", business.words)
    listed = business.data.get("routeResps")
    if not isinstance(listed, list):
        raise CarrierError("busy", "the answer has no routes")
    rows = {tidy_number(text_of(one, "mailNo")): _rows(one) for one in listed if isinstance(one, dict)}
    return {number: _route(rows.get(number, [])) for number in numbers}


def _rows(response: Mapping[str, Any]) -> list[dict[str, Any]]:
    routes = response.get("routes")
    number = text_of(response, "mailNo")
    return (
        [{"mailNo": number, **row} for row in routes if isinstance(row, dict)]
        if isinstance(routes, list)
        else []
    )


def _route(rows: list[dict[str, Any]]) -> Route | CarrierError:
    # A wrong phone brings an empty list, as far as anybody has written.
    route = route_of(rows)
    return route if route.events else CarrierError("nothing_found", "no route; the phone may be another one")


def read_created(reply: Reply, request: WaybillRequest) -> NewWaybill:
    """The waybill that was ordered. Raises `CarrierError` and `DuplicateOrder`."""
    business = read_business(reply, otherwise="unknown")
    if business.code == codes.DUPLICATE_ORDER:
        raise DuplicateOrder(business.words)
    if not business.is_success:
        raise _refusal(business)
    return _waybill(business.data, request, otherwise="unknown")


def read_found(reply: Reply, request: WaybillRequest) -> NewWaybill | None:
    """What was ordered under our reference; None where SF says that there is no such order, or that it cancelled it.

    Raises `CarrierError`: refused where SF took the order and will not carry the parcel.
    """
    business = read_business(reply, otherwise="busy")
    if business.code in codes.NO_SUCH_ORDER or business.code == codes.CANCELLED:
        return None
    if not business.is_success:
        raise CarrierError("busy", business.words)
    return _waybill(business.data, request, otherwise="busy")


def read_cancelled(reply: Reply) -> None:
    """Return once the order is cancelled. Raises `CarrierError`."""
    business = read_business(reply, otherwise="unknown")
    if not business.is_success and business.code != codes.CANCELLED:
        raise _refusal(business)


def _refusal(business: Business) -> CarrierError:
    return CarrierError("unknown" if business.code in codes.OUTCOME_UNKNOWN else "refused", business.words)


def _waybill(data: Mapping[str, Any], request: WaybillRequest, *, otherwise: str) -> NewWaybill:
    """The waybill of an order. Raises `CarrierError` where it has no number (yet).

    SF took the order with all that it names, so that what was to be insured is.
    """
    if text_of(data, "orderId") != request.reference:
        raise CarrierError(otherwise, "the answer is about another order")
    number = _mother_number(data)
    if not number:
        raise _no_number(data, otherwise)
    marks = _marks(data)
    kept = {name: data[name] for name in _OF_THE_ORDER if name in data}
    raw = mask_phones(json.dumps(kept, ensure_ascii=False, default=str))[:MAX_EVIDENCE]
    return NewWaybill(tracking_number=number, marks=marks, insured_value=request.insured_value, raw=raw)


def _no_number(data: Mapping[str, Any], otherwise: str) -> CarrierError:
    result, remark = text_of(data, "filterResult"), text_of(data, "remark")
    if result == codes.CANNOT_DELIVER:
        return CarrierError("refused", f"filterResult 3 {remark}".strip())
    # In review by a person of SF's (1): the number may still come.
    return CarrierError(otherwise, f"no number yet, filterResult {result} {remark}".strip())


def _mother_number(data: Mapping[str, Any]) -> str:
    listed = data.get("waybillNoInfoList")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    mothers = (row for row in rows if text_of(row, "waybillType") == _MOTHER)
    return next((tidy_number(text_of(row, "waybillNo")) for row in mothers), "")


def _marks(data: Mapping[str, Any]) -> dict[str, str]:
    listed = data.get("routeLabelInfo")
    first = listed[0] if isinstance(listed, list) and listed else {}
    label = first.get("routeLabelData") if isinstance(first, dict) else {}
    found = {name: text_of(label, field) for name, field in _MARKS.items()} if isinstance(label, dict) else {}
    codes_of_places = {"origin": text_of(data, "originCode"), "destination": text_of(data, "destCode")}
    return {name: value for name, value in {**codes_of_places, **found}.items() if value}
