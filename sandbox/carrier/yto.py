"""Simulates YTO's open platform: orders of waybills, their cancelling, and the query of routes.

Every interface is a POST of JSON `{timestamp, param, sign, format}` to `/yto/open/<method>/v1/<user>/<customer>`; `sign` is
base64 of the raw MD5 of param + method + v1 + secret. A route is an array, and its absence an object. That a second order
of a `logisticsNo` gets the first one's waybill is the sandbox's own choice: the documents only say that it is one order.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping

from sandbox.carrier import counts, orders, parcels
from sandbox.carrier.parcels import Event, NewParcel, Parcel
from sandbox.formats import beijing
from sandbox.trouble import troubled
from sandbox.web import Request, Response, json_response, read_json
from sandbox.world import World

PREFIX = "/yto/open/"
CARRIER, COM = "yto", "yuantong"
CUSTOMER, SECRET = "SANDBOXYTO", "SANDBOXYTOSECRET"
COURIER = "13911113333"
_NUMBER = re.compile(r"YT[0-9]{13,18}", re.ASCII)
_NOBODYS = re.compile(r"YT0+", re.ASCII)
_UNSERVED = ("台湾", "香港", "澳门")
_CONTENTS = {
    "103": "GOT",
    "1001": "ARRIVAL",
    "5": "SENT_SCAN",
    "501": "INBOUND",
    "304": "SIGNED",
    "301": "SIGNED",
}
_PEOPLE = tuple(
    f"{side}{field}"
    for side in ("sender", "recipient")
    for field in ("Name", "Mobile", "ProvinceName", "CityName", "CountyName", "Address")
)
Param = Mapping[str, object]


class YtoRefusal(Exception):
    """A call that is answered with `success: false`."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code, self.reason = code, reason


def digest(text: str) -> str:
    """Base64 of the raw MD5."""
    return base64.b64encode(hashlib.md5(text.encode()).digest()).decode()  # noqa: S324 (the carrier's rule)


def handle_yto(world: World, request: Request) -> Response:
    """`POST /yto/open/<method>/v1/<user>/<customer>`. Raises HangUp under faults."""
    parts = request.path.removeprefix(PREFIX).split("/")
    operation = _OPERATIONS.get(parts[0]) if len(parts) == 4 and parts[1] == "v1" else None
    if operation is None or request.method != "POST":
        return Response(404, b"not found")
    target, work = operation
    return troubled(world, target=target, work=lambda active: _answer(world, request, work, active))


def _answer(
    world: World, request: Request, work: Callable[[World, Param], object], active: Mapping[str, float]
) -> Response:
    try:
        param = _param(request, active)
        if "throttled" in active:
            raise YtoRefusal("S05", "调用过于频繁,请稍后再试")
        if "refused_area" in active:
            raise YtoRefusal("B101", "收件地址不在派送范围")
        result = work(world, param)
    except YtoRefusal as refusal:
        return json_response({"success": "false", "code": refusal.code, "reason": refusal.reason})
    except (ValueError, KeyError, TypeError):
        return json_response({"success": "false", "code": "S01", "reason": "参数格式错误"})
    if "bad_gateway" in active:
        return Response(502, b"<html><body>502 Bad Gateway</body></html>", "text/html")
    return json_response(result)


def _param(request: Request, active: Mapping[str, float]) -> Param:
    method, _version, _user, customer = request.path.removeprefix(PREFIX).split("/")
    envelope = read_json(request.body)
    text = str(envelope["param"])
    if customer != CUSTOMER:
        raise YtoRefusal("S02", "客户编码不存在")
    right = digest(f"{text}{method}v1{SECRET}").encode()
    if not hmac.compare_digest(right, str(envelope.get("sign")).encode()) or "bad_signature" in active:
        raise YtoRefusal("S03", "签名验证失败")
    if not re.fullmatch(r"[0-9]{13}", str(envelope.get("timestamp"))):
        raise YtoRefusal("S01", "timestamp不正确")
    param = json.loads(text)
    if not isinstance(param, dict):
        raise YtoRefusal("S01", "param不正确")
    return param


def _create(world: World, param: Param) -> object:
    counts.count(world.store, "yto.create")
    reference = _needed(param, "logisticsNo")
    if len(reference) < 7:
        raise YtoRefusal("B100", "logisticsNo最低长度为7")
    people = {name: _needed(param, name) for name in _PEOPLE}
    if any(word in people["recipientProvinceName"] for word in _UNSERVED):
        raise YtoRefusal("B101", "收件地址不在派送范围")
    details = {"insured": _insured(param), "phone": people["recipientMobile"]}
    place = f"{people['recipientProvinceName']},{people['recipientCityName']}"
    number = f"YT{secrets.choice('123456789')}{secrets.randbelow(10**12):012d}"
    parcel = NewParcel(number, COM, "yto", people["recipientMobile"], place)
    order = orders.take_order(
        world.store, carrier=CARRIER, reference=reference, parcel=parcel, details=details
    )
    if order.cancelled:
        raise YtoRefusal("B102", "订单已取消")
    return {
        "logisticsNo": reference,
        "mailNo": order.number,
        "customerCode": CUSTOMER,
        "shortAddress": "300-012-09",
    }


def _cancel(world: World, param: Param) -> object:
    counts.count(world.store, "yto.cancel")
    order = orders.find_order(world.store, carrier=CARRIER, reference=_needed(param, "logisticsNo"))
    if order is None:
        raise YtoRefusal("B103", "订单不存在")
    if order.cancelled:
        raise YtoRefusal("B102", "订单已取消")
    parcel = parcels.find_parcel(world.store, order.number)
    if parcel is not None and len(parcel.times) > 1:
        raise YtoRefusal("B104", "快件已揽收,不能取消")
    orders.cancel_order(world.store, order)
    return {"logisticsNo": order.reference, "customerCode": CUSTOMER}


def _track(world: World, param: Param) -> object:
    number = _needed(param, "NUMBER")
    counts.count(world.store, "yto.query", number)
    nothing = {"map": None, "code": "1001", "success": "true", "message": "查询结果为空", "reason": None}
    order = orders.find_order(world.store, carrier=CARRIER, number=number)
    if not _NUMBER.fullmatch(number) or _NOBODYS.fullmatch(number) or (order is not None and order.cancelled):
        return nothing
    known = parcels.take_parcel(world.store, NewParcel(number, COM, "question"))
    seconds = world.store.tuned("parcel_seconds", world.settings.parcel_seconds)
    parcel = parcels.move(world.store, number, journey_seconds=seconds) or known
    return [_row(parcel, event) for event in parcel.events]


_OPERATIONS: Mapping[str, tuple[str, Callable[[World, Param], object]]] = {
    "privacy_create_adapter": ("yto.create", _create),
    "korder_cancel_adapter": ("yto.cancel", _cancel),
    "track_query_adapter": ("yto.query", _track),
}


def content_of(event: Event) -> str:
    """YTO's code of an event."""
    way = "ARRIVAL" if "到达" in event.step.text else "DEPARTURE"
    return _CONTENTS.get(event.step.sub_state, way)


def text_of(event: Event) -> str:
    """The text of an event; those of couriers hold their own telephone number, as YTO's do."""
    return f"{event.step.text} ({COURIER})" if event.step.sub_state in ("103", "5") else event.step.text


def _row(parcel: Parcel, event: Event) -> dict[str, object]:
    return {
        "waybill_No": parcel.number,
        "upload_Time": beijing(event.at),
        "infoContent": content_of(event),
        "processInfo": text_of(event),
        "city": event.step.city.short,
        "district": "",
        "weight": 0.68,
    }


def _insured(param: Param) -> str:
    """The insured yuan: 100 to 30000."""
    listed = param.get("increments")
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and one.get("type") == 4:
            amount = one.get("amount")
            if isinstance(amount, bool) or not isinstance(amount, int | float) or not 100 <= amount <= 30000:
                raise YtoRefusal("B105", "保价金额应为100至30000元")
            return str(amount)
    return ""


def _needed(param: Param, name: str) -> str:
    value = param.get(name)
    if not isinstance(value, str) or not value:
        raise YtoRefusal("S01", f"{name}不能为空")
    return value
