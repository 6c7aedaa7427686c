"""What YTO answers: whole samples, its two shapes, errors, and no courier kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logistics.carriers.types import CarrierError, CityStrip, NewWaybill, RouteEvent, TrackingStatus
from logistics.carriers.yto import responses
from logistics.carriers.yto.codes import STATUS_BY_CONTENT
from logistics.carriers.yto.tests.account import NUMBER, REFERENCE
from ordersite.lib.http import Reply

PAYLOADS = Path(__file__).parent / "payloads"


def answered(body: object) -> Reply:
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return Reply(200, {}, text.encode(), 1)


def sample(name: str) -> Reply:
    return Reply(200, {}, (PAYLOADS / f"{name}.json").read_bytes(), 1)


def refused(reason: str) -> Reply:
    return answered({"success": "false", "code": "B1", "reason": reason})


def at(day: int, hour: int, minute: int, second: int) -> datetime:
    return datetime(2023, 4, day, hour, minute, second, tzinfo=UTC)


def test_whole_route() -> None:
    route = responses.read_route(sample("track"), NUMBER)
    assert route.status is TrackingStatus.DELIVERED
    assert route.cities == CityStrip(origin="金华市", current="绍兴市", destination="绍兴市")
    assert route.events == (
        RouteEvent(
            at=at(24, 12, 37, 33), status=TrackingStatus.PICKED_UP, location="金华市 义乌市", provider_code="GOT",
            text="您的快件被【浙江省金华市义乌市上溪镇】揽收,揽收人: 张三 (139****3333)",
        ),
        RouteEvent(
            at=at(24, 15, 12, 15), status=TrackingStatus.IN_TRANSIT, location="金华市 义乌市",
            provider_code="DEPARTURE", text="您的快件离开【浙江省金华市义乌市上溪镇】",
        ),
        RouteEvent(
            at=at(24, 17, 45, 3), status=TrackingStatus.IN_TRANSIT, location="绍兴市 上虞区",
            provider_code="ARRIVAL", text="您的快件已经到达【上虞转运中心公司】",
        ),
        RouteEvent(
            at=at(24, 18, 0, 0), status=TrackingStatus.UNKNOWN, provider_code="SOMETHING_NEW",
            text="没有人见过的事件",
        ),
        RouteEvent(
            at=at(25, 5, 50, 14), status=TrackingStatus.OUT_FOR_DELIVERY, location="绍兴市 上虞区",
            provider_code="SENT_SCAN", text="【浙江省绍兴市上虞市】的李四(139****3333)正在派件",
        ),
        RouteEvent(
            at=at(25, 7, 9, 52), status=TrackingStatus.DELIVERED, location="绍兴市 上虞区",
            provider_code="SIGNED", text="您的快件已签收,签收人: 王五",
        ),
    )  # fmt: skip
    assert "13911113333" not in repr(route)


def test_hub_and_locker() -> None:
    assert STATUS_BY_CONTENT["ARRIVAL"] is TrackingStatus.IN_TRANSIT
    assert STATUS_BY_CONTENT["INBOUND"] is TrackingStatus.READY_FOR_PICKUP


@pytest.mark.parametrize("reply", [sample("nothing_found"), answered([]), answered([7])])
def test_nothing_found(reply: Reply) -> None:
    with pytest.raises(CarrierError) as caught:
        responses.read_route(reply, NUMBER)
    assert caught.value.code == "nothing_found"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (refused("签名验证失败"), "misconfigured"),
        (refused("客户编码不存在"), "misconfigured"),
        (refused("调用过于频繁"), "throttled"),
        (refused("系统超时"), "busy"),
        (refused("?"), "busy"),
        (answered({"code": "1001", "success": "false"}), "busy"),
        (answered("x"), "busy"),
        (answered("7"), "busy"),
        (answered('[{"a":1,"a":2}]'), "busy"),
        (answered([{"waybill_No": "YT2000000000002", "upload_Time": "2023-04-24 20:37:33"}]), "busy"),
    ],
)
def test_errors_of_a_query(reply: Reply, code: str) -> None:
    with pytest.raises(CarrierError) as caught:
        responses.read_route(reply, NUMBER)
    assert caught.value.code == code


def test_whole_new_waybill() -> None:
    raw = {
        "customerCode": "K21000119",
        "logisticsNo": REFERENCE,
        "mailNo": NUMBER,
        "shortAddress": "300-012-09",
    }
    expected = NewWaybill(
        tracking_number=NUMBER, marks={"mark": "300-012-09"}, raw=json.dumps(raw, ensure_ascii=False)
    )
    assert responses.read_created(sample("created")) == expected


@pytest.mark.parametrize(
    ("reply", "code", "outcome_known"),
    [
        (refused("收件地址不在派送范围"), "refused", True),
        (refused("签名验证失败"), "misconfigured", True),
        (refused("调用过于频繁"), "throttled", True),
        (refused("订单已存在"), "unknown", False),
        (refused("服务调用超时"), "unknown", False),
        (answered({"reason": "余额不足"}), "refused", True),
        (answered({"mailNo": NUMBER, "success": "false", "reason": "余额不足"}), "refused", True),
        (answered({}), "unknown", False),
        (answered({"success": "true"}), "unknown", False),
        (answered([]), "unknown", False),
        (answered("<html>"), "unknown", False),
        (answered(""), "unknown", False),
    ],
)
def test_waybill_that_was_not_made(reply: Reply, code: str, outcome_known: bool) -> None:
    with pytest.raises(CarrierError) as caught:
        responses.read_created(reply)
    assert (caught.value.code, caught.value.outcome_known) == (code, outcome_known)


def test_refusal_has_the_carriers_words() -> None:
    with pytest.raises(CarrierError) as caught:
        responses.read_created(refused("收件地址不在派送范围"))
    assert caught.value.detail == "B1 收件地址不在派送范围"


def test_cancelling() -> None:
    for done in (answered({"logisticsNo": REFERENCE}), refused("订单已取消")):
        responses.read_cancelled(done, REFERENCE)
    wrong = [(refused("快件已揽收"), "refused"), (answered({"logisticsNo": "ANOTHER"}), "unknown")]
    for reply, code in wrong:
        with pytest.raises(CarrierError) as caught:
            responses.read_cancelled(reply, REFERENCE)
        assert caught.value.code == code
