"""What the vendor pushes: signed, whole, newest first; and what is not believed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest

from logistics.carriers.kuaidi100.adapter import Kuaidi100
from logistics.carriers.kuaidi100.signatures import sign_push
from logistics.carriers.types import (
    CarrierKeys,
    CityStrip,
    PushCall,
    PushedRoute,
    PushRejected,
    Route,
    RouteEvent,
    TrackingStatus,
)

PAYLOADS = Path(__file__).parent / "payloads"
KEYS = CarrierKeys("kuaidi100", "demo", {"customer": "CUSTOMER"}, {"key": "KEY", "salt": "SALT"})
RESULT: dict[str, Any] = {
    "status": "200",
    "state": "0",
    "nu": "YT2600227881409",
    "com": "yuantong",
    "data": [],
}


def body_of(param: str, sign: str | None = None) -> bytes:
    return urlencode(
        {"sign": sign_push(param, salt="SALT") if sign is None else sign, "param": param}
    ).encode()


def read(body: bytes, keys: CarrierKeys = KEYS) -> PushedRoute:
    [pushed] = Kuaidi100().read_push(PushCall({}, body), keys)
    return pushed


def pushed(**changes: Any) -> PushedRoute:
    content = {"status": "polling", "message": "", "lastResult": RESULT, **changes}
    return read(body_of(json.dumps(content, ensure_ascii=False)))


def rejection(body: bytes, keys: CarrierKeys = KEYS) -> tuple[str, str]:
    with pytest.raises(PushRejected) as caught:
        read(body, keys)
    return caught.value.reason, caught.value.detail


def test_whole_push() -> None:
    param = (PAYLOADS / "push_polling.json").read_text()
    assert read(body_of(param)) == PushedRoute(
        carrier="yto",
        tracking_number="YT2600227881409",
        route=Route(
            events=(
                RouteEvent(
                    at=datetime(2026, 11, 20, 13, 10, 9, tzinfo=UTC),
                    status=TrackingStatus.PICKED_UP,
                    text="【深圳龙岗】已揽收",
                    location="广东 深圳市 龙岗区",
                    provider_code="103",
                ),
                RouteEvent(
                    at=datetime(2026, 11, 20, 19, 0, tzinfo=UTC),
                    status=TrackingStatus.IN_TRANSIT,
                    text="离开【深圳转运中心】+ 发往 成都 100%",
                    location="广东 深圳市",
                    provider_code="1002",
                ),
            ),
            status=TrackingStatus.IN_TRANSIT,
            cities=CityStrip(origin="深圳市", current="深圳市", destination="成都市"),
            estimated_at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
            raw=param,
        ),
    )


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_signature_in_either_case(change: Any) -> None:
    param = json.dumps({"status": "polling", "lastResult": RESULT})
    assert read(body_of(param, change(sign_push(param, salt="SALT")))).tracking_number == "YT2600227881409"


def test_signature_is_over_the_text_as_it_was_before_the_form() -> None:
    param = json.dumps({"status": "polling", "message": "a b+c&d=e%41 号", "lastResult": RESULT})
    sign = sign_push(param, salt="SALT")
    assert read(f"param={quote_plus(param)}&sign={sign}".encode()).carrier == "yto"


@pytest.mark.parametrize(
    ("status", "has_ended"), [("polling", False), ("updateall", False), ("shutdown", True), ("abort", True)]
)
def test_end_of_a_subscription(status: str, has_ended: bool) -> None:
    assert pushed(status=status).has_ended is has_ended


def test_carrier_that_the_vendor_has_corrected() -> None:
    found = pushed(
        autoCheck="1", comOld="yuantong", comNew="zhongtong", lastResult={**RESULT, "com": "zhongtong"}
    )
    assert (found.carrier, found.corrected_carrier) == ("yto", "zto")


@pytest.mark.parametrize(
    ("old", "new", "carrier", "corrected"),
    [
        ("", "", "yto", ""),
        ("yuantong", "yuantong", "yto", ""),
        ("yuantong", "", "yto", ""),
        ("", "zhongtong", "yto", ""),
        ("yuantong", "unheard", "yto", ""),
        ("unheard", "zhongtong", "other", "zto"),
        ("debangkuaidi", "debangwuliu", "deppon", ""),
    ],
)
def test_half_a_correction_corrects_nothing(old: str, new: str, carrier: str, corrected: str) -> None:
    found = pushed(comOld=old, comNew=new)
    assert (found.carrier, found.corrected_carrier) == (carrier, corrected)


def test_carrier_that_is_none_of_ours() -> None:
    assert pushed(lastResult={**RESULT, "com": "unheard"}).carrier == "other"


def test_push_without_events_says_so() -> None:
    result = {"status": "201", "message": "快递公司参数异常", "nu": "YT2600227881409", "com": "yuantong"}
    found = pushed(status="abort", message="3天查询无记录", lastResult=result)
    assert (found.route.events, found.route.status, found.has_ended) == ((), TrackingStatus.UNKNOWN, True)


def test_empty_push_is_not_believed() -> None:
    assert rejection(b"") == ("bad_signature", "")


@pytest.mark.parametrize("sign", ["", "0" * 32, "号" * 32])
def test_wrong_signature_is_not_believed(sign: str) -> None:
    param = json.dumps({"status": "polling", "lastResult": RESULT})
    assert rejection(body_of(param, sign)) == ("bad_signature", "")


def test_each_changed_byte_of_the_text_is_noticed() -> None:
    param = json.dumps({"status": "polling", "lastResult": RESULT})
    sign = sign_push(param, salt="SALT")
    for at in range(len(param)):
        changed = param[:at] + chr(ord(param[at]) ^ 1) + param[at + 1 :]
        assert rejection(body_of(changed, sign))[0] == "bad_signature"


def test_account_without_a_salt_believes_nothing() -> None:
    param = json.dumps({"status": "polling", "lastResult": RESULT})
    unsalted = CarrierKeys("kuaidi100", "demo", {}, {"key": "KEY"})
    for sign in ("", sign_push(param, salt="")):
        assert rejection(body_of(param, sign), unsalted) == ("bad_signature", "the account has no salt")


@pytest.mark.parametrize(
    "body",
    [
        b"param",
        b"\xff=\xff",
        b"param=%FF&sign=1",
        b"param={}&param={}&sign=1",
        b"&".join(b"a%d=1" % n for n in range(30)),
    ],
)
def test_what_is_no_form(body: bytes) -> None:
    assert rejection(body)[0] == "malformed"


@pytest.mark.parametrize(
    "param",
    [
        "",
        "[]",
        "{",
        '{"status":"polling","status":"abort"}',
        '{"status":"polling"}',
        '{"status":"polling","lastResult":[]}',
        '{"status":"polling","lastResult":{}}',
        '{"status":"polling","lastResult":{"nu":"1"}}',
        '{"status":"gone","lastResult":{"nu":"YT2600227881409"}}',
        '{"status":"polling","lastResult":{"nu":"YT26\\u00000227881409"}}',
        '{"status":"polling","lastResult":{"nu":"' + "9" * 41 + '"}}',
        "[" * 50 + "]" * 50,
    ],
)
def test_signed_nonsense_is_malformed(param: str) -> None:
    assert rejection(body_of(param))[0] == "malformed"


def test_replies_in_the_vendors_words() -> None:
    good, bad = Kuaidi100().push_reply(True), Kuaidi100().push_reply(False)
    assert (good.status, json.loads(good.body)) == (
        200,
        {"result": True, "returnCode": "200", "message": "成功"},
    )
    assert good.body.decode() == '{"result": true, "returnCode": "200", "message": "成功"}'
    assert (bad.status, json.loads(bad.body)["result"]) == (500, False)
