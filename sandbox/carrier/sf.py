"""Simulates SF's gateway: orders of waybills, their look-up and cancelling, and routes of up to ten parcels.

Every call is a form whose digest is the base64 of the raw MD5 of URLEncode(msgData + timestamp + checkword), encoded as
Java does. An answer is HTTP 200 with two layers: the gateway's, and as JSON text that of the program behind it. An
orderId is permanent: ordered once more it is 8016, and the look-up gives its old waybill with the old data.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus

from sandbox.carrier import counts, orders, parcels
from sandbox.carrier.orders import WaybillOrder
from sandbox.carrier.parcels import Event, NewParcel
from sandbox.formats import beijing
from sandbox.trouble import troubled
from sandbox.web import Request, Response, json_response, read_form
from sandbox.world import World

PATH = "/sf/std/service"
CARRIER, COM = "sf", "shunfeng"
PARTNER_ID, CHECKWORD, MONTHLY_CARD = "SANDBOXSF", "SANDBOXSFCHECKWORD", "7551234567"
COURIER = "13911112222"
MOST_NUMBERS = 10
_NUMBER = re.compile(r"(?:SF)?[0-9]{12,15}", re.ASCII)
# Nobody's parcels: for trying a connection.
_NOBODYS = re.compile(r"(?:SF)?0+", re.ASCII)
_UNSERVED = ("台湾", "香港", "澳门")
_CODES = {"103": "50", "1001": "31", "5": "44", "501": "125", "304": "80", "301": "80"}
Content = Mapping[str, object]
Active = Mapping[str, float]


class GatewayRefusal(Exception):
    """A call that the gateway itself refuses."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code, self.message = code, message


class BusinessRefusal(Exception):
    """A call that the program behind the gateway refuses."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code, self.message = code, message


def handle_sf(world: World, request: Request) -> Response:
    """`POST /sf/std/service`. Raises HangUp under faults."""
    try:
        form = read_form(request.body.decode("ascii"), charset="utf-8")
    except ValueError:
        form = {}
    service = _SERVICES.get(form.get("serviceCode", ""))
    if service is None:
        return _outer("A1001" if not form.get("serviceCode") else "A1004", "无对应服务权限", None)
    target, work = service
    counts.count(world.store, target)
    return troubled(world, target=target, work=lambda active: _answer(world, form, work, active))


def _answer(
    world: World, form: Mapping[str, str], work: Callable[[World, Content, Active], object], active: Active
) -> Response:
    try:
        content = _content(form, active)
        inner = {
            "success": True,
            "errorCode": "S0000",
            "errorMsg": None,
            "msgData": work(world, content, active),
        }
    except GatewayRefusal as refusal:
        return _outer(refusal.code, refusal.message, None)
    except BusinessRefusal as refusal:
        inner = {
            "success": False, "errorCode": refusal.code, "errorMsg": refusal.message, "msgData": None,
        }  # fmt: skip
    if "bad_gateway" in active:
        return Response(502, b"<html><body>502 Bad Gateway</body></html>", "text/html")
    return _outer("A1000", "", json.dumps(inner, ensure_ascii=False, separators=(",", ":")))


def _outer(code: str, message: str, data: str | None) -> Response:
    number = secrets.token_hex(16).upper()
    return json_response(
        {"apiErrorMsg": message, "apiResponseID": number, "apiResultCode": code, "apiResultData": data}
    )


def _content(form: Mapping[str, str], active: Active) -> Content:
    """Check who calls and the digest, and return msgData. Raises GatewayRefusal."""
    needed = ("partnerID", "requestID", "timestamp", "msgDigest", "msgData")
    if not all(form.get(name) for name in needed):
        raise GatewayRefusal("A1001", "必传参数不可为空")
    if "throttled" in active:
        raise GatewayRefusal("A1005", "流量受控")
    text = form["msgData"] + form["timestamp"] + CHECKWORD
    encoded = quote_plus(text, safe="*-._").replace("~", "%7E").encode()
    right = base64.b64encode(hashlib.md5(encoded).digest())  # noqa: S324 (the carrier's rule)
    is_right = hmac.compare_digest(right, form["msgDigest"].encode()) and "bad_signature" not in active
    if form["partnerID"] != PARTNER_ID or not is_right:
        raise GatewayRefusal("A1006", "数字签名无效")
    try:
        content = json.loads(form["msgData"])
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise GatewayRefusal("A1001", "必传参数不可为空")
    return content


def _create(world: World, content: Content, active: Active) -> object:
    reference = _needed(content, "orderId", "6118", "订单号不能为空")
    if content.get("monthlyCard") != MONTHLY_CARD:
        raise BusinessRefusal("20036", "月结卡号不存在或已失效")
    receiver = _contact(content, 2)
    _contact(content, 1)
    number = f"SF{secrets.choice('123456789')}{secrets.randbelow(10**12):012d}"
    details = {**receiver, "insured": _insured(content), "filter": _filter(receiver, active)}
    place = f"{receiver['province']},{receiver['city']}"
    parcel = NewParcel(number, COM, CARRIER, receiver["phone"], place)
    order = orders.take_order(
        world.store, carrier=CARRIER, reference=reference, parcel=parcel, details=details
    )
    if order.times_ordered > 1 and "old_waybill" not in active:
        raise BusinessRefusal("8016", "重复下单")
    return _order(order, shows_number="no_number" not in active)


def _filter(receiver: Mapping[str, str], active: Active) -> str:
    """2: can be delivered; 3: not. 1, a person looks at it, ends as 2 once the order is looked up."""
    is_unserved = any(word in receiver["province"] for word in _UNSERVED) or active.get("no_number") == 3
    return "3" if is_unserved else "2"


def _find(world: World, content: Content, active: Active) -> object:
    reference = _needed(content, "orderId", "6118", "订单号不能为空")
    order = orders.find_order(world.store, carrier=CARRIER, reference=reference)
    if order is None:
        raise BusinessRefusal("8024", "未下单")
    if order.cancelled:
        raise BusinessRefusal("8037", "已消单")
    return _order(order, shows_number=True)


def _cancel(world: World, content: Content, active: Active) -> object:
    if content.get("dealType") != 2:
        raise BusinessRefusal("6136", "未传入订单确认信息")
    order = orders.find_order(
        world.store, carrier=CARRIER, reference=_needed(content, "orderId", "6118", "订单号不能为空")
    )
    if order is None:
        raise BusinessRefusal("8018", "未获取到订单信息")
    if order.cancelled:
        raise BusinessRefusal("8037", "已消单")
    if any(one.get("waybillNo") != order.number for one in _listed(content, "waybillNoInfoList")):
        raise BusinessRefusal("8017", "订单号与运单号不匹配")
    parcel = parcels.find_parcel(world.store, order.number)
    if parcel is not None and len(parcel.times) > 1:
        raise BusinessRefusal("8253", "快件已揽收, 不能消单")
    orders.cancel_order(world.store, order)
    numbers = [{"waybillType": 1, "waybillNo": order.number}]
    return {"orderId": order.reference, "waybillNoInfoList": numbers, "resStatus": 2, "extraInfoList": None}


def _routes(world: World, content: Content, active: Active) -> object:
    """The routes of each number; of one whose phone is not among those given, none."""
    listed = content.get("trackingNumber")
    numbers = [str(one) for one in listed] if isinstance(listed, list) else []
    if content.get("trackingType") != "1" or not 0 < len(numbers) <= MOST_NUMBERS:
        raise BusinessRefusal("S0002", "trackingNumber 1-10")
    phones = {one[-4:] for one in str(content.get("checkPhoneNo") or "").split(",") if one}
    return {"routeResps": [_route(world, number, phones) for number in numbers]}


def _route(world: World, number: str, phones: set[str]) -> dict[str, object]:
    counts.count(world.store, "sf.number", number)
    events = _events(world, number, phones) if _NUMBER.fullmatch(number) and phones else []
    return {"mailNo": number, "routes": [row_of(event) for event in events]}


def _events(world: World, number: str, phones: set[str]) -> list[Event]:
    order = orders.find_order(world.store, carrier=CARRIER, number=number)
    if _NOBODYS.fullmatch(number) or (order is not None and order.cancelled):
        return []
    known = parcels.take_parcel(world.store, NewParcel(number, COM, "question"))
    if known.phone and known.phone[-4:] not in phones:
        return []
    seconds = world.store.tuned("parcel_seconds", world.settings.parcel_seconds)
    return (parcels.move(world.store, number, journey_seconds=seconds) or known).events


def row_of(event: Event) -> dict[str, str]:
    """One row of a route; the texts of couriers hold their own telephone number, as SF's do."""
    step = event.step
    way = "31" if "到达" in step.text else "36"
    text = f"{step.text}(联系电话:{COURIER})" if step.sub_state == "5" else step.text
    return {
        "acceptTime": beijing(event.at),
        "acceptAddress": step.city.short,
        "remark": text,
        "opCode": _CODES.get(step.sub_state, way),
    }


_SERVICES: Mapping[str, tuple[str, Callable[[World, Content, Active], object]]] = {
    "EXP_RECE_CREATE_ORDER": ("sf.create", _create),
    "EXP_RECE_SEARCH_ORDER_RESP": ("sf.find", _find),
    "EXP_RECE_UPDATE_ORDER": ("sf.cancel", _cancel),
    "EXP_RECE_SEARCH_ROUTES": ("sf.query", _routes),
}


def _order(order: WaybillOrder, *, shows_number: bool) -> dict[str, object]:
    is_deliverable = order.details["filter"] == "2"
    has_number = shows_number and is_deliverable
    label = {
        "waybillNo": order.number,
        "destRouteLabel": "755W-TH1",
        "proCode": "标快",
        "codingMapping": "B7",
    }
    return {
        "orderId": order.reference,
        "originCode": "571",
        "destCode": "755",
        "filterResult": 2 if has_number else 1 if is_deliverable else 3,
        "remark": None if is_deliverable else "不可收派区域",
        "waybillNoInfoList": [{"waybillType": 1, "waybillNo": order.number}] if has_number else None,
        "routeLabelInfo": [{"code": "1000", "routeLabelData": label}] if has_number else None,
    }


def _contact(content: Content, kind: int) -> dict[str, str]:
    """The sender (1) or the receiver (2); SF wants all of the address and a telephone number."""
    found = next((one for one in _listed(content, "contactInfoList") if one.get("contactType") == kind), {})
    named = {name: str(found.get(name) or "") for name in ("contact", "province", "city", "address")}
    phone = str(found.get("mobile") or found.get("tel") or "")
    if not all(named.values()) or not phone:
        raise BusinessRefusal("S0002", "必填参数为空 contactInfoList")
    return {**named, "phone": phone}


def _insured(content: Content) -> str:
    service = next((one for one in _listed(content, "serviceList") if one.get("name") == "INSURE"), None)
    if service is None:
        return ""
    if not re.fullmatch(r"[0-9]{1,6}\.[0-9]{2}", str(service.get("value"))):
        raise BusinessRefusal("20016", "保价金额不正确")
    return str(service["value"])


def _listed(content: Content, name: str) -> list[dict[str, object]]:
    value = content.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _needed(content: Content, name: str, code: str, message: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not value:
        raise BusinessRefusal(code, message)
    return value
