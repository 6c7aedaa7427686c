"""What STO answers, read into our dataclasses. Pure functions.

An answer is JSON; the gateway's own refusals may be XML with the same names (fuzui/aggregatelogistics reads both). Fields:
Kooboo and zhengjy/cmhq (a waybill), fuzui/aggregatelogistics (a route is a list under its number; none: nothing is known).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from logistics.carriers.exchange import read_json, text_of
from logistics.carriers.numbers import tidy_number
from logistics.carriers.refusal_words import code_of_words, says_cancelled
from logistics.carriers.sto.codes import ABOUT_OUR_NUMBER, ABOUT_THE_ACCOUNT, CANCELLED
from logistics.carriers.sto.routes import route_of
from logistics.carriers.types import MAX_EVIDENCE, CarrierError, NewWaybill, Route, WaybillRequest
from ordersite.lib.http import Reply
from ordersite.lib.masking import mask_phones

_OF_THE_ORDER = ("orderNo", "waybillNo", "bigWord", "packagePlace")
# Our names of what a label prints, and the fields that hold it.
_MARKS = {"mark": "bigWord", "package_place": "packagePlace"}


def read_route(reply: Reply, number: str) -> Route:
    """The route of a parcel with this tidy number. Raises `CarrierError`."""
    answer = _answer(reply, otherwise="busy")
    if not _is_yes(answer.get("success")):
        raise _query_error(answer)
    data = answer.get("data")
    if data is not None and not isinstance(data, dict):
        raise CarrierError("busy", "the answer has no routes")
    listed = (data or {}).get(number)
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    if any(tidy_number(text_of(row, "waybillNo") or number) != number for row in rows):
        raise CarrierError("busy", "the answer is about another number")
    route = route_of(rows)
    if not route.events:
        raise CarrierError("nothing_found")
    return route


def read_created(reply: Reply, request: WaybillRequest) -> NewWaybill:
    """The waybill that was ordered. STO does not say for what it is insured. Raises `CarrierError`."""
    answer = _answer(reply, otherwise="unknown")
    if not _is_yes(answer.get("success")):
        raise _refusal(answer)
    data = answer.get("data")
    if not isinstance(data, dict) or text_of(data, "orderNo") != request.reference:
        raise CarrierError("unknown", "the answer is about another order")
    number = tidy_number(text_of(data, "waybillNo"))
    if not number:
        raise CarrierError("unknown", "no number yet")
    marks = {name: text_of(data, field) for name, field in _MARKS.items() if text_of(data, field)}
    kept = {name: data[name] for name in _OF_THE_ORDER if name in data}
    raw = mask_phones(json.dumps(kept, ensure_ascii=False, default=str))[:MAX_EVIDENCE]
    return NewWaybill(tracking_number=number, marks=marks, raw=raw)


def read_cancelled(reply: Reply) -> None:
    """Return once the order is cancelled. Raises `CarrierError`."""
    answer = _answer(reply, otherwise="unknown")
    if says_cancelled(_words(answer)):
        return
    if not _is_yes(answer.get("success")):
        raise _refusal(answer)
    said = text_of(answer, "data")
    if said not in ("", CANCELLED):
        raise CarrierError("unknown", said)


def _answer(reply: Reply, *, otherwise: str) -> Mapping[str, Any]:
    """The fields of an answer. Raises `CarrierError` with the code `otherwise` where it cannot be read."""
    if reply.body.lstrip()[:1] == b"<":
        return _xml_fields(reply.body, otherwise)
    answer = read_json(reply, otherwise=otherwise)
    if not isinstance(answer, dict):
        raise CarrierError(otherwise, "the answer is no object")
    return answer


def _xml_fields(body: bytes, otherwise: str) -> Mapping[str, Any]:
    """The fields of a `<response>`; any other page, and one that defines types or entities, cannot be read."""
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise CarrierError(otherwise, "the answer is no plain XML") from error
    if root.tag != "response":
        raise CarrierError(otherwise, "the answer is no response")
    return {child.tag: (child.text or "").strip() for child in root if len(child) == 0}


def _query_error(answer: Mapping[str, Any]) -> CarrierError:
    words = _words(answer)
    code = _code_of(words, otherwise="busy")
    return CarrierError("busy" if code == "unknown" else code, words)


def _refusal(answer: Mapping[str, Any]) -> CarrierError:
    """Why an order was not taken; unknown where it may have been, and where nothing says that it was refused."""
    words = _words(answer)
    if not _is_no(answer.get("success")) or _is_yes(answer.get("needRetry")) or not words:
        return CarrierError("unknown", words)
    if any(mark in words for mark in ABOUT_OUR_NUMBER):
        return CarrierError("unknown", words)
    return CarrierError(_code_of(words, otherwise="refused"), words)


def _code_of(words: str, *, otherwise: str) -> str:
    code = code_of_words(words, otherwise="")
    is_account = any(mark in words.lower() for mark in ABOUT_THE_ACCOUNT)
    return code or ("misconfigured" if is_account else otherwise)


def _is_yes(value: Any) -> bool:
    return value is True or value == "true"


def _is_no(value: Any) -> bool:
    return value is False or value == "false"


def _words(answer: Mapping[str, Any]) -> str:
    return f"{text_of(answer, 'errorCode')} {text_of(answer, 'errorMsg')}".strip()
