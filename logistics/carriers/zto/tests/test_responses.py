"""What ZTO answers: whole samples, errors, and nothing of a courier or a buyer kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logistics.carriers.types import CarrierError, CityStrip, NewWaybill, RouteEvent, TrackingStatus
from logistics.carriers.zto import responses
from logistics.carriers.zto.codes import STATUS_BY_SCAN
from logistics.carriers.zto.tests.account import NUMBER, REFERENCE
from ordersite.lib.http import Reply

PAYLOADS = Path(__file__).parent / "payloads"


def answered(body: object) -> Reply:
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return Reply(200, {}, text.encode(), 1)


def sample(name: str) -> Reply:
    return Reply(200, {}, (PAYLOADS / f"{name}.json").read_bytes(), 1)


def refused(code: str, message: str = "不行") -> Reply:
    return answered({"status": False, "statusCode": code, "message": message, "result": None})


def succeeded(result: object) -> Reply:
    return answered({"status": True, "statusCode": "SYS000", "message": "成功", "result": result})


def at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def test_whole_route() -> None:
    route = responses.read_route(sample("track"), NUMBER)
    assert route.status is TrackingStatus.DELIVERED
    assert route.cities == CityStrip(origin="上海市", current="郑州市", destination="郑州市")
    assert route.events == (
        RouteEvent(
            at=at(1732244855123), status=TrackingStatus.PICKED_UP, location="上海市 青浦华新", provider_code="收件",
            text="【上海市】【青浦华新】(021-60556935)的业务员张三(157****5741)已揽收",
        ),
        RouteEvent(
            at=at(1732252055000), status=TrackingStatus.IN_TRANSIT, location="上海市 上海转运中心",
            provider_code="发件", text="【上海市】快件离开【上海转运中心】发往郑州转运中心",
        ),
        RouteEvent(
            at=at(1732320000000), status=TrackingStatus.IN_TRANSIT, location="郑州市 郑州高新区",
            provider_code="到件", text="【郑州市】快件已到达【郑州高新区】",
        ),
        RouteEvent(
            at=at(1732323600000), status=TrackingStatus.UNKNOWN, provider_code="新事件", text="没有人见过的事件",
        ),
        RouteEvent(
            at=at(1732327200000), status=TrackingStatus.OUT_FOR_DELIVERY, location="郑州市 郑州高新区",
            provider_code="派件", text="【郑州高新区】的业务员李四(900****0000)正在派件",
        ),
        RouteEvent(
            at=at(1732330800000), status=TrackingStatus.READY_FOR_PICKUP, location="郑州市 兔喜生活",
            provider_code="ARRIVAL", text="快件已被【兔喜生活】代收",
        ),
        RouteEvent(
            at=at(1732334400000), status=TrackingStatus.DELIVERED, location="郑州市 兔喜生活",
            provider_code="SIGNED", text="已签收,凭取货码签收",
        ),
    )  # fmt: skip


def test_courier_is_kept_nowhere() -> None:
    route = responses.read_route(sample("track"), NUMBER)
    kept = repr(route)
    assert "15712345741" not in kept
    assert "90000000000" not in kept
    assert "operateUser" not in route.raw
    assert json.loads(route.raw)[0]["scanType"] == "收件"


def test_locker_and_hub() -> None:
    assert STATUS_BY_SCAN["ARRIVAL"] is TrackingStatus.READY_FOR_PICKUP
    assert STATUS_BY_SCAN["到件"] is TrackingStatus.IN_TRANSIT


def test_unknown_code_leaves_the_status() -> None:
    rows = [
        {"billCode": NUMBER, "scanType": "派件", "scanDate": 1732244855123, "desc": "x"},
        {"billCode": NUMBER, "scanType": "新事件", "scanDate": 1732244856123, "desc": "y"},
    ]
    assert responses.read_route(succeeded(rows), NUMBER).status is TrackingStatus.OUT_FOR_DELIVERY
    assert responses.read_route(succeeded(rows[1:]), NUMBER).status is TrackingStatus.UNKNOWN


@pytest.mark.parametrize("milliseconds", [True, 1.5, "x", None, 1732244855, -1, 10**20])
def test_row_without_a_time_is_left_out(milliseconds: object) -> None:
    rows = [{"billCode": NUMBER, "scanType": "收件", "scanDate": milliseconds, "desc": "x"}]
    assert responses.read_route(succeeded(rows), NUMBER).events == ()


@pytest.mark.parametrize("result", [None, [], {}, "x", [7, None]])
def test_nothing_found(result: object) -> None:
    with pytest.raises(CarrierError) as caught:
        responses.read_route(succeeded(result), NUMBER)
    assert (caught.value.code, caught.value.retryable) == ("nothing_found", True)


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("S200", "busy"),
        ("S203", "busy"),
        ("S206", "throttled"),
        ("S221", "throttled"),
        ("S208", "not_accepted"),
        ("S211", "misconfigured"),
        ("S212", "misconfigured"),
        ("E409", "phone_needed"),
        ("E413", "phone_needed"),
        ("E416", "not_accepted"),
        ("X999", "busy"),
    ],
)
def test_errors_of_a_query(code: str, ours: str) -> None:
    with pytest.raises(CarrierError) as caught:
        responses.read_route(refused(code), NUMBER)
    assert (caught.value.code, caught.value.detail) == (ours, f"{code} 不行")


UNREADABLE = [
    "",
    "<html>",
    "[]",
    "{}",
    '{"status":"true"}',
    '{"status":true,"status":true}',
    '{"status":true',
]


@pytest.mark.parametrize("body", UNREADABLE)
def test_unreadable_answer(body: str) -> None:
    codes = []
    for read in (
        lambda reply: responses.read_route(reply, NUMBER),
        lambda reply: responses.read_found(reply, REFERENCE),
        responses.read_created,
        responses.read_cancelled,
    ):
        with pytest.raises(CarrierError) as caught:
            read(answered(body))
        codes.append(caught.value.code)
    assert codes == ["busy", "busy", "unknown", "unknown"]


def test_route_of_another_number() -> None:
    with pytest.raises(CarrierError) as caught:
        responses.read_route(sample("track"), "73100196611387")
    assert caught.value.code == "busy"


def test_whole_new_waybill() -> None:
    raw = {
        "billCode": NUMBER,
        "orderCode": "250522000006047100",
        "partnerOrderCode": REFERENCE,
        "bigMarkInfo": {"bagAddr": "沪西", "mark": "300- H12 09"},
    }
    assert responses.read_created(sample("created")) == NewWaybill(
        tracking_number=NUMBER,
        marks={"mark": "300- H12 09", "bag": "沪西"},
        raw=json.dumps(raw, ensure_ascii=False),
    )


def test_found_waybill_keeps_no_buyer() -> None:
    found = responses.read_found(sample("found"), REFERENCE)
    assert found is not None
    assert (found.tracking_number, dict(found.marks)) == (NUMBER, {})
    for canary in ("王小明", "13800138000", "文一西路588号", "13500000001"):
        assert canary not in repr(found)


@pytest.mark.parametrize("reply", [succeeded([]), succeeded(None), refused("SYS101", "订单不存在")])
def test_no_such_order(reply: Reply) -> None:
    assert responses.read_found(reply, REFERENCE) is None


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (refused("S208", "orderCode与billCode不能同时为空"), "not_accepted"),
        (refused("S211", "订单不存在"), "misconfigured"),
        (refused("S200"), "busy"),
        (succeeded([{"billCode": NUMBER, "partnerOrderCode": "ANOTHER"}]), "busy"),
        (succeeded([{"billCode": NUMBER}]), "busy"),
        (succeeded([{"billCode": "", "partnerOrderCode": REFERENCE}]), "busy"),
    ],
)
def test_a_doubtful_look_up_is_no_absence(reply: Reply, code: str) -> None:
    with pytest.raises(CarrierError) as caught:
        responses.read_found(reply, REFERENCE)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("reply", "code", "outcome_known"),
    [
        (refused("SYS104", "收件地址超出服务范围"), "refused", True),
        (refused("S211", "签名错误"), "misconfigured", True),
        (refused("S221"), "throttled", True),
        (refused("S200", "请求超时"), "unknown", False),
        (refused("S202"), "unknown", False),
        (refused("SYS107", "订单号重复"), "unknown", False),
        (succeeded({}), "unknown", False),
        (succeeded([]), "unknown", False),
        (answered('{"status":true,"statusCode":"SYS999","message":"?"}'), "refused", True),
    ],
)
def test_waybill_that_was_not_made(reply: Reply, code: str, outcome_known: bool) -> None:
    with pytest.raises(CarrierError) as caught:
        responses.read_created(reply)
    assert (caught.value.code, caught.value.outcome_known) == (code, outcome_known)


def test_refusal_has_the_carriers_words() -> None:
    with pytest.raises(CarrierError) as caught:
        responses.read_created(refused("SYS104", "收件地址超出服务范围"))
    assert caught.value.detail == "SYS104 收件地址超出服务范围"


def test_cancelling() -> None:
    for done in (succeeded({}), refused("SYS102", "订单已取消,请勿重复操作")):
        responses.read_cancelled(done)
    with pytest.raises(CarrierError) as caught:
        responses.read_cancelled(refused("SYS103", "快件已揽收,不能取消"))
    assert (caught.value.code, caught.value.detail) == ("refused", "SYS103 快件已揽收,不能取消")
