"""Reads SF's route pushes, as JSON and as a form with XML, and answers each in its own words. Pure functions.

SF signs nothing: the secret is the address, which whoever takes the push has compared. Pushes are incremental and arrive
about four times each, in any order. Source: showdoc.com.cn/hnqiao/9157102515696868.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from logistics.carriers.exchange import text_of
from logistics.carriers.numbers import tidy_number
from logistics.carriers.sf.routes import route_of
from logistics.carriers.types import PushedRoute, PushRejected, PushReply
from ordersite.lib.strict_json import loads_object

# SF sends ten at most; the bound limits the work that a stranger can cause.
MOST_ROUTES = 100
MOST_BYTES = 256 * 1024
_NUMBER = re.compile(r"[0-9A-Z]{10,20}", re.ASCII)
Row = Mapping[str, Any]


def read_push(body: bytes) -> tuple[PushedRoute, ...]:
    """The routes of a push, by number in its order. Raises `PushRejected` malformed."""
    if len(body) > MOST_BYTES:
        raise PushRejected("malformed", "too large")
    rows = _json_rows(body) if _is_json(body) else _xml_rows(_xml_of(body))
    if not 0 < len(rows) <= MOST_ROUTES:
        raise PushRejected("malformed", "number of routes")
    by_number: dict[str, list[Row]] = {}
    for row in rows:
        by_number.setdefault(_number(row), []).append(row)
    return tuple(_pushed(number, mine) for number, mine in by_number.items())


def reply_to(body: bytes, accepted: bool) -> PushReply:
    """SF's words for a push that was stored, or that was not, in the form in which the push came."""
    status = 200 if accepted else 500
    if _is_json(body):
        words = (
            {"return_code": "0000", "return_msg": "成功"}
            if accepted
            else {"return_code": "1000", "return_msg": "失败"}
        )
        return PushReply(status, "application/json", json.dumps(words, ensure_ascii=False).encode())
    head = "<Head>OK</Head>" if accepted else '<Head>ERR</Head><ERROR code="4001">系统异常</ERROR>'
    text = f'<Response service="RoutePushService">{head}</Response>'
    return PushReply(status, "text/xml; charset=utf-8", text.encode())


def _is_json(body: bytes) -> bool:
    return body.lstrip()[:1] == b"{"


def _pushed(number: str, rows: list[Row]) -> PushedRoute:
    route = route_of(rows)
    if len(route.events) == 0:
        raise PushRejected("malformed", "acceptTime")
    return PushedRoute(carrier="sf", tracking_number=number, route=route)


def _number(row: Row) -> str:
    number = tidy_number(text_of(row, "mailno"))
    if not _NUMBER.fullmatch(number):
        raise PushRejected("malformed", "mailno")
    return number


def _json_rows(body: bytes) -> list[Row]:
    try:
        content = loads_object(body).get("Body")
    except ValueError as error:
        raise PushRejected("malformed", f"JSON {error}") from error
    rows = content.get("WaybillRoute") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PushRejected("malformed", "WaybillRoute")
    return rows


def _xml_of(body: bytes) -> str:
    """The XML in the form's only field that matters."""
    try:
        fields = parse_qs(body.decode("ascii"), encoding="utf-8", errors="strict", max_num_fields=20)
        [text] = fields["content"]
    except (ValueError, KeyError) as error:
        raise PushRejected("malformed", "content") from error
    return text


def _xml_rows(text: str) -> list[Row]:
    """The attributes of each WaybillRoute. A document that defines types or entities is refused."""
    try:
        root = fromstring(text, forbid_dtd=True)
    except (DefusedXmlException, ParseError, ValueError) as error:
        raise PushRejected("malformed", "XML") from error
    return [dict(one.attrib) for one in root.iterfind("./Body/WaybillRoute")]
