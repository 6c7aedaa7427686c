"""Simulates Kuaidi100's label API: waybills ordered and cancelled, signed with a secret of its own.

`sign` is the upper-case hex MD5 of `param + t + key + secret`. With `reorder` false the same `orderId` gives, for 48
hours, what its first successful order gave; otherwise each call orders anew.
"""

import hashlib
import hmac
import json
import secrets
import struct
import zlib
from collections.abc import Mapping
from urllib.parse import parse_qs

from sandbox.carrier import parcels
from sandbox.carrier.kuaidi100 import COMS, KEY, PREFIXES
from sandbox.carrier.parcels import NewParcel
from sandbox.formats import now
from sandbox.trouble import troubled
from sandbox.web import HangUp, Request, Response, json_response, read_form
from sandbox.world import World

TARGET = "kuaidi100.label"
SECRET = "SANDBOXSECRET"  # noqa: S105 (the sandbox's own)
REMEMBERED_SECONDS = 48 * 3600
_NEEDED = ("name", "mobile", "province", "city", "addr")
Param = Mapping[str, object]


class LabelRefused(Exception):
    """An order or a cancellation that is refused, in the vendor's words."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def handle_order(world: World, request: Request) -> Response:
    """`POST /kuaidi100/label/order`. Raises HangUp under faults."""
    return troubled(world, target=TARGET, work=lambda active: _answer(world, request, active))


def handle_image(world: World, request: Request) -> Response:
    """`GET /kuaidi100/label/image?number=…`: the label of a waybill, a small PNG."""
    number = parse_qs(request.query).get("number", [""])[0]
    row = world.store.row("SELECT 1 FROM kuaidi100_orders WHERE number = ? AND state = 'made'", number)
    return Response(200, _image(), "image/png") if row else Response(404, b"no such label")


def _answer(world: World, request: Request, active: Mapping[str, float]) -> Response:
    try:
        method, param = _call(request)
        if "no_funds" in active:
            raise LabelRefused(30007, "账号余额不足, 请充值")
        if "refused" in active:
            raise LabelRefused(30011, "收件地址超区, 快递公司不派送")
        data = _METHODS[method](world, param)
    except LabelRefused as refused:
        return json_response({"success": False, "code": refused.code, "message": refused.message, "time": 1})
    if "lost_answer" in active:
        raise HangUp
    if "unreadable" in active:
        return Response(200, b"<html>gateway</html>", "text/html")
    return json_response({"success": True, "code": 200, "message": "成功", "time": 1, "data": data})


def _call(request: Request) -> tuple[str, Param]:
    """Check form and signature; returns method and param. Raises LabelRefused."""
    try:
        form = read_form(request.body.decode("ascii"), charset="utf-8")
        text, moment = form["param"], form["t"]
        param = json.loads(text)
    except (ValueError, KeyError):
        raise LabelRefused(30001, "参数错误") from None
    right = hashlib.md5((text + moment + KEY + SECRET).encode()).hexdigest().upper()  # noqa: S324 (the vendor's rule)
    is_signed = hmac.compare_digest(right.encode(), form.get("sign", "").encode())
    if form.get("key") != KEY or not is_signed or abs(float(moment) / 1000 - now()) > 86400:
        raise LabelRefused(30002, "验证签名失败")
    if form.get("method") not in _METHODS or not isinstance(param, dict) or not param.get("partnerId"):
        raise LabelRefused(30001, "参数错误: method 或 partnerId")
    return form["method"], param


def _order(world: World, param: Param) -> dict[str, object]:
    com, reference = str(param.get("kuaidicom")), str(param.get("orderId") or "")
    receiver = _person(param, "recMan")
    _person(param, "sendMan")
    if com not in COMS:
        raise LabelRefused(30001, "快递公司编码错误")
    store = world.store
    with store.transaction():
        row = store.row(
            "SELECT number FROM kuaidi100_orders WHERE reference = ? AND created_at > ? ORDER BY id LIMIT 1",
            reference, now() - REMEMBERED_SECONDS,
        )  # fmt: skip
        if param.get("reorder") is False and reference and row is not None:
            return _data(world, param, row["number"])
        number = _new_number(com)
        store.rows(
            "INSERT INTO kuaidi100_orders (reference, com, number, insured, state, created_at)"
            " VALUES (?, ?, ?, ?, 'made', ?)",
            reference, com, number, str(param.get("valinsPay") or ""), now(),
        )  # fmt: skip
        place = ",".join(receiver[name] for name in ("province", "city"))
        parcels.take_parcel(store, NewParcel(number, com, "label", receiver["mobile"], place))
    return _data(world, param, number)


def _person(param: Param, name: str) -> dict[str, str]:
    person = param.get(name)
    if not isinstance(person, dict) or not all(isinstance(person.get(one), str) for one in _NEEDED):
        raise LabelRefused(30001, f"{name} 地址信息不完整")
    digits = person["mobile"].removeprefix("+").replace("-", "")
    if not (digits.isdigit() and 6 <= len(digits) <= 20):
        raise LabelRefused(30012, f"{name} 手机号格式错误")
    return person


def _data(world: World, param: Param, number: str) -> dict[str, object]:
    label = f"{world.settings.origin}/kuaidi100/label/image?number={number}"
    return {
        "taskId": f"T{number}",
        "kuaidinum": number,
        "childNum": "",
        "returnNum": "",
        "label": label if param.get("printType") == "IMAGE" else "",
        "bulkpen": "021-01-A7",
        "orgCode": "755",
        "destCode": "021",
        "kdComOrderNum": f"K{number}",
    }


def _new_number(com: str) -> str:
    prefix = next((prefix for prefix, name in PREFIXES.items() if name == com), "73")
    return f"{prefix}{secrets.choice('123456789')}{secrets.randbelow(10**12):012d}"


def _cancel(world: World, param: Param) -> None:
    store = world.store
    with store.transaction():
        row = store.row(
            "SELECT * FROM kuaidi100_orders WHERE number = ? AND reference = ?",
            str(param.get("kuaidinum")), str(param.get("orderId")),
        )  # fmt: skip
        if row is None:
            raise LabelRefused(30013, "订单不存在")
        if row["state"] == "cancelled":
            raise LabelRefused(30014, "该订单已取消, 请勿重复取消")
        parcel = parcels.find_parcel(store, row["number"])
        if parcel is not None and len(parcel.times) > 1:
            raise LabelRefused(30015, "快件已揽收, 不能取消")
        store.rows("UPDATE kuaidi100_orders SET state = 'cancelled' WHERE id = ?", row["id"])
        store.rows("DELETE FROM parcels WHERE number = ?", row["number"])


_METHODS = {"order": _order, "cancel": _cancel}


def _image() -> bytes:
    """A white PNG of 8 by 8 points."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head, rows = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0), b"".join(b"\0" + b"\xff" * 8 for _ in range(8))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
