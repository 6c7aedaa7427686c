"""Kuaidi100 (快递100): an aggregator that answers tracking queries for nearly all Chinese carriers.

Sources: api.kuaidi100.com/document/5f0ffb5ebc8da837cbd8aefc (query), /document/cha-xun-bao-cuo1 (error codes),
kuaidi100-api/java-demo (signature, shapes of the responses).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.carriers.numbers import recognise, tidy_number
from logistics.carriers.types import (
    DEFAULT_INTERVAL_SECONDS,
    MAX_EVIDENCE,
    Carrier,
    CarrierError,
    CarrierKeys,
    CityStrip,
    Route,
    RouteEvent,
    TrackingQuery,
    TrackingStatus,
    tidy_events,
)
from ordersite.lib.china_time import read_beijing
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, Reply, is_loopback
from ordersite.lib.outgoing.addresses import address_problems
from ordersite.lib.strict_json import loads_object
from ordersite.outside_accounts.files import missing_keys

COMPANIES: Mapping[str, str] = {
    "sf": "shunfeng",
    "zto": "zhongtong",
    "yto": "yuantong",
    "sto": "shentong",
    "yunda": "yunda",
    "jtexpress": "jtexpress",
    "jd": "jd",
    "ems": "ems",
    "deppon": "debangkuaidi",
}
_BY_STATUS: Mapping[TrackingStatus, str] = {
    TrackingStatus.PENDING: "101 102",
    TrackingStatus.PICKED_UP: "1 103",
    TrackingStatus.IN_TRANSIT: "0 7 8 10 11 12 1001 1002 1003",
    TrackingStatus.OUT_FOR_DELIVERY: "5",
    TrackingStatus.READY_FOR_PICKUP: "501",
    TrackingStatus.DELIVERED: "3 301 302 303 304",
    TrackingStatus.EXCEPTION: "2 13 14 201 202 203 204 205 206 207 208 209 210 401",
    TrackingStatus.RETURNING: "6",
    TrackingStatus.RETURNED: "4",
}
STATUS_BY_CODE: Mapping[str, TrackingStatus] = {
    code: status for status, codes in _BY_STATUS.items() for code in codes.split()
}
_ERRORS = {
    "400": "not_accepted",
    "408": "phone_needed",
    "500": "nothing_found",
    "501": "busy",
    "502": "busy",
    "503": "misconfigured",
    "504": "throttled",
    "601": "out_of_funds",
}
# Code 400 also means that the account is used up; only the message tells which.
_FUNDS = re.compile("余额|充值|欠费|单量|次数")
_NUMBER = re.compile(r"[0-9A-Z-]{6,32}", re.ASCII)
MOST_QUERIES_A_DAY = 48
_PHONE_REQUIRED = ("shunfeng", "zhongtong")


def sign_query(param: str, *, key: str, customer: str) -> str:
    """The upper-case hex MD5 of param + key + customer; `param` is the exact text that is sent."""
    text = f"{param}{key}{customer}".encode()
    return hashlib.md5(text, usedforsecurity=False).hexdigest().upper()


class Kuaidi100(Carrier):
    """The connector of Kuaidi100."""

    name = "kuaidi100"
    label = gettext_lazy("Kuaidi100")
    config_keys = ("customer", "query_url")
    secret_keys = ("key",)
    # The second row belongs to the label account with the carrier, under the names of the label API.
    optional_config_keys = (
        "subscribe_url", "label_url", "min_interval_seconds", "queries_per_second",
        "partnerId", "partnerName", "net", "code", "checkMan",
    )  # fmt: skip
    optional_secret_keys = ("secret", "salt", "partnerKey", "partnerSecret")

    def check(self, keys: CarrierKeys) -> list[str]:
        """The problems of the account's keys that can be found without a call."""
        problems = missing_keys(self, keys)
        for name in ("query_url", "subscribe_url", "label_url"):
            problems += address_problems(name, keys.config[name]) if keys.config.get(name) else []
        if _configured_interval(keys) is None:
            problems.append(_("min_interval_seconds must be a whole number of seconds."))
        if keys.config.get("queries_per_second") and _agreed_rate(keys) is None:
            problems.append(_("queries_per_second must be a whole number from 1 to 200."))
        return problems

    def min_interval_seconds(self, keys: CarrierKeys) -> int:
        """At least half an hour, as the vendor demands; less only for an address on this machine."""
        seconds = _configured_interval(keys)
        if seconds is None:
            return DEFAULT_INTERVAL_SECONDS
        is_local = is_loopback(keys.config.get("query_url", ""))
        return seconds if is_local else max(seconds, DEFAULT_INTERVAL_SECONDS)

    def most_queries_a_day(self, keys: CarrierKeys) -> int | None:
        """The vendor answers nothing new about a number for a day after so many queries within 24 hours."""
        return MOST_QUERIES_A_DAY

    def most_queries_a_second(self, keys: CarrierKeys) -> int | None:
        """What the contract allows, as the account says; without one the vendor promises one query at a time."""
        return _agreed_rate(keys)

    def query(self, query: TrackingQuery, keys: CarrierKeys, gateway: Gateway) -> Route:
        """Query the route of a parcel. Raises `CarrierError`."""
        number = tidy_number(query.tracking_number)
        param = _param(query, number)
        customer = keys.config.get("customer", "")
        sign = sign_query(param, key=keys.secrets.get("key", ""), customer=customer)
        form = urlencode({"customer": customer, "sign": sign, "param": param})
        return _read_route(_post(form, keys, gateway), number)


def _configured_interval(keys: CarrierKeys) -> int | None:
    """The account's own interval in seconds, None if it is not a whole number."""
    text = str(keys.config.get("min_interval_seconds") or DEFAULT_INTERVAL_SECONDS)
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) else None


def _agreed_rate(keys: CarrierKeys) -> int | None:
    """The account's queries a second, None if there is none or it is not a number from 1 to 200."""
    text = str(keys.config.get("queries_per_second") or "")
    return int(text) if re.fullmatch(r"[1-9][0-9]?|1[0-9][0-9]|200", text, re.ASCII) else None


def _param(query: TrackingQuery, number: str) -> str:
    """The query as the JSON text that is signed and sent. Raises `CarrierError` if it cannot succeed."""
    company = COMPANIES.get(query.carrier) or COMPANIES.get(recognise(number) or "")
    if company is None or not _NUMBER.fullmatch(number):
        raise CarrierError("not_accepted", f"{query.carrier} {number}")
    if company in _PHONE_REQUIRED and not query.phone_last4:
        raise CarrierError("phone_needed")
    content = {
        "com": company,
        "num": number,
        "phone": query.phone_last4,
        "from": query.origin,
        "to": query.destination,
        "resultv2": "4",
        "show": "0",
        "order": "desc",
    }
    filled = {name: value for name, value in content.items() if value}
    return json.dumps(filled, ensure_ascii=False, separators=(",", ":"))


def _post(form: str, keys: CarrierKeys, gateway: Gateway) -> Reply:
    headers = {"content-type": "application/x-www-form-urlencoded;charset=utf-8"}
    try:
        reply = gateway.post(keys.config.get("query_url", ""), content=form.encode(), headers=headers)
    except OutsideError as error:
        # A query changes nothing at the vendor, so it may be repeated after any failure.
        raise CarrierError("busy" if error.retryable else "misconfigured", error.code) from error
    if reply.status == 429:
        raise CarrierError("throttled", "HTTP 429")
    if reply.status != 200:
        raise CarrierError("busy", f"HTTP {reply.status}")
    return reply


def _read_route(reply: Reply, number: str) -> Route:
    try:
        data = loads_object(reply.body)
    except ValueError as error:
        raise CarrierError("busy", f"the answer {error}") from error
    # A success and a failure have different fields; only a success has the status 200.
    if _text(data, "status") != "200":
        raise _error(data)
    if tidy_number(_text(data, "nu") or number) != number:
        raise CarrierError("busy", "the answer is about another number")
    return _route(data, reply.body.decode()[:MAX_EVIDENCE])


def _error(data: Mapping[str, Any]) -> CarrierError:
    code, message = _text(data, "returnCode"), _text(data, "message")
    if code == "400" and _FUNDS.search(message):
        return CarrierError("out_of_funds", message)
    return CarrierError(_ERRORS.get(code, "busy"), f"{code} {message}".strip())


def _text(data: Mapping[str, Any], name: str) -> str:
    """A field as trimmed text; also of a number, since the vendor's examples show codes both ways."""
    value = data.get(name)
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _route(data: Mapping[str, Any], raw: str) -> Route:
    rows = data.get("data")
    events = tidy_events(filter(None, map(_event, rows if isinstance(rows, list) else [])))
    overall = STATUS_BY_CODE.get(_text(data, "state"), TrackingStatus.UNKNOWN)
    newest = events[-1].status if events else TrackingStatus.UNKNOWN
    return Route(
        events=events,
        status=overall if newest is TrackingStatus.UNKNOWN else newest,
        cities=_cities(data.get("routeInfo")),
        raw=raw,
    )


def _event(row: Any) -> RouteEvent | None:
    """The event of a row; None for a row without a time, which could not be ordered or de-duplicated."""
    if not isinstance(row, dict):
        return None
    at = read_beijing(_text(row, "ftime") or _text(row, "time"))
    if at is None:
        return None
    code = _text(row, "statusCode")
    return RouteEvent(
        at=at,
        status=STATUS_BY_CODE.get(code, TrackingStatus.UNKNOWN),
        text=_text(row, "context")[:500],
        location=(_text(row, "location") or _text(row, "areaName").replace(",", " "))[:100],
        provider_code=code[:20],
    )


def _cities(info: Any) -> CityStrip:
    return CityStrip(origin=_city(info, "from"), current=_city(info, "cur"), destination=_city(info, "to"))


def _city(info: Any, name: str) -> str:
    """The city of a place like `广东,深圳市,龙岗区`: the second part."""
    place = info.get(name) if isinstance(info, dict) else None
    parts = _text(place, "name").split(",") if isinstance(place, dict) else [""]
    return (parts[1] if len(parts) > 1 else parts[0]).strip()[:40]
