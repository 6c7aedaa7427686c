"""What SF answers: each raw sample against the whole result, errors included."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from logistics.carriers.sf import responses
from logistics.carriers.sf.codes import STATUS_BY_CODE
from logistics.carriers.sf.routes import city_of
from logistics.carriers.sf.tests.account import (
    NO_ROUTE,
    NUMBER,
    ODD_CODE,
    REFERENCE,
    reply,
    sample,
    sf_request,
)
from logistics.carriers.types import (
    CarrierError,
    CityStrip,
    NewWaybill,
    Route,
    RouteEvent,
    TrackingStatus,
)
from ordersite.lib.http import Reply

EVIDENCE = (
    '{"orderId": "S202611290001", "originCode": "571", "destCode": "755", "filterResult": 2, "remark": null, '
    '"waybillNoInfoList": [{"waybillType": 1, "waybillNo": "SF7444400043064"}, {"waybillType": 2, "waybillNo": '
    '"SF7444400043065"}]}'
)
Reader = Callable[[Reply], object]


def created(answer: Reply) -> NewWaybill:
    return responses.read_created(answer, sf_request())


def found(answer: Reply) -> NewWaybill | None:
    return responses.read_found(answer, sf_request())


def routes(answer: Reply) -> dict[str, Route | CarrierError]:
    return responses.read_routes(answer, [NUMBER, NO_ROUTE, ODD_CODE])


def error_of(read: Reader, answer: Reply) -> tuple[str, str]:
    with pytest.raises(CarrierError) as caught:
        read(answer)
    return caught.value.code, caught.value.detail


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_created_waybill() -> None:
    assert created(reply("created.json")) == NewWaybill(
        tracking_number=NUMBER,
        marks={
            "origin": "571", "destination": "755", "route": "755W-TH1", "product": "标快", "mapping": "B7",
            "mapping_out": "1A", "transfer": "571W", "destination_team": "021",
        },
        insured_value=Decimal("199.9"),
        raw=EVIDENCE,
    )  # fmt: skip


def test_found_waybill_without_the_people_in_the_answer() -> None:
    assert found(reply("found.json")) == NewWaybill(
        tracking_number=NUMBER,
        marks={"origin": "571", "destination": "755"},
        insured_value=Decimal("199.9"),
        raw=EVIDENCE,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("review", ("unknown", "no number yet, filterResult 1")),
        ("cannot_deliver", ("refused", "filterResult 3 不可收派区域")),
        ("refused", ("refused", "20036 月结卡号不存在或已失效")),
        ("system_error", ("unknown", "S0003 系统发生数据错误或运行时异常")),
        ("throttled", ("throttled", "A1005 流量受控")),
        ("wrong_digest", ("misconfigured", "A1006 数字签名无效")),
        ("no_permission", ("misconfigured", "A1004 无对应服务权限")),
    ],
)
def test_order_that_brought_no_number(name: str, expected: tuple[str, str]) -> None:
    assert error_of(created, reply(f"{name}.json")) == expected


def test_duplicate_order() -> None:
    with pytest.raises(responses.DuplicateOrder, match="8016 重复下单"):
        created(reply("duplicate.json"))


def test_nothing_was_ordered() -> None:
    assert found(reply("not_ordered.json")) is None
    assert found(reply("cancelled_before.json")) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("review", ("busy", "no number yet, filterResult 1")),
        ("cannot_deliver", ("refused", "filterResult 3 不可收派区域")),
        ("refused", ("busy", "20036 月结卡号不存在或已失效")),
        ("wrong_digest", ("misconfigured", "A1006 数字签名无效")),
    ],
)
def test_search_that_says_nothing_certain(name: str, expected: tuple[str, str]) -> None:
    assert error_of(found, reply(f"{name}.json")) == expected


def test_cancelling() -> None:
    responses.read_cancelled(reply("cancelled.json"))
    responses.read_cancelled(reply("cancelled_before.json"))
    assert error_of(responses.read_cancelled, reply("not_ordered.json")) == ("refused", "8024 未下单")
    assert error_of(responses.read_cancelled, reply("system_error.json"))[0] == "unknown"


def test_routes_of_several_parcels() -> None:
    result = routes(reply("routes.json"))
    assert list(result) == [NUMBER, NO_ROUTE, ODD_CODE]
    first, none, odd = result.values()
    assert isinstance(none, CarrierError)
    assert (none.code, none.detail) == ("nothing_found", "no route; the phone may be another one")
    assert isinstance(first, Route)
    assert first == Route(
        events=(
            RouteEvent(
                at=at("2026-11-27 10:02:11"), status=TrackingStatus.PICKED_UP, text="顺丰速运 已收取快件",
                location="浙江省杭州市余杭区", provider_code="50",
            ),
            RouteEvent(
                at=at("2026-11-27 13:40:00"), status=TrackingStatus.IN_TRANSIT,
                text="快件已在【杭州钱江中转场】完成分拣,准备发往【深圳宝安中转场】", location="杭州市",
                provider_code="36",
            ),
            RouteEvent(
                at=at("2026-11-28 01:15:30"), status=TrackingStatus.IN_TRANSIT, text="快件到达【深圳科技园营业点】",
                location="深圳市", provider_code="31",
            ),
            RouteEvent(
                at=at("2026-11-28 02:01:00"), status=TrackingStatus.OUT_FOR_DELIVERY,
                text="快件交给李师傅,正在派送途中(联系电话:139****2222)", location="深圳市", provider_code="44",
            ),
        ),
        status=TrackingStatus.OUT_FOR_DELIVERY,
        cities=CityStrip(origin="杭州市", current="深圳市", destination="深圳市"),
        raw=first.raw,
    )  # fmt: skip
    assert "13911112222" not in first.raw
    assert isinstance(odd, Route)
    assert [(event.status, event.provider_code) for event in odd.events] == [
        (TrackingStatus.PICKED_UP, "54"),
        (TrackingStatus.UNKNOWN, "9999"),
    ]
    assert odd.status is TrackingStatus.IN_TRANSIT


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        (("44", "9999"), TrackingStatus.IN_TRANSIT),
        (("80", "9999"), TrackingStatus.DELIVERED),
        (("648", "9999"), TrackingStatus.RETURNING),
        (("80", "8000"), TrackingStatus.DELIVERED),
        (("80", "648"), TrackingStatus.RETURNING),
        (("501",), TrackingStatus.IN_TRANSIT),
    ],
)
def test_unknown_code_and_final_states(steps: tuple[str, ...], status: TrackingStatus) -> None:
    rows = [
        {"acceptTime": f"2026-11-28 10:0{minute}:00", "opCode": code, "remark": code}
        for minute, code in enumerate(steps)
    ]
    data = {"routeResps": [{"mailNo": NUMBER, "routes": rows}]}
    inner = {"success": True, "errorCode": "S0000", "msgData": data}
    route = responses.read_routes(enveloped(inner), [NUMBER])[NUMBER]
    assert isinstance(route, Route)
    assert route.status is status


def test_name_of_the_status_where_the_code_says_nothing() -> None:
    row = {"acceptTime": "2026-11-28 10:00:00", "opCode": "9998", "remark": "x", "firstStatusName": "已签收"}
    data = {"routeResps": [{"mailNo": NUMBER, "routes": [row, {"remark": "no time"}, None]}]}
    route = responses.read_routes(
        enveloped({"success": True, "errorCode": "S0000", "msgData": data}), [NUMBER]
    )[NUMBER]
    assert isinstance(route, Route)
    assert route.status is TrackingStatus.DELIVERED


def enveloped(inner: Any) -> Reply:
    return Reply(200, {}, json.dumps({"apiResultCode": "A1000", "apiResultData": inner}).encode(), 1)


UNREADABLE = (
    b"", b"<html>", b"[]", b'{"apiResultCode":"A1000"}', b'{"apiResultCode":"A1000","apiResultData":"<x/>"}',
    b'{"apiResultCode":"A1000","apiResultData":"[]"}', b'{"apiResultCode":"A1000","apiResultData":"{}"}',
    b'{"apiResultCode":"A1099","apiErrorMsg":"x"}', b'{"apiResultCode":"A1009"}', b'{"apiResultCode":"A1007"}',
    b'{"apiResultCode":"A1000","apiResultData":"{\\"success\\":true,\\"errorCode\\":\\"8016\\"}"}',
    b'{"apiResultCode":"A1000","apiResultData":"{\\"success\\":false,\\"errorCode\\":\\"S0000\\"}"}',
    b'{"apiResultCode":"A1000","apiResultData":"{\\"success\\":true,\\"errorCode\\":\\"S0000\\"}"}',
    b'{"apiResultCode":"A1000","apiResultData":"{\\"success\\":true,\\"errorCode\\":\\"S0000\\",\\"msgData\\":7}"}',
)  # fmt: skip


@pytest.mark.parametrize("body", UNREADABLE)
def test_answer_that_is_not_clear(body: bytes) -> None:
    answer = Reply(200, {}, body, 1)
    assert error_of(created, answer)[0] == "unknown"
    assert error_of(found, answer)[0] == "busy"
    assert error_of(routes, answer)[0] == "busy"


def test_answer_about_another_order() -> None:
    other = Reply(200, {}, sample("created.json").replace(REFERENCE.encode(), b"S202611290009"), 1)
    assert error_of(created, other)[0] == "unknown"
    assert error_of(found, other)[0] == "busy"


@pytest.mark.parametrize(
    ("address", "city"),
    [
        ("浙江省杭州市余杭区", "杭州市"),
        ("广州市", "广州市"),
        ("广西壮族自治区南宁市", "南宁市"),
        ("贵州省黔东南苗族侗族自治州凯里市", "黔东南苗族侗族自治州"),
        ("北京市朝阳区", "北京市"),
        ("", ""),
        ("SHENZHEN", ""),
    ],
)
def test_city_of_an_address(address: str, city: str) -> None:
    assert city_of(address) == city


def test_table_of_codes() -> None:
    assert len(STATUS_BY_CODE) == 25
    assert STATUS_BY_CODE["99"] is TrackingStatus.IN_TRANSIT
    assert STATUS_BY_CODE["130"] is TrackingStatus.READY_FOR_PICKUP
