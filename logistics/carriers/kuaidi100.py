"""Kuaidi100 (快递100): one query interface for nearly all Chinese carriers.

Facts: api.kuaidi100.com/document/5f0ffb5ebc8da837cbd8aefc (query), /document/cha-xun-bao-cuo1 (error codes),
kuaidi100-api/java-demo (signature, shapes of the answers).
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
    ParcelQuestion,
    RouteAnswer,
    RouteEvent,
    TrackingStatus,
    tidy_events,
)
from ordersite.lib.china_time import read_beijing
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, Reply, is_loopback, is_private_enough
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
# 400 also stands for an empty account; only the words tell.
_FUNDS = re.compile("余额|充值|欠费|单量|次数")
_NUMBER = re.compile(r"[0-9A-Z-]{6,32}", re.ASCII)
_PHONE_WANTED = ("shunfeng", "zhongtong")


def sign_query(param: str, *, key: str, customer: str) -> str:
    """Upper-case hex MD5 of param + key + customer, over the exact text that is sent."""
    text = f"{param}{key}{customer}".encode()
    return hashlib.md5(text, usedforsecurity=False).hexdigest().upper()


class Kuaidi100(Carrier):
    name = "kuaidi100"
    label = gettext_lazy("Kuaidi100")
    config_keys = ("customer", "query_url")
    secret_keys = ("key",)
    # The second row is the label account with the carrier itself, under the names of the label interface.
    optional_config_keys = (
        "subscribe_url", "label_url", "min_interval_seconds",
        "partnerId", "partnerName", "net", "code", "checkMan",
    )  # fmt: skip
    optional_secret_keys = ("secret", "salt", "partnerKey", "partnerSecret")

    def check(self, keys: CarrierKeys) -> list[str]:
        """What is wrong with the account, as far as can be seen without asking."""
        problems = missing_keys(self, keys)
        problems += [
            _("%(key)s must be an https address.") % {"key": name}
            for name in ("query_url", "subscribe_url", "label_url")
            if keys.config.get(name) and not is_private_enough(keys.config[name])
        ]
        if _wished_interval(keys) is None:
            problems.append(_("min_interval_seconds must be a whole number of seconds."))
        return problems

    def min_interval_seconds(self, keys: CarrierKeys) -> int:
        """Half an hour at least, as the vendor demands; less only where the address is on this machine."""
        wished = _wished_interval(keys)
        if wished is None:
            return DEFAULT_INTERVAL_SECONDS
        return (
            wished if is_loopback(keys.config.get("query_url", "")) else max(wished, DEFAULT_INTERVAL_SECONDS)
        )

    def query(self, question: ParcelQuestion, keys: CarrierKeys, gateway: Gateway) -> RouteAnswer:
        """Raises `CarrierError`."""
        number = tidy_number(question.tracking_number)
        param = _param(question, number)
        customer = keys.config.get("customer", "")
        sign = sign_query(param, key=keys.secrets.get("key", ""), customer=customer)
        form = urlencode({"customer": customer, "sign": sign, "param": param})
        return _read_route(_post(form, keys, gateway), number)


def _wished_interval(keys: CarrierKeys) -> int | None:
    text = str(keys.config.get("min_interval_seconds") or DEFAULT_INTERVAL_SECONDS)
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) else None


def _param(question: ParcelQuestion, number: str) -> str:
    """The question as the JSON text that is signed and sent."""
    company = COMPANIES.get(question.carrier) or COMPANIES.get(recognise(number) or "")
    if company is None or not _NUMBER.fullmatch(number):
        raise CarrierError("not_accepted", f"{question.carrier} {number}")
    if company in _PHONE_WANTED and not question.phone_last4:
        raise CarrierError("phone_needed")
    content = {
        "com": company,
        "num": number,
        "phone": question.phone_last4,
        "from": question.origin,
        "to": question.destination,
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
        # A question changes nothing over there: whatever happened, ask again later.
        raise CarrierError("busy" if error.retryable else "misconfigured", error.code) from error
    if reply.status == 429:
        raise CarrierError("throttled", "HTTP 429")
    if reply.status != 200:
        raise CarrierError("busy", f"HTTP {reply.status}")
    return reply


def _read_route(reply: Reply, number: str) -> RouteAnswer:
    try:
        answer = loads_object(reply.body)
    except ValueError as error:
        raise CarrierError("busy", f"the answer {error}") from error
    # Success and failure have different shapes; only the first has a status of 200.
    if _text(answer, "status") != "200":
        raise _error(answer)
    if tidy_number(_text(answer, "nu") or number) != number:
        raise CarrierError("busy", "the answer is about another number")
    return _route(answer, reply.body.decode()[:MAX_EVIDENCE])


def _error(answer: Mapping[str, Any]) -> CarrierError:
    code, message = _text(answer, "returnCode"), _text(answer, "message")
    if code == "400" and _FUNDS.search(message):
        return CarrierError("out_of_funds", message)
    return CarrierError(_ERRORS.get(code, "busy"), f"{code} {message}".strip())


def _text(data: Mapping[str, Any], name: str) -> str:
    """A member as trimmed text; numbers too, since the vendor's own examples give codes both ways."""
    value = data.get(name)
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _route(answer: Mapping[str, Any], raw: str) -> RouteAnswer:
    rows = answer.get("data")
    events = tidy_events(filter(None, map(_event, rows if isinstance(rows, list) else [])))
    overall = STATUS_BY_CODE.get(_text(answer, "state"), TrackingStatus.UNKNOWN)
    newest = events[-1].status if events else TrackingStatus.UNKNOWN
    return RouteAnswer(
        events=events,
        status=overall if newest is TrackingStatus.UNKNOWN else newest,
        cities=_cities(answer.get("routeInfo")),
        raw=raw,
    )


def _event(row: Any) -> RouteEvent | None:
    """None for a row without a time: it can be neither ordered nor told from others."""
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
    """The last part of `广东,深圳市,龙岗区`-like names is too small for a strip: the city is the second."""
    place = info.get(name) if isinstance(info, dict) else None
    parts = _text(place, "name").split(",") if isinstance(place, dict) else [""]
    return (parts[1] if len(parts) > 1 else parts[0]).strip()[:40]
