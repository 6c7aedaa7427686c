"""Simulates Kuaidi100's subscriptions, their pushes, and its carrier recognition.

A push holds a parcel's whole history, newest first, and is signed with the MD5 of `param + salt`. One that is not
answered in the agreed words comes again after 30 minutes, three times. A parcel whose carrier does not fit its number is
pushed under the right one.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from urllib.parse import urlencode

from sandbox.carrier import parcels
from sandbox.carrier.kuaidi100 import COMS, KEY, PHONE_NEEDED, PREFIXES, story_of
from sandbox.carrier.parcels import NewParcel, Parcel
from sandbox.formats import now
from sandbox.outgoing import Call, CallReply
from sandbox.store import Store
from sandbox.trading import deliveries
from sandbox.trading.deliveries import Delivery, NewDelivery
from sandbox.trouble import troubled
from sandbox.web import Request, Response, json_response, read_form
from sandbox.world import World

TARGET, SUBSCRIBE = "kuaidi100.push", "kuaidi100.subscribe"
MOST_SUBSCRIPTIONS = 4
REPEATS, GAP_SECONDS, LIMIT_SECONDS = 3, 1800, 20.0
LATEST = 50
_MESSAGES = {
    "200": "提交成功",
    "500": "服务器错误",
    "501": "POLL:重复订阅",
    "600": "POLL:您不是合法的订阅者",
    "700": "订阅数据格式错误",
    "701": "POLL:拒绝订阅的快递公司",
    "702": "POLL:识别不到该单号对应的快递公司",
}


def handle_subscribe(world: World, request: Request) -> Response:
    """`POST /kuaidi100/poll`. Raises HangUp under faults."""

    def answer(active: Mapping[str, float]) -> Response:
        code = str(int(active["return_code"])) if "return_code" in active else _subscribe(world, request)
        content = {"result": code == "200", "returnCode": code, "message": _MESSAGES.get(code, "未知错误")}
        return json_response(content)

    return troubled(world, target=SUBSCRIBE, work=answer)


def _subscribe(world: World, request: Request) -> str:
    """Store a subscription; returns the code of the answer."""
    try:
        form = read_form(request.body.decode("ascii"), charset="utf-8")
        param = json.loads(form["param"])
        number, parameters = str(param["number"]), dict(param["parameters"])
        company = str(param.get("company") or "")
    except (ValueError, KeyError, TypeError):
        return "700"
    if form.get("schema") != "json" or param.get("key") != KEY:
        return "600" if form.get("schema") == "json" else "700"
    is_recognised = str(parameters.get("autoCom", "0")) == "1"
    url = str(parameters.get("callbackurl") or "")
    if not url.startswith(("http://", "https://")) or not re.fullmatch(r"[0-9A-Za-z-]{6,32}", number):
        return "700"
    if is_recognised:
        if company:
            return "700"
        company = PREFIXES.get(number[:2], "")
        if not company:
            return "702"
    if company not in COMS or (company in PHONE_NEEDED and not parameters.get("phone")):
        return "701" if company not in COMS else "700"
    return _keep(world.store, number, company, url, str(parameters.get("salt") or ""))


def _keep(store: Store, number: str, com: str, url: str, salt: str) -> str:
    with store.transaction():
        row = store.row("SELECT * FROM kuaidi100_subscriptions WHERE number = ?", number)
        if row is not None and row["state"] == "polling":
            store.rows("UPDATE kuaidi100_subscriptions SET times = times + 1 WHERE number = ?", number)
            return "501"
        if row is not None and row["times"] >= MOST_SUBSCRIPTIONS:
            return "700"
        store.rows(
            "INSERT INTO kuaidi100_subscriptions VALUES (?, ?, ?, ?, 'polling', 1, 0, ?) ON CONFLICT (number) DO UPDATE"
            " SET state = 'polling', times = times + 1, pushed_steps = 0, url = excluded.url, salt = excluded.salt,"
            " com = excluded.com, created_at = excluded.created_at",
            number, com, url, salt, now(),
        )  # fmt: skip
    return "200"


def handle_recognise(world: World, request: Request) -> Response:
    """`GET /kuaidi100/autonumber/auto?num=…&key=…`: the likely carriers of a number, best first."""
    fields = read_form(request.query, charset="utf-8")
    number = fields.get("num", "")
    if fields.get("key") != KEY:
        code = "601" if fields.get("key") else "701"
        return json_response({"result": False, "returnCode": code, "message": "KEY 错误"})
    if not re.fullmatch(r"[0-9A-Za-z-]{6,32}", number):
        return json_response({"result": False, "returnCode": "201", "message": "单号错误"})
    sure = PREFIXES.get(number[:2])
    names = [sure] if sure else ["zhongtong", "shentong", "yunda"]
    return json_response([{"lengthPre": len(number), "comCode": name, "name": name} for name in names])


def push_due(world: World) -> None:
    """Queue a push for each subscribed parcel that has moved, and end the subscriptions that are over."""
    store = world.store
    seconds = store.tuned("parcel_seconds", world.settings.parcel_seconds)
    rows = store.rows("SELECT * FROM kuaidi100_subscriptions WHERE state = 'polling' LIMIT 500")
    for row in rows:
        number, right = row["number"], PREFIXES.get(row["number"][:2], row["com"])
        if number.startswith("NONE"):
            if now() - row["created_at"] >= seconds:
                _abort(store, number, row["com"])
            continue
        parcels.take_parcel(store, NewParcel(number, right, "subscription"))
        parcel = parcels.move(store, number, journey_seconds=seconds)
        if parcel is not None and len(parcel.times) > row["pushed_steps"]:
            _push_steps(store, parcel, old=row["com"])


def _push_steps(store: Store, parcel: Parcel, *, old: str) -> None:
    """Queue a push; one that is signed for is the last."""
    is_over = len(parcel.times) == len(parcel.route)
    state, is_corrected = ("shutdown" if is_over else "polling"), parcel.com != old
    content = {
        "status": state,
        "billstatus": "check" if is_over else "got",
        "message": "",
        "autoCheck": "1" if is_corrected else "0",
        "comOld": old if is_corrected else "",
        "comNew": parcel.com if is_corrected else "",
        "lastResult": story_of(parcel, parcel.events[::-1], detailed=True),
    }
    with store.transaction():
        row = store.row(
            "UPDATE kuaidi100_subscriptions SET pushed_steps = ?, state = ? WHERE number = ? AND state = 'polling'"
            " RETURNING *",
            len(parcel.times), state, parcel.number,
        )  # fmt: skip
        if row is not None:
            _queue(store, row["number"], row["url"], row["salt"], content)


def _abort(store: Store, number: str, com: str) -> None:
    """End the subscription of a number that was never known."""
    result = {"message": "快递公司参数异常：单号不存在或者已经过期", "nu": number, "com": com, "ischeck": "0"}
    content = {
        "status": "abort",
        "billstatus": "",
        "message": "3天查询无记录",
        "lastResult": {**result, "status": "201", "state": "0", "data": []},
    }
    with store.transaction():
        row = store.row(
            "UPDATE kuaidi100_subscriptions SET state = 'abort' WHERE number = ? RETURNING *", number
        )
        assert row is not None
        _queue(store, number, row["url"], row["salt"], content)


def _queue(store: Store, number: str, url: str, salt: str, content: Mapping[str, object]) -> None:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    deliveries.enqueue(store, NewDelivery(TARGET, 0, "push", number, url, {"param": text, "salt": salt}))


class PushForm:
    """Composes a push, signed with the subscription's salt, and reads the merchant's answer."""

    def compose(self, delivery: Delivery, active: Mapping[str, float]) -> Call:
        """The form of this try; it is the same in all tries."""
        param, salt = delivery.payload["param"], delivery.payload["salt"]
        fields = {"param": param}
        if salt:
            sign = hashlib.md5((param + salt).encode()).hexdigest().upper()  # noqa: S324 (the vendor's rule)
            fields = {"sign": sign[::-1] if "corrupt_signature" in active else sign, **fields}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Call("POST", delivery.url, urlencode(fields).encode(), headers, timeout=LIMIT_SECONDS)

    def accepted(self, answer: CallReply) -> bool:
        """The words `result` true and returnCode 200."""
        try:
            content = json.loads(answer.body)
        except ValueError:
            return False
        return (
            answer.status == 200
            and isinstance(content, dict)
            and (content.get("result"), content.get("returnCode")) == (True, "200")
        )

    def gap(self, attempt: int, answer: CallReply) -> float | None:
        """Half an hour, three times."""
        return GAP_SECONDS if attempt <= REPEATS else None


def describe(store: Store) -> dict[str, object]:
    """Subscriptions, waybills and pushes for the control page's state, newest first; no names, no salts."""
    return {
        "subscriptions": _latest(
            store, "number, com, state, times, pushed_steps", "kuaidi100_subscriptions", "created_at"
        ),
        "waybills": _latest(store, "reference, com, number, insured, state", "kuaidi100_orders", "id"),
        "pushes": [
            dict(row)
            for row in store.rows(
                "SELECT event_id AS number, state, attempt AS tries FROM deliveries WHERE target = ?"
                " ORDER BY id DESC LIMIT ?",
                TARGET,
                LATEST,
            )
        ],
        "calls": [
            dict(row)
            for row in store.rows(
                "SELECT number, count(*) AS queries FROM parcel_calls GROUP BY number ORDER BY queries DESC LIMIT ?",
                LATEST,
            )
        ],
    }


def _latest(store: Store, columns: str, table: str, order: str) -> list[dict[str, object]]:
    rows = store.rows(f"SELECT {columns} FROM {table} ORDER BY {order} DESC LIMIT ?", LATEST)  # noqa: S608 (constants)
    return [dict(row) for row in rows]
