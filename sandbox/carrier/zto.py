"""Simulates ZTO's open platform: orders of waybills, their look-up and cancelling, and the query of routes.

Every call is a POST of JSON whose headers name the account and sign the body: base64 of the raw MD5 of body + secret.
All answers are HTTP 200 with `status`, `statusCode` and `message`. That a second order of a reference gets the first
one's waybill, and that `getOrderInfo` finds by `partnerOrderCode`, is the sandbox's own choice: no public source says it.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping

from sandbox.carrier import counts, orders, parcels
from sandbox.carrier.orders import WaybillOrder
from sandbox.carrier.parcels import Event, NewParcel, Parcel
from sandbox.trouble import troubled
from sandbox.web import Request, Response, json_response, read_json
from sandbox.world import World

PREFIX = "/zto/"
CARRIER, COM = "zto", "zhongtong"
APP_KEY, APP_SECRET = "SANDBOXZTO", "SANDBOXZTOSECRET"
ACCOUNT_ID, ACCOUNT_PASSWORD = "sandbox", "ZTO123"
COURIER = "13911112222"
_NUMBER = re.compile(r"(?:68|7[3568])[0-9]{10,12}", re.ASCII)
# Nobody's parcels: for trying a connection.
_NOBODYS = re.compile(r"[0-9]{2}0+", re.ASCII)
_UNSERVED = ("台湾", "香港", "澳门")
_SCANS = {"103": "收件", "1001": "到件", "5": "派件", "501": "ARRIVAL", "304": "SIGNED", "301": "签收"}
Body = Mapping[str, object]


class ZtoRefusal(Exception):
    """A call that is answered with `status: false`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code, self.message = code, message


def handle_zto(world: World, request: Request) -> Response:
    """`POST /zto/<operation>`. Raises HangUp under faults."""
    operation = _OPERATIONS.get(request.path.removeprefix(PREFIX))
    if operation is None or request.method != "POST":
        return json_response({"status": False, "statusCode": "S207", "message": "API不存在", "result": None})
    target, work = operation
    return troubled(world, target=target, work=lambda active: _answer(world, request, work, active))


def _answer(
    world: World, request: Request, work: Callable[[World, Body], object], active: Mapping[str, float]
) -> Response:
    try:
        _check_signature(request, active)
        body = read_json(request.body)
        if "throttled" in active:
            raise ZtoRefusal("S221", "api qps flow limit")
        if "refused_area" in active:
            raise ZtoRefusal("SYS104", "收件地址超出服务范围")
        result = work(world, body)
    except ZtoRefusal as refusal:
        return json_response(
            {"status": False, "statusCode": refusal.code, "message": refusal.message, "result": None}
        )
    except ValueError:
        return json_response(
            {"status": False, "statusCode": "S208", "message": "请求体不是JSON", "result": None}
        )
    if "bad_gateway" in active:
        return Response(502, b"<html><body>502 Bad Gateway</body></html>", "text/html")
    return json_response({"status": True, "statusCode": "SYS000", "message": "成功", "result": result})


def _check_signature(request: Request, active: Mapping[str, float]) -> None:
    raw = hashlib.md5(request.body + APP_SECRET.encode()).digest()  # noqa: S324 (the carrier's rule)
    right, given = base64.b64encode(raw), request.headers.get("x-datadigest", "").encode()
    if request.headers.get("x-appkey") != APP_KEY:
        raise ZtoRefusal("S210", "无权限访问")
    if not hmac.compare_digest(right, given) or "bad_signature" in active:
        raise ZtoRefusal("S211", "签名错误")


def _create(world: World, body: Body) -> object:
    counts.count(world.store, "zto.create")
    account = _part(body, "accountInfo")
    if (account.get("accountId"), account.get("accountPassword")) != (ACCOUNT_ID, ACCOUNT_PASSWORD):
        raise ZtoRefusal("E404", "鉴权失败,未绑定电子面单账号")
    reference = _needed(body, "partnerOrderCode")
    receiver = _side(body, "receiveInfo", "receiver")
    _side(body, "senderInfo", "sender")
    if any(word in receiver["Province"] for word in _UNSERVED):
        raise ZtoRefusal("SYS104", "收件地址超出服务范围")
    details = {
        "name": receiver["Name"], "phone": receiver["phone"], "insured_fen": _insured_fen(body),
        "address": receiver["Province"] + receiver["City"] + receiver["District"] + receiver["Address"],
    }  # fmt: skip
    number = f"73{secrets.choice('123456789')}{secrets.randbelow(10**11):011d}"
    place = f"{receiver['Province']},{receiver['City']}"
    parcel = NewParcel(number, COM, "zto", receiver["phone"], place)
    order = orders.take_order(
        world.store, carrier=CARRIER, reference=reference, parcel=parcel, details=details
    )
    if order.cancelled:
        raise ZtoRefusal("SYS105", "订单已取消")
    return {
        **_order_of(order), "siteCode": "02100", "siteName": "上海", "signBillInfo": None, "verifyCode": None,
    }  # fmt: skip


def _find(world: World, body: Body) -> object:
    reference, number = str(body.get("partnerOrderCode") or ""), str(body.get("billCode") or "")
    counts.count(world.store, "zto.find")
    if not reference and not number:
        raise ZtoRefusal("S208", "orderCode与billCode不能同时为空")
    order = orders.find_order(world.store, carrier=CARRIER, reference=reference, number=number)
    if order is None or order.cancelled:
        return []
    details = order.details
    person = {
        "receivName": details["name"],
        "receivMobile": details["phone"],
        "receivAddress": details["address"],
    }
    return [{**_order_of(order), **person, "orderStatus": 0}]


def _cancel(world: World, body: Body) -> object:
    counts.count(world.store, "zto.cancel")
    _needed(body, "cancelType")
    order = orders.find_order(world.store, carrier=CARRIER, number=_needed(body, "billCode"))
    if order is None:
        raise ZtoRefusal("SYS101", "订单不存在")
    if order.cancelled:
        raise ZtoRefusal("SYS102", "订单已取消,请勿重复操作")
    parcel = parcels.find_parcel(world.store, order.number)
    if parcel is not None and len(parcel.times) > 1:
        raise ZtoRefusal("SYS103", "快件已揽收,不能取消")
    orders.cancel_order(world.store, order)
    return {}


def _track(world: World, body: Body) -> object:
    number, phone = _needed(body, "billCode"), re.sub(r"\D", "", str(body.get("mobilePhone") or ""))
    counts.count(world.store, "zto.query", number)
    if not _NUMBER.fullmatch(number):
        raise ZtoRefusal("E416", "不符合中通运单号规则校验")
    if len(phone) < 4:
        raise ZtoRefusal("E413", "鉴权失败,请输入收寄人任一方电话号码后4位")
    order = orders.find_order(world.store, carrier=CARRIER, number=number)
    if _NOBODYS.fullmatch(number) or (order is not None and order.cancelled):
        return []
    known = parcels.take_parcel(world.store, NewParcel(number, COM, "question"))
    if known.phone and known.phone[-4:] != phone[-4:]:
        raise ZtoRefusal("E409", "鉴权失败,收寄人电话号码校验不一致")
    seconds = world.store.tuned("parcel_seconds", world.settings.parcel_seconds)
    parcel = parcels.move(world.store, number, journey_seconds=seconds) or known
    return [_scan(parcel, event) for event in parcel.events]


_OPERATIONS: Mapping[str, tuple[str, Callable[[World, Body], object]]] = {
    "zto.open.createOrder": ("zto.create", _create),
    "zto.open.getOrderInfo": ("zto.find", _find),
    "zto.open.cancelPreOrder": ("zto.cancel", _cancel),
    "zto.merchant.waybill.track.query": ("zto.query", _track),
}


def _scan(parcel: Parcel, event: Event) -> dict[str, object]:
    """One row of a route; the texts of couriers hold their own telephone number, as ZTO's do."""
    step = event.step
    way = "到件" if "到达" in step.text else "发件"
    hand_over = step.sub_state in ("103", "5")
    text = f"{step.text}, 业务员电话: {COURIER}" if hand_over else step.text
    province, _, city = step.city.name.rpartition(",")
    return {
        "billCode": parcel.number,
        "scanType": _SCANS.get(step.sub_state, way),
        "scanDate": round(event.at * 1000),
        "scanSite": {
            "name": f"{city.removesuffix('市')}网点", "code": "02100", "city": city, "prov": province,
            "phone": "021-39777777", "isTransfer": 0,
        },
        "preOrNextSite": None,
        "operateUser": "李师傅" if hand_over else "",
        "operateUserPhone": COURIER if hand_over else "",
        "signMan": "本人" if step.state == "3" else "",
        "weight": 1.2,
        "desc": text,
    }  # fmt: skip


def _order_of(order: WaybillOrder) -> dict[str, object]:
    return {
        "billCode": order.number,
        "orderCode": f"2611{order.number}",
        "partnerOrderCode": order.reference,
        "bigMarkInfo": {"mark": "300- H12 09", "bagAddr": "沪西"},
    }


def _side(body: Body, name: str, prefix: str) -> dict[str, str]:
    """A sender or receiver; ZTO wants all of the address, and one of two telephone numbers."""
    part = _part(body, name)
    found = {
        field: _needed(part, f"{prefix}{field}")
        for field in ("Name", "Province", "City", "District", "Address")
    }
    phone = str(part.get(f"{prefix}Mobile") or part.get(f"{prefix}Phone") or "")
    if not phone:
        raise ZtoRefusal("S208", f"{prefix}Mobile不能为空")
    return {**found, "phone": phone}


def _insured_fen(body: Body) -> str:
    listed = body.get("orderVasList")
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and one.get("vasType") == "insured":
            amount = one.get("vasAmount")
            if isinstance(amount, bool) or not isinstance(amount, int) or not 0 < amount <= 3_000_000:
                raise ZtoRefusal("SYS106", "保价金额不正确")
            return str(amount)
    return ""


def _part(body: Body, name: str) -> Mapping[str, object]:
    value = body.get(name)
    if not isinstance(value, dict):
        raise ZtoRefusal("S208", f"{name}不能为空")
    return value


def _needed(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ZtoRefusal("S208", f"{name}不能为空")
    return value
