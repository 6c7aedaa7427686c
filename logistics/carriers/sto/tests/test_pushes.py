"""STO's pushes: the whole sample, forged and broken ones, and the answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from logistics.carriers.sto import pushes
from logistics.carriers.sto.envelope import digest_of
from logistics.carriers.sto.tests.account import NUMBER, PAYLOADS, sto_keys
from logistics.carriers.types import CarrierKeys, CityStrip, PushRejected, Route, RouteEvent, TrackingStatus

CONTENT = (PAYLOADS / "push.json").read_text().strip()
KEPT = (
    "outBizCode", "opTime", "scanType", "opOrgName", "opOrgCode", "opOrgType", "opOrgProvinceName", "opOrgCityName",
    "memo", "nextOrgName", "issueName", "weight",
)  # fmt: skip


def pushed(content: str = CONTENT, secret: str = "SECRET") -> bytes:
    return urlencode({"content": content, "data_digest": digest_of(content, secret=secret)}).encode()


def reason_of(body: bytes, keys: CarrierKeys | None = None) -> str:
    with pytest.raises(PushRejected) as caught:
        pushes.read_push(body, keys or sto_keys())
    return caught.value.reason


def test_whole_push() -> None:
    (push,) = pushes.read_push(pushed(), sto_keys())
    trace = json.loads(CONTENT)["trace"]
    trace["weight"] = "1.25"
    trace["memo"] = "【浙江杭州余杭网点】的快递员 (139****4444) 正在派件"
    event = RouteEvent(
        at=datetime(2024, 6, 4, tzinfo=UTC),
        status=TrackingStatus.OUT_FOR_DELIVERY,
        text=trace["memo"],
        location="杭州市 浙江杭州余杭网点",
        provider_code="派件",
    )
    raw = json.dumps([{name: trace[name] for name in KEPT}], ensure_ascii=False)
    assert (push.carrier, push.tracking_number) == ("sto", NUMBER)
    assert push.route == Route(
        events=(event,),
        status=TrackingStatus.OUT_FOR_DELIVERY,
        cities=CityStrip(origin="杭州市", current="杭州市", destination="杭州市"),
        raw=raw,
    )
    for canary in ("13911114444", "0571-89288222", "李四"):
        assert canary not in repr(push)


def test_forged_push() -> None:
    assert reason_of(pushed(secret="OTHER")) == "bad_signature"
    assert reason_of(pushed().replace(b"777031922725111", b"777031922725112")) == "bad_signature"
    assert reason_of(urlencode({"content": CONTENT}).encode()) == "bad_signature"
    assert reason_of(pushed(secret=""), CarrierKeys("sto", "s", {}, {})) == "bad_signature"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"content=",
        b"content=a&content=b",
        b"a&" * 30,
        b"x" * (pushes.MOST_BYTES + 1),
        pushed("[]"),
        pushed("{"),
        pushed("{}"),
        pushed(CONTENT.replace(NUMBER, "单号", 1)),
        pushed(CONTENT.replace("2024-06-04 08:00:00", "yesterday")),
        pushed(json.dumps({"waybillNo": NUMBER, "trace": [1]})),
    ],
)
def test_broken_push(body: bytes) -> None:
    assert reason_of(body) == "malformed"


def test_unknown_scan_is_kept() -> None:
    (push,) = pushes.read_push(pushed(CONTENT.replace('"派件"', '"新扫描"')), sto_keys())
    assert (push.route.status, push.route.events[0].provider_code) == (TrackingStatus.UNKNOWN, "新扫描")


def test_answers() -> None:
    taken, refused = pushes.reply(True), pushes.reply(False)
    assert (taken.status, json.loads(taken.body)) == (200, {"success": True, "errorCode": "", "errorMsg": ""})
    assert (refused.status, json.loads(refused.body)["success"]) == (500, False)
