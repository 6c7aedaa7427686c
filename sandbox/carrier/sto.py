"""Simulates STO's gateway: orders of waybills, their cancelling, and the query of routes.

Every call is a form; `data_digest` is base64 of the raw MD5 of content + secret key. The gateway's own refusals are XML,
those of the programs behind it JSON. Codes and words of refusals are the sandbox's own, because no public source tells
them; so is it that an `orderNo` that is ordered again is answered with its first waybill (documented is that it is unique).
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping
from xml.sax.saxutils import escape

from sandbox.carrier import counts, orders, parcels
from sandbox.carrier.parcels import Event, NewParcel, Parcel
from sandbox.formats import beijing
from sandbox.trouble import troubled
from sandbox.web import Request, Response, json_response, read_form
from sandbox.world import World

PATH = "/sto/gateway/link.do"
CARRIER, COM = "sto", "shentong"
APP_KEY, SECRET_KEY, SOURCE = "SANDBOXSTO", "SANDBOXSTOSECRET", "SANDBOX"
CUSTOMER = {"siteCode": "666666", "customerName": "666666000001", "sitePwd": "abc123"}
COURIER = "13911114444"
_NUMBER = re.compile(r"77[0-9]{13}", re.ASCII)
_NOBODYS = re.compile(r"770+", re.ASCII)
_UNSERVED = ("台湾", "香港", "澳门")
_SCANS = {"103": "收件", "1001": "到件", "5": "派件", "501": "柜机代收", "304": "签收", "301": "签收"}
Content = Mapping[str, object]


class GatewayRefusal(Exception):
    """A call that the gateway itself refuses."""


class StoRefusal(Exception):
    """A call that the program behind the gateway refuses."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(code)
        self.code, self.words = code, words


def digest(text: str) -> str:
    """Base64 of the raw MD5."""
    return base64.b64encode(hashlib.md5(text.encode()).digest()).decode()  # noqa: S324 (the carrier's rule)


def handle_sto(world: World, request: Request) -> Response:
    """`POST /sto/gateway/link.do`. Raises HangUp under faults."""
    try:
        form = read_form(request.body.decode("ascii"), charset="utf-8")
    except ValueError:
        form = {}
    interface = _INTERFACES.get(form.get("api_name", ""))
    if interface is None or form.get("to_appkey") != interface[0] or form.get("to_code") != interface[0]:
        return _gateway_answer("未订阅该接口")
    _receiver, target, work = interface
    counts.count(world.store, target)
    return troubled(world, target=target, work=lambda active: _answer(world, form, work, active))


def _answer(
    world: World,
    form: Mapping[str, str],
    work: Callable[[World, Content], object],
    active: Mapping[str, float],
) -> Response:
    try:
        content = _content(form, active)
        if "refused_area" in active:
            raise StoRefusal("B001", "收件地址不在派送范围")
        data = work(world, content)
    except GatewayRefusal as refusal:
        return _gateway_answer(str(refusal))
    except StoRefusal as refusal:
        return _json(success="false", code=refusal.code, words=refusal.words)
    if "bad_gateway" in active:
        return Response(502, b"<html><body>502 Bad Gateway</body></html>", "text/html")
    return _json(success="true", data=data)


def _gateway_answer(words: str) -> Response:
    body = f"<response><success>false</success><errorCode>S01</errorCode><errorMsg>{escape(words)}</errorMsg></response>"
    return Response(200, body.encode(), "text/xml")


def _json(
    *, success: str, code: str | None = None, words: str | None = None, data: object = None
) -> Response:
    fields = {"success": success, "errorCode": code, "errorMsg": words, "needRetry": "false", "expInfo": None}
    return json_response({**fields, "requestId": secrets.token_hex(8), "data": data})


def _content(form: Mapping[str, str], active: Mapping[str, float]) -> Content:
    """Check who calls and the digest, and return the content. Raises GatewayRefusal."""
    text = form.get("content", "")
    right = digest(f"{text}{SECRET_KEY}").encode()
    if form.get("from_appkey") != APP_KEY or form.get("from_code") != APP_KEY:
        raise GatewayRefusal("from_appkey不存在")
    if not hmac.compare_digest(right, form.get("data_digest", "").encode()) or "bad_signature" in active:
        raise GatewayRefusal("签名验证失败")
    if "throttled" in active:
        raise GatewayRefusal("调用过于频繁")
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise GatewayRefusal("content不是JSON")
    return content


def _create(world: World, content: Content) -> object:
    reference = _needed(content, "orderNo")
    if content.get("orderSource") != SOURCE or content.get("customer") != CUSTOMER:
        raise StoRefusal("B002", "网点编码或面单密码不正确")
    if (content.get("billType"), content.get("orderType")) != ("00", "01"):
        raise StoRefusal("B003", "不支持的业务类型")
    receiver = _person(content, "receiver")
    _person(content, "sender")
    cargo = _object(content, "cargo")
    if cargo.get("battery") not in ("10", "20", "30") or not cargo.get("goodsName"):
        raise StoRefusal("B004", "包裹信息不完整")
    if any(word in receiver["province"] for word in _UNSERVED):
        raise StoRefusal("B001", "收件地址不在派送范围")
    number = f"77{secrets.choice('123456789')}{secrets.randbelow(10**12):012d}"
    parcel = NewParcel(number, COM, "sto", receiver["phone"], f"{receiver['province']},{receiver['city']}")
    details = {"phone": receiver["phone"], "insured": _insured(content)}
    order = orders.take_order(
        world.store, carrier=CARRIER, reference=reference, parcel=parcel, details=details
    )
    if order.cancelled:
        raise StoRefusal("B005", "订单已取消")
    return {
        "orderNo": reference,
        "waybillNo": order.number,
        "bigWord": "877-342-213",
        "packagePlace": "上海青浦集包地",
        "safeNo": None,
    }


def _cancel(world: World, content: Content) -> object:
    order = orders.find_order(world.store, carrier=CARRIER, number=_needed(content, "billCode"))
    if order is None or content.get("orderSource") != SOURCE or content.get("orderType") != "01":
        raise StoRefusal("B006", "未查询到订单")
    if order.cancelled:
        raise StoRefusal("B005", "订单已取消")
    parcel = parcels.find_parcel(world.store, order.number)
    if parcel is not None and len(parcel.times) > 1:
        raise StoRefusal("B007", "快件已揽收,不能取消")
    orders.cancel_order(world.store, order)
    return "成功"


def _routes(world: World, content: Content) -> object:
    listed = content.get("waybillNoList")
    numbers = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
    if not numbers:
        raise StoRefusal("B008", "waybillNoList不能为空")
    routes = {number: _rows(world, number) for number in numbers}
    rows = {number: found for number, found in routes.items() if found}
    return {number: found if content.get("order") == "asc" else found[::-1] for number, found in rows.items()}


def _rows(world: World, number: str) -> list[dict[str, object]]:
    counts.count(world.store, "sto.number", number)
    order = orders.find_order(world.store, carrier=CARRIER, number=number)
    if not _NUMBER.fullmatch(number) or _NOBODYS.fullmatch(number) or (order is not None and order.cancelled):
        return []
    known = parcels.take_parcel(world.store, NewParcel(number, COM, "question"))
    seconds = world.store.tuned("parcel_seconds", world.settings.parcel_seconds)
    parcel = parcels.move(world.store, number, journey_seconds=seconds) or known
    return [row_of(parcel, event) for event in parcel.events]


def row_of(parcel: Parcel, event: Event) -> dict[str, object]:
    """One row of a route; a courier's holds name and telephone number, in fields and in the text, as STO's do."""
    step = event.step
    is_courier = step.sub_state in ("103", "5")
    return {
        "waybillNo": parcel.number,
        "opTime": beijing(event.at),
        "scanType": _SCANS.get(step.sub_state, "到件" if "到达" in step.text else "发件"),
        "opOrgName": f"{step.city.short}网点",
        "opOrgCode": "210045",
        "opOrgCityName": step.city.short,
        "opOrgProvinceName": step.city.name.partition(",")[0],
        "opOrgTel": "021-69777888",
        "opEmpName": "王师傅",
        "memo": f"{step.text} ({COURIER})" if is_courier else step.text,
        "bizEmpName": "王师傅" if is_courier else None,
        "bizEmpPhone": COURIER if is_courier else None,
        "signoffPeople": None,
        "weight": 0.68,
    }


_INTERFACES: Mapping[str, tuple[str, str, Callable[[World, Content], object]]] = {
    "OMS_EXPRESS_ORDER_CREATE": ("sto_oms", "sto.create", _create),
    "EDI_MODIFY_ORDER_CANCEL": ("edi_modify_order", "sto.cancel", _cancel),
    "STO_TRACE_QUERY_COMMON": ("sto_trace_query", "sto.query", _routes),
}


def _person(content: Content, side: str) -> dict[str, str]:
    found = _object(content, side)
    named = {name: str(found.get(name) or "") for name in ("name", "province", "city", "area", "address")}
    phone = str(found.get("mobile") or found.get("tel") or "")
    if not all(named.values()) or not phone:
        raise StoRefusal("B009", f"{side}信息不完整")
    return {**named, "phone": phone}


def _insured(content: Content) -> str:
    """The insured yuan, with two decimals, and no more than what the goods are worth."""
    if "insuredAnnex" not in content:
        return ""
    annex = _object(content, "insuredAnnex")
    values = [str(annex.get(name)) for name in ("insuredValue", "goodsValue")]
    if not all(re.fullmatch(r"[0-9]{1,6}\.[0-9]{2}", one) for one in values):
        raise StoRefusal("B010", "保价金额不正确")
    return values[0]


def _object(content: Content, name: str) -> dict[str, object]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def _needed(content: Content, name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not value:
        raise StoRefusal("B009", f"{name}不能为空")
    return value
