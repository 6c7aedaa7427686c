"""What STO answers: whole samples, errors in both its forms, and no courier kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from logistics.carriers.sto import responses
from logistics.carriers.sto.tests.account import NUMBER, REFERENCE, reply, sto_request
from logistics.carriers.types import CarrierError, CityStrip, NewWaybill, RouteEvent, TrackingStatus
from ordersite.lib.http import Reply


def answered(body: object) -> Reply:
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return Reply(200, {}, text.encode(), 1)


def refused(words: str, **more: object) -> Reply:
    return answered({"success": "false", "errorCode": "E1", "errorMsg": words, **more})


def at(day: int, hour: int, minute: int, second: int = 0) -> datetime:
    return datetime(2024, 6, day, hour, minute, second, tzinfo=UTC)


def test_whole_route() -> None:
    route = responses.read_route(reply("routes.json"), NUMBER)
    assert route.status is TrackingStatus.DELIVERED
    assert route.cities == CityStrip(origin="上海市", current="杭州市", destination="杭州市")
    assert route.events == (
        RouteEvent(
            at=at(3, 3, 20), status=TrackingStatus.PICKED_UP, provider_code="收件",
            location="上海市 上海青浦重固网点", text="【上海青浦重固网点】的张三 (139****4444) 已收件",
        ),
        RouteEvent(
            at=at(3, 12, 1, 5), status=TrackingStatus.IN_TRANSIT, provider_code="发件",
            location="上海市 上海转运中心", text="快件由【上海转运中心】发往【浙江杭州转运中心】",
        ),
        RouteEvent(
            at=at(3, 18, 10), status=TrackingStatus.IN_TRANSIT, provider_code="到件",
            location="杭州市 浙江杭州转运中心", text="快件已到达【浙江杭州转运中心】",
        ),
        RouteEvent(
            at=at(4, 0, 0), status=TrackingStatus.OUT_FOR_DELIVERY, provider_code="派件",
            location="杭州市 浙江杭州余杭网点", text="【浙江杭州余杭网点】的李四 (139****4444) 正在派件",
        ),
        RouteEvent(
            at=at(4, 2, 0), status=TrackingStatus.EXCEPTION, provider_code="问题件",
            location="杭州市 浙江杭州余杭网点", text="问题件 收件人电话无人接听",
        ),
        RouteEvent(
            at=at(4, 4, 0), status=TrackingStatus.UNKNOWN, provider_code="驿站出库",
            location="杭州市 丰巢柜", text="没有公开含义的扫描",
        ),
        RouteEvent(
            at=at(4, 8, 48, 11), status=TrackingStatus.DELIVERED, provider_code="签收",
            location="杭州市 浙江杭州余杭网点", text="快件已签收",
        ),
    )  # fmt: skip
    for canary in ("13911114444", "021-2871662", "bizEmpName", "王五"):
        assert canary not in repr(route)


def test_order_of_the_rows_does_not_matter() -> None:
    turned = json.loads(reply("routes.json").body)
    turned["data"][NUMBER].reverse()
    route, usual = (responses.read_route(one, NUMBER) for one in (answered(turned), reply("routes.json")))
    assert (route.events, route.status, route.cities) == (usual.events, usual.status, usual.cities)


@pytest.mark.parametrize(
    "answer",
    [
        reply("nothing_found.json"),
        answered({"success": True, "data": {}}),
        answered({"success": True, "data": None}),
        answered({"success": True, "data": {NUMBER: [7]}}),
    ],
)
def test_nothing_found(answer: Reply) -> None:
    with pytest.raises(CarrierError, match="nothing_found"):
        responses.read_route(answer, NUMBER)


OTHER = {"waybillNo": "777031922725112", "opTime": "2024-06-03 11:20:00"}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply("wrong_digest.xml"), "misconfigured"),
        (refused("未订阅该接口"), "misconfigured"),
        (refused("from_appKey不存在"), "misconfigured"),
        (refused("调用过于频繁"), "throttled"),
        (refused("系统超时"), "busy"),
        (refused("?"), "busy"),
        (answered({}), "busy"),
        (answered({"success": "true", "data": []}), "busy"),
        (answered({"success": "true", "data": {NUMBER: [OTHER]}}), "busy"),
        (answered("[]"), "busy"),
        (answered('{"success":"true","success":"true"}'), "busy"),
        (answered("<html>"), "busy"),
        (answered("<html></html>"), "busy"),
        (answered('<!DOCTYPE r [<!ENTITY x "y">]><response><success>&x;</success></response>'), "busy"),
        (answered(""), "busy"),
    ],
)
def test_errors_of_a_query(answer: Reply, code: str) -> None:
    with pytest.raises(CarrierError) as caught:
        responses.read_route(answer, NUMBER)
    assert caught.value.code == code


def test_whole_new_waybill() -> None:
    raw = {
        "orderNo": REFERENCE, "waybillNo": NUMBER, "bigWord": "877-342-213", "packagePlace": "上海青浦集包地",
    }  # fmt: skip
    assert responses.read_created(reply("created.json"), sto_request()) == NewWaybill(
        tracking_number=NUMBER,
        marks={"mark": "877-342-213", "package_place": "上海青浦集包地"},
        raw=json.dumps(raw, ensure_ascii=False),
    )


@pytest.mark.parametrize(
    ("answer", "code", "outcome_known"),
    [
        (reply("refused.json"), "refused", True),
        (reply("wrong_digest.xml"), "misconfigured", True),
        (refused("网点编码或面单密码不正确"), "misconfigured", True),
        (refused("调用过于频繁"), "throttled", True),
        (refused("订单已存在"), "unknown", False),
        (refused("该订单号不能再次使用"), "unknown", False),
        (refused("服务调用超时"), "unknown", False),
        (refused("收件地址不在派送范围", needRetry="true"), "unknown", False),
        (answered({"success": "false"}), "unknown", False),
        (answered({"errorMsg": "余额不足"}), "unknown", False),
        (answered({"success": "true", "data": None}), "unknown", False),
        (
            answered({"success": "true", "data": {"orderNo": "ANOTHER", "waybillNo": NUMBER}}),
            "unknown",
            False,
        ),
        (answered({"success": "true", "data": {"orderNo": REFERENCE}}), "unknown", False),
        (answered("<html></html>"), "unknown", False),
        (answered(""), "unknown", False),
    ],
)
def test_waybill_that_was_not_made(answer: Reply, code: str, outcome_known: bool) -> None:
    with pytest.raises(CarrierError) as caught:
        responses.read_created(answer, sto_request())
    assert (caught.value.code, caught.value.outcome_known) == (code, outcome_known)


def test_refusal_has_the_carriers_words() -> None:
    with pytest.raises(CarrierError) as caught:
        responses.read_created(reply("refused.json"), sto_request())
    assert caught.value.detail == "B001 收件地址不在派送范围"


def test_cancelling() -> None:
    for done in (reply("cancelled.json"), answered({"success": True}), refused("订单已取消")):
        responses.read_cancelled(done)
    wrong = [
        (refused("快件已揽收"), "refused"),
        (answered({"success": True, "data": "处理中"}), "unknown"),
        (answered([]), "unknown"),
    ]
    for answer, code in wrong:
        with pytest.raises(CarrierError) as caught:
            responses.read_cancelled(answer)
        assert caught.value.code == code
