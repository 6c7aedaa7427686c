"""Kuaidi100's connector: the published signature vector, the query as sent, the response as read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from pytest_httpserver import HTTPServer

from logistics.carriers.kuaidi100.adapter import Kuaidi100
from logistics.carriers.kuaidi100.codes import COMPANIES, STATUS_BY_CODE
from logistics.carriers.kuaidi100.signatures import sign_query
from logistics.carriers.types import (
    CARRIER_ERRORS,
    CarrierError,
    CarrierKeys,
    CityStrip,
    Route,
    TrackingQuery,
    TrackingStatus,
)
from ordersite.lib.http import Gateway
from sandbox.tests.nobody import nobody

PAYLOADS = Path(__file__).parent / "payloads"
NUMBER = "YT2600227881409"
QUERY = TrackingQuery(carrier="yto", tracking_number=NUMBER)


def account_keys(query_url: str = "https://poll.kuaidi100.com/poll/query.do", **config: str) -> CarrierKeys:
    return CarrierKeys(
        "kuaidi100",
        "demo-kuaidi100",
        {"customer": "CUSTOMER", "query_url": query_url, **config},
        {"key": "KEY"},
        "1",
    )


def query_route(
    server: HTTPServer, response: object, query: TrackingQuery = QUERY, status: int = 200
) -> Route:
    """Query through the connector while the vendor sends this response."""
    text = response if isinstance(response, str) else json.dumps(response, ensure_ascii=False)
    server.expect_request("/query.do", method="POST").respond_with_data(text, status=status)
    return Kuaidi100().query(query, account_keys(server.url_for("/query.do")), Gateway())


def query_error(
    server: HTTPServer, response: object, query: TrackingQuery = QUERY, status: int = 200
) -> CarrierError:
    with pytest.raises(CarrierError) as caught:
        query_route(server, response, query, status)
    return caught.value


def sent_query(server: HTTPServer) -> dict[str, Any]:
    """The query that the vendor received; asserts its signature over the text as it arrived."""
    ((request, _response),) = server.log
    form = {
        name: values[0] for name, values in parse_qs(request.get_data().decode(), strict_parsing=True).items()
    }
    assert set(form) == {"customer", "sign", "param"}
    assert (form["customer"], form["sign"]) == (
        "CUSTOMER",
        sign_query(form["param"], key="KEY", customer="CUSTOMER"),
    )
    query: dict[str, Any] = json.loads(form["param"])
    return query


def route_response(**changes: Any) -> dict[str, Any]:
    return {
        "message": "ok",
        "nu": NUMBER,
        "com": "yuantong",
        "status": "200",
        "state": "0",
        "data": [],
        **changes,
    }


def event_row(time: str, code: str = "0", text: str = "x") -> dict[str, str]:
    return {"ftime": time, "time": time, "context": text, "statusCode": code}


def test_query_as_it_is_sent(server: HTTPServer) -> None:
    query = TrackingQuery(
        carrier="sf",
        tracking_number=" sf 1234567890123 ",
        phone_last4="8000",
        origin="深圳",
        destination="成都 + 1",
    )

    query_route(server, route_response(nu="SF1234567890123"), query)

    assert sent_query(server) == {
        "com": "shunfeng",
        "num": "SF1234567890123",
        "phone": "8000",
        "from": "深圳",
        "to": "成都 + 1",
        "resultv2": "8",
        "show": "0",
        "order": "desc",
    }


def test_whole_response(server: HTTPServer) -> None:
    text = (PAYLOADS / "signed_for.json").read_text()

    route = query_route(server, text)

    assert route.status is TrackingStatus.DELIVERED
    assert route.cities == CityStrip(origin="深圳市", current="成都市", destination="成都市")
    assert route.raw == text[:4000]
    assert [
        (event.at.isoformat(), event.status.value, event.provider_code, event.location)
        for event in route.events
    ] == [
        ("2026-11-20T13:10:09+00:00", "picked_up", "103", "广东 深圳市 龙岗区"),
        ("2026-11-20T14:10:09+00:00", "unknown", "7777", ""),
        ("2026-11-20T19:00:00+00:00", "in_transit", "1002", "广东 深圳市"),
        ("2026-11-22T00:12:40+00:00", "in_transit", "1001", "双流营业部"),
        ("2026-11-22T00:12:40+00:00", "out_for_delivery", "5", "四川 成都市 双流区"),
        ("2026-11-22T02:31:07+00:00", "delivered", "301", "四川 成都市 双流区"),
    ]
    assert route.events[-1].text == "您的快件已签收,签收人: 本人。感谢使用圆通速递"


def test_newest_event_decides_the_status(server: HTTPServer) -> None:
    rows = [
        event_row("2026-11-20 10:00:00", "0"),
        event_row("2026-11-22 10:00:00", "3", "y"),
        event_row("2026-11-21 10:00:00", "5", "z"),
    ]
    route = query_route(server, route_response(state="0", data=rows))
    assert [event.status.value for event in route.events] == ["in_transit", "out_for_delivery", "delivered"]
    assert route.status is TrackingStatus.DELIVERED


@pytest.mark.parametrize(
    ("data", "state", "status"),
    [
        ([], "3", TrackingStatus.DELIVERED),
        ([event_row("2026-11-22 10:00:00", "")], "5", TrackingStatus.OUT_FOR_DELIVERY),
        ([event_row("2026-11-22 10:00:00", "9999")], "6", TrackingStatus.RETURNING),
        ([event_row("2026-11-22 10:00:00", "9999")], "99", TrackingStatus.UNKNOWN),
        ([event_row("2026-11-22 10:00:00", "1001")], "3", TrackingStatus.IN_TRANSIT),
    ],
)
def test_overall_state_without_known_events(
    server: HTTPServer, data: list[Any], state: str, status: TrackingStatus
) -> None:
    assert query_route(server, route_response(state=state, data=data)).status is status


@pytest.mark.parametrize(
    "rows", [None, "x", [None, 7, "x", [], {}], [event_row("yesterday")], [event_row("")]]
)
def test_rows_that_are_no_events_are_left_out(server: HTTPServer, rows: object) -> None:
    assert query_route(server, route_response(data=rows)).events == ()


@pytest.mark.parametrize(
    "info", [None, "x", [], {"from": None}, {"from": "x", "cur": {}, "to": {"name": None}}]
)
def test_malformed_route_info_names_no_cities(server: HTTPServer, info: object) -> None:
    assert query_route(server, route_response(routeInfo=info)).cities == CityStrip()


def test_numeric_codes_are_read(server: HTTPServer) -> None:
    route = query_route(
        server,
        route_response(status=200, state=3, data=[{**event_row("2026-11-22 10:00:00"), "statusCode": 301}]),
    )
    assert (route.status, route.events[0].provider_code) == (TrackingStatus.DELIVERED, "301")


@pytest.mark.parametrize(
    ("code", "message", "ours", "retryable", "ends_run"),
    [
        ("400", "不支持此快递公司", "not_accepted", False, False),
        ("400", "账号余额不足,请充值", "out_of_funds", False, True),
        ("408", "手机号错误", "phone_needed", False, False),
        ("500", "查询无结果", "nothing_found", True, False),
        ("501", "服务器错误", "busy", True, False),
        ("502", "服务器繁忙", "busy", True, False),
        ("503", "验证签名失败", "misconfigured", False, True),
        ("504", "访问过于频繁", "throttled", True, False),
        ("601", "KEY已过期", "out_of_funds", False, True),
        ("999", "?", "busy", True, False),
    ],
)
def test_error_codes(  # noqa: PLR0913
    server: HTTPServer, code: str, message: str, ours: str, retryable: bool, ends_run: bool
) -> None:
    error = query_error(server, {"result": False, "returnCode": code, "message": message})
    assert (error.code, error.retryable, error.ends_run) == (ours, retryable, ends_run)
    assert message in error.detail
    assert str(error.message) == str(CARRIER_ERRORS[ours])


@pytest.mark.parametrize(
    ("response", "status"),
    [
        ("", 200),
        ("<html>", 200),
        ("[]", 200),
        ({}, 200),
        ({"result": True}, 200),
        (route_response(nu="YT0000000000000"), 200),
        ('{"status":"200","status":"200"}', 200),
        (route_response(), 500),
        (route_response(), 302),
    ],
)
def test_unusable_response_is_retryable(server: HTTPServer, response: object, status: int) -> None:
    error = query_error(server, response, status=status)
    assert (error.code, error.retryable, error.ends_run) == ("busy", True, False)


def test_http_429_means_throttled(server: HTTPServer) -> None:
    assert query_error(server, "", status=429).code == "throttled"


def test_connection_error_means_busy() -> None:
    with pytest.raises(CarrierError) as caught:
        Kuaidi100().query(QUERY, account_keys(f"{nobody()}/query.do"), Gateway())
    assert caught.value.code == "busy"


def test_impossible_address_ends_the_run() -> None:
    with pytest.raises(CarrierError) as caught:
        Kuaidi100().query(QUERY, account_keys("file:///x"), Gateway())
    assert (caught.value.code, caught.value.ends_run) == ("misconfigured", True)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (TrackingQuery(carrier="sf", tracking_number="SF1234567890123"), "phone_needed"),
        (TrackingQuery(carrier="zto", tracking_number="73111390619708"), "phone_needed"),
        (TrackingQuery(carrier="other", tracking_number="SF1234567890123"), "phone_needed"),
        (TrackingQuery(carrier="other", tracking_number="73111390619708"), "not_accepted"),
        (TrackingQuery(carrier="yto", tracking_number="YT1"), "not_accepted"),
        (TrackingQuery(carrier="yto", tracking_number="单号1234567"), "not_accepted"),
    ],
)
def test_hopeless_query_is_not_sent(server: HTTPServer, query: TrackingQuery, code: str) -> None:
    assert query_error(server, route_response(), query).code == code
    assert server.log == []


def test_plain_number_names_the_carrier(server: HTTPServer) -> None:
    query_route(server, route_response(), TrackingQuery(carrier="other", tracking_number=NUMBER))
    assert sent_query(server)["com"] == "yuantong"


def test_every_carrier_has_a_company_code() -> None:
    assert dict(COMPANIES) == {
        "sf": "shunfeng",
        "zto": "zhongtong",
        "yto": "yuantong",
        "sto": "shentong",
        "yunda": "yunda",
        "jtexpress": "jtexpress",
        "jd": "jd",
        "ems": "ems",
        "deppon": "debangkuaidi",
    }


def test_every_code_has_one_status() -> None:
    assert len(STATUS_BY_CODE) == 36
    assert STATUS_BY_CODE["304"] is TrackingStatus.DELIVERED
    assert STATUS_BY_CODE["501"] is TrackingStatus.READY_FOR_PICKUP
    assert STATUS_BY_CODE["4"] is TrackingStatus.RETURNED


@pytest.mark.parametrize(
    ("url", "wished", "seconds"),
    [
        ("https://poll.kuaidi100.com/poll/query.do", "", 1800),
        ("https://poll.kuaidi100.com/poll/query.do", "5", 1800),
        ("https://poll.kuaidi100.com/poll/query.do", "7200", 7200),
        ("http://127.0.0.1:8900/kuaidi100/query.do", "5", 5),
        ("http://localhost:8900/kuaidi100/query.do", "0", 0),
        ("http://127.0.0.1.example/query.do", "5", 1800),
        ("http://127.0.0.1:8900/kuaidi100/query.do", "soon", 1800),
    ],
)
def test_minimum_interval(url: str, wished: str, seconds: int) -> None:
    assert Kuaidi100().min_interval_seconds(account_keys(url, min_interval_seconds=wished)) == seconds


@pytest.mark.parametrize(
    ("keys", "problems"),
    [
        (account_keys(), 0),
        (account_keys("http://127.0.0.1:8900/kuaidi100/query.do", min_interval_seconds="5"), 0),
        (account_keys("http://poll.kuaidi100.com/poll/query.do"), 1),
        (account_keys(min_interval_seconds="-1"), 1),
        (account_keys(queries_per_second="42"), 0),
        (account_keys(queries_per_second="0"), 1),
        (account_keys(queries_per_second="201"), 1),
        (account_keys(subscribe_url="x", label_url="y"), 4),
        (CarrierKeys("kuaidi100", "x", {}, {}, "1"), 3),
    ],
)
def test_self_check(keys: CarrierKeys, problems: int) -> None:
    assert len(Kuaidi100().check(keys)) == problems


@pytest.mark.parametrize(
    ("agreed", "limit"), [("", None), ("1", 1), ("42", 42), ("200", 200), ("many", None)]
)
def test_more_than_one_query_at_a_time_only_by_contract(agreed: str, limit: int | None) -> None:
    assert Kuaidi100().most_queries_a_second(account_keys(queries_per_second=agreed)) == limit


def test_keys_are_not_in_the_repr() -> None:
    assert "KEY" not in repr(account_keys())
