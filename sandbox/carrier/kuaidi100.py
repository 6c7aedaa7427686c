"""Simulates Kuaidi100's real-time query: takes a signed form and answers with the parcel's events.

The signature is the upper-case hex MD5 of `param + key + customer` over the very text that was sent. Success
and failure have different shapes: `status: "200"` there, `result: false` with a returnCode here.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence

from sandbox.carrier import counts, parcels
from sandbox.carrier.parcels import City, Event, NewParcel, Parcel
from sandbox.formats import beijing, now
from sandbox.trouble import troubled
from sandbox.web import Request, Response, json_response, read_form
from sandbox.world import World

TARGET = "kuaidi100.query"
CUSTOMER, KEY = "SANDBOXCUSTOMER", "SANDBOXKEY"
DAY = 86400
CALLS_A_DAY = 48
PHONE_NEEDED = frozenset({"shunfeng", "shunfengkuaiyun", "zhongtong"})
COMS = PHONE_NEEDED | {
    "yuantong", "shentong", "yunda", "jd", "ems", "youzhengguonei", "jtexpress", "debangkuaidi", "debangwuliu"
}  # fmt: skip
PREFIXES = {"SF": "shunfeng", "YT": "yuantong", "JT": "jtexpress", "JD": "jd", "DP": "debangkuaidi"}
_MESSAGES = {
    "400": "提交的数据不完整或者贵公司没授权",
    "408": "验证码错误: 该单号需要输入收寄件人手机号后四位",
    "500": "查询无结果, 请隔段时间再查",
    "501": "服务器错误",
    "502": "服务器繁忙",
    "503": "验证签名失败",
    "504": "访问过于频繁",
    "601": "POLL:KEY已过期或查询量已用完",
}


class QueryError(Exception):
    """A query that is answered with a returnCode."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def handle_query(world: World, request: Request) -> Response:
    """`POST /kuaidi100/query.do`. Raises HangUp under faults."""
    return troubled(world, target=TARGET, work=lambda active: _answer(world, request, active))


def _answer(world: World, request: Request, active: Mapping[str, float]) -> Response:
    try:
        if "return_code" in active:
            raise QueryError(str(int(active["return_code"])))
        question = _question(request)
        parcel = _find(world, question)
        events = _events(world, parcel)
    except QueryError as error:
        message = _MESSAGES.get(error.code, "未知错误")
        return json_response({"result": False, "returnCode": error.code, "message": message})
    events = events * max(1, int(active.get("duplicate", 1)))
    if "reorder" in active:
        events = events[1::2] + events[::2]
    elif question.get("order") != "asc":
        events = events[::-1]
    form = str(question.get("resultv2"))
    story = story_of(parcel, events, detailed=form in ("4", "8"))
    if form == "8" and story["ischeck"] == "0":
        story["arrivalTime"] = f"{beijing(parcel.times[0] + 2 * DAY)[:10]} 18"
    return json_response(story)


def _question(request: Request) -> dict[str, object]:
    """Check signature and form and return `param`. Raises QueryError."""
    try:
        form = read_form(request.body.decode("ascii"), charset="utf-8")
        text = form["param"]
        param = json.loads(text)
    except (ValueError, KeyError):
        raise QueryError("400") from None
    right = hashlib.md5((text + KEY + CUSTOMER).encode()).hexdigest().upper()  # noqa: S324 (the vendor's rule)
    if form.get("customer") != CUSTOMER or not hmac.compare_digest(
        right.encode(), form.get("sign", "").encode()
    ):
        raise QueryError("503")
    if not isinstance(param, dict) or param.get("com") not in COMS:
        raise QueryError("400")
    if not re.fullmatch(r"[0-9A-Za-z-]{6,32}", str(param.get("num", ""))):
        raise QueryError("400")
    return param


def _find(world: World, question: Mapping[str, object]) -> Parcel:
    """Find the parcel; the first query registers it. Raises QueryError.

    Numbers that begin with NONE are never known. A carrier that does not fit the number finds nothing.
    """
    number, com = str(question["num"]), str(question["com"])
    phone = re.sub(r"\D", "", str(question.get("phone") or ""))
    if com in PHONE_NEEDED and len(phone) < 4:
        raise QueryError("408")
    if number.startswith("NONE") or PREFIXES.get(number[:2], com) != com:
        raise QueryError("500")
    parcel = parcels.take_parcel(world.store, NewParcel(number, com, "question"))
    if parcel.com != com:
        raise QueryError("500")
    if com in PHONE_NEEDED and parcel.phone and parcel.phone[-4:] != phone[-4:]:
        raise QueryError("408")
    return parcel


def _events(world: World, parcel: Parcel) -> list[Event]:
    """Return the events, oldest first. After more than 48 calls in 24 h there is nothing new for another 24 h."""
    store, moment = world.store, now()
    counts.count(store, TARGET, parcel.number)
    store.rows("DELETE FROM parcel_calls WHERE number = ? AND at < ?", parcel.number, moment - DAY)
    store.rows("INSERT INTO parcel_calls VALUES (?, ?)", parcel.number, moment)
    seconds = store.tuned("parcel_seconds", world.settings.parcel_seconds)
    moved = parcels.move(store, parcel.number, journey_seconds=seconds) or parcel
    if not store.tuned("parcel_lock", 1):
        return moved.events
    if parcel.locked_until > moment:
        return parcel.events[: parcel.locked_steps]
    calls = store.row("SELECT count(*) AS n FROM parcel_calls WHERE number = ?", parcel.number)
    if calls is not None and calls["n"] > CALLS_A_DAY:
        parcels.lock(store, parcel, until=moment + DAY)
        return parcel.events
    return moved.events


def story_of(parcel: Parcel, events: Sequence[Event], *, detailed: bool) -> dict[str, object]:
    """A parcel's whole history as an answer or a push shows it."""
    last = max(events, key=lambda event: (event.at, parcel.route.index(event.step)))
    story: dict[str, object] = {
        "message": "ok",
        "nu": parcel.number,
        "ischeck": "1" if last.step.state == "3" else "0",
        "com": parcel.com,
        "status": "200",
        "state": last.step.state,
        "condition": "F00",
        "data": [_data(event, detailed=detailed) for event in events],
    }
    if detailed:
        story["routeInfo"] = {
            "from": _place(parcel.route[0].city),
            "cur": _place(last.step.city),
            "to": _place(parcel.route[-1].city),
        }
        story["isLoop"] = False
    return story


def _data(event: Event, *, detailed: bool) -> dict[str, object]:
    moment, step = beijing(event.at), event.step
    data: dict[str, object] = {"time": moment, "ftime": moment, "context": step.text}
    if not detailed:
        return data
    return {
        **data,
        "areaCode": step.city.code,
        "areaName": step.city.name,
        "areaCenter": step.city.center,
        "areaPinYin": step.city.pinyin,
        "status": step.name,
        "statusCode": step.sub_state,
        "location": step.city.short,
    }


def _place(city: City) -> dict[str, str]:
    return {"number": city.code, "name": city.name}
