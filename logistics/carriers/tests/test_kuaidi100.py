"""Kuaidi100's query: the signature's published vectors, the question as sent, the answer as read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from pytest_httpserver import HTTPServer

from logistics.carriers.kuaidi100 import COMPANIES, STATUS_BY_CODE, Kuaidi100, sign_query
from logistics.carriers.numbers import candidates, recognise, tidy_number
from logistics.carriers.registry import CARRIERS, FALLBACK, carrier_choices, get_carrier
from logistics.carriers.types import (
    CARRIER_ERRORS,
    CarrierError,
    CarrierKeys,
    CityStrip,
    Route,
    RouteEvent,
    TrackingQuery,
    TrackingStatus,
    tidy_events,
)
from ordersite.lib.http import Gateway

PAYLOADS = Path(__file__).parent / "payloads"
NUMBER = "YT2600227881409"
QUESTION = TrackingQuery(carrier="yto", tracking_number=NUMBER)


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1") as running:
        yield running


def account(query_url: str = "https://poll.kuaidi100.com/poll/query.do", **config: str) -> CarrierKeys:
    return CarrierKeys(
        "kuaidi100",
        "demo-kuaidi100",
        {"customer": "CUSTOMER", "query_url": query_url, **config},
        {"key": "KEY"},
        "1",
    )


def ask(server: HTTPServer, answer: object, question: TrackingQuery = QUESTION, status: int = 200) -> Route:
    """The connector's answer when the vendor says this."""
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    server.expect_request("/query.do", method="POST").respond_with_data(text, status=status)
    return Kuaidi100().query(question, account(server.url_for("/query.do")), Gateway())


def refusal(
    server: HTTPServer, answer: object, question: TrackingQuery = QUESTION, status: int = 200
) -> CarrierError:
    with pytest.raises(CarrierError) as caught:
        ask(server, answer, question, status)
    return caught.value


def sent(server: HTTPServer) -> dict[str, Any]:
    """The question that the vendor got, its signature compared with the text as it arrived."""
    ((request, _response),) = server.log
    form = {
        name: values[0] for name, values in parse_qs(request.get_data().decode(), strict_parsing=True).items()
    }
    assert set(form) == {"customer", "sign", "param"}
    assert (form["customer"], form["sign"]) == (
        "CUSTOMER",
        sign_query(form["param"], key="KEY", customer="CUSTOMER"),
    )
    question: dict[str, Any] = json.loads(form["param"])
    return question


def found(**changes: Any) -> dict[str, Any]:
    return {
        "message": "ok",
        "nu": NUMBER,
        "com": "yuantong",
        "status": "200",
        "state": "0",
        "data": [],
        **changes,
    }


def step(time: str, code: str = "0", text: str = "x") -> dict[str, str]:
    return {"ftime": time, "time": time, "context": text, "statusCode": code}


def test_the_vendors_signature_vector() -> None:
    param = '{"com":"yuantong","num":"YT2600227881409"}'
    assert sign_query(param, key="KEY", customer="CUSTOMER") == "467F5A29A0A2F0711E0F7A72B2EF0CF3"


def test_the_question_as_it_is_sent(server: HTTPServer) -> None:
    question = TrackingQuery(
        carrier="sf",
        tracking_number=" sf 1234567890123 ",
        phone_last4="8000",
        origin="深圳",
        destination="成都 + 1",
    )
    ask(server, found(nu="SF1234567890123"), question)
    assert sent(server) == {
        "com": "shunfeng",
        "num": "SF1234567890123",
        "phone": "8000",
        "from": "深圳",
        "to": "成都 + 1",
        "resultv2": "4",
        "show": "0",
        "order": "desc",
    }


def test_a_whole_answer(server: HTTPServer) -> None:
    text = (PAYLOADS / "kuaidi100_signed_for.json").read_text()
    answer = ask(server, text)
    assert answer.status is TrackingStatus.DELIVERED
    assert answer.cities == CityStrip(origin="深圳市", current="成都市", destination="成都市")
    assert answer.raw == text[:4000]
    assert [
        (event.at.isoformat(), event.status.value, event.provider_code, event.location)
        for event in answer.events
    ] == [
        ("2026-11-20T13:10:09+00:00", "picked_up", "103", "广东 深圳市 龙岗区"),
        ("2026-11-20T14:10:09+00:00", "unknown", "7777", ""),
        ("2026-11-20T19:00:00+00:00", "in_transit", "1002", "广东 深圳市"),
        ("2026-11-22T00:12:40+00:00", "in_transit", "1001", "双流营业部"),
        ("2026-11-22T00:12:40+00:00", "out_for_delivery", "5", "四川 成都市 双流区"),
        ("2026-11-22T02:31:07+00:00", "delivered", "301", "四川 成都市 双流区"),
    ]
    assert answer.events[-1].text == "您的快件已签收,签收人: 本人。感谢使用圆通速递"


def test_the_status_is_that_of_the_newest_event_not_of_the_first_row(server: HTTPServer) -> None:
    rows = [
        step("2026-11-20 10:00:00", "0"),
        step("2026-11-22 10:00:00", "3", "y"),
        step("2026-11-21 10:00:00", "5", "z"),
    ]
    answer = ask(server, found(state="0", data=rows))
    assert [event.status.value for event in answer.events] == ["in_transit", "out_for_delivery", "delivered"]
    assert answer.status is TrackingStatus.DELIVERED


@pytest.mark.parametrize(
    ("data", "state", "status"),
    [
        ([], "3", TrackingStatus.DELIVERED),
        ([step("2026-11-22 10:00:00", "")], "5", TrackingStatus.OUT_FOR_DELIVERY),
        ([step("2026-11-22 10:00:00", "9999")], "6", TrackingStatus.RETURNING),
        ([step("2026-11-22 10:00:00", "9999")], "99", TrackingStatus.UNKNOWN),
        ([step("2026-11-22 10:00:00", "1001")], "3", TrackingStatus.IN_TRANSIT),
    ],
)
def test_the_overall_state_speaks_where_the_events_do_not(
    server: HTTPServer, data: list[Any], state: str, status: TrackingStatus
) -> None:
    assert ask(server, found(state=state, data=data)).status is status


@pytest.mark.parametrize("rows", [None, "x", [None, 7, "x", [], {}], [step("yesterday")], [step("")]])
def test_rows_that_are_no_events_are_left_out(server: HTTPServer, rows: object) -> None:
    assert ask(server, found(data=rows)).events == ()


@pytest.mark.parametrize(
    "info", [None, "x", [], {"from": None}, {"from": "x", "cur": {}, "to": {"name": None}}]
)
def test_an_odd_route_info_is_no_strip(server: HTTPServer, info: object) -> None:
    assert ask(server, found(routeInfo=info)).cities == CityStrip()


def test_numbers_for_codes_are_understood(server: HTTPServer) -> None:
    answer = ask(
        server, found(status=200, state=3, data=[{**step("2026-11-22 10:00:00"), "statusCode": 301}])
    )
    assert (answer.status, answer.events[0].provider_code) == (TrackingStatus.DELIVERED, "301")


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
def test_refusals(  # noqa: PLR0913
    server: HTTPServer, code: str, message: str, ours: str, retryable: bool, ends_run: bool
) -> None:
    error = refusal(server, {"result": False, "returnCode": code, "message": message})
    assert (error.code, error.retryable, error.ends_run) == (ours, retryable, ends_run)
    assert message in error.detail
    assert str(error.message) == str(CARRIER_ERRORS[ours])


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("", 200),
        ("<html>", 200),
        ("[]", 200),
        ({}, 200),
        ({"result": True}, 200),
        (found(nu="YT0000000000000"), 200),
        ('{"status":"200","status":"200"}', 200),
        (found(), 500),
        (found(), 302),
    ],
)
def test_an_answer_that_cannot_be_used_is_asked_for_again(
    server: HTTPServer, answer: object, status: int
) -> None:
    error = refusal(server, answer, status=status)
    assert (error.code, error.retryable, error.ends_run) == ("busy", True, False)


def test_http_429_is_throttling(server: HTTPServer) -> None:
    assert refusal(server, "", status=429).code == "throttled"


def test_nobody_there_is_busy() -> None:
    with pytest.raises(CarrierError) as caught:
        Kuaidi100().query(QUESTION, account("http://127.0.0.1:9/query.do"), Gateway())
    assert caught.value.code == "busy"


def test_an_impossible_address_ends_the_run() -> None:
    with pytest.raises(CarrierError) as caught:
        Kuaidi100().query(QUESTION, account("file:///x"), Gateway())
    assert (caught.value.code, caught.value.ends_run) == ("misconfigured", True)


@pytest.mark.parametrize(
    ("question", "code"),
    [
        (TrackingQuery(carrier="sf", tracking_number="SF1234567890123"), "phone_needed"),
        (TrackingQuery(carrier="zto", tracking_number="73111390619708"), "phone_needed"),
        (TrackingQuery(carrier="other", tracking_number="SF1234567890123"), "phone_needed"),
        (TrackingQuery(carrier="other", tracking_number="73111390619708"), "not_accepted"),
        (TrackingQuery(carrier="yto", tracking_number="YT1"), "not_accepted"),
        (TrackingQuery(carrier="yto", tracking_number="单号1234567"), "not_accepted"),
    ],
)
def test_a_question_without_hope_is_not_sent(server: HTTPServer, question: TrackingQuery, code: str) -> None:
    assert refusal(server, found(), question).code == code
    assert server.log == []


def test_another_carrier_is_asked_for_where_its_number_is_plain(server: HTTPServer) -> None:
    ask(server, found(), TrackingQuery(carrier="other", tracking_number=NUMBER))
    assert sent(server)["com"] == "yuantong"


def test_every_carrier_of_the_api_has_a_code() -> None:
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


def test_every_known_code_has_one_status() -> None:
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
def test_the_floor_between_two_questions(url: str, wished: str, seconds: int) -> None:
    assert Kuaidi100().min_interval_seconds(account(url, min_interval_seconds=wished)) == seconds


@pytest.mark.parametrize(
    ("keys", "problems"),
    [
        (account(), 0),
        (account("http://127.0.0.1:8900/kuaidi100/query.do", min_interval_seconds="5"), 0),
        (account("http://poll.kuaidi100.com/poll/query.do"), 1),
        (account(min_interval_seconds="-1"), 1),
        (account(subscribe_url="x", label_url="y"), 2),
        (CarrierKeys("kuaidi100", "x", {}, {}, "1"), 3),
    ],
)
def test_self_check(keys: CarrierKeys, problems: int) -> None:
    assert len(Kuaidi100().check(keys)) == problems


def test_keys_do_not_show() -> None:
    assert "KEY" not in repr(account())


def test_the_registry() -> None:
    assert list(CARRIERS) == [FALLBACK] == ["kuaidi100"]
    assert get_carrier("kuaidi100").name == "kuaidi100"
    assert carrier_choices() == [("kuaidi100", str(Kuaidi100.label))]
    with pytest.raises(Exception, match="unknown_carrier"):
        get_carrier("pigeon")


def test_events_of_one_second_keep_the_vendors_order() -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    newest_first = [RouteEvent(at=at, status=TrackingStatus.UNKNOWN, text=text) for text in "cbaab"]
    assert [event.text for event in tidy_events(newest_first)] == ["a", "b", "c"]


# Shapes of numbers


@pytest.mark.parametrize(
    ("number", "carrier"),
    [
        ("SF1234567890123", "sf"),
        (" sf 1234567890123", "sf"),
        ("YT2600227881409", "yto"),
        ("JT1234567890123", "jtexpress"),
        ("JDVA12345678901", "jd"),
        ("EE123456785CN", "ems"),
        ("EE123456784CN", None),
        ("EE263999513CN", "ems"),
        ("73111390619708", None),
        ("777031922725111", None),
        ("123456789012", None),
        ("", None),
    ],
)
def test_only_plain_shapes_are_recognised(number: str, carrier: str | None) -> None:
    assert recognise(number) == carrier


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("YT2600227881409", ["yto"]),
        ("73111390619708", ["zto"]),
        ("777031922725111", ["sto"]),
        ("4312345678901", ["yunda", "ems"]),
        ("DPK123456789012", ["deppon"]),
        ("881234567890", ["sto", "sf"]),
        ("１２３４５６７８９０１２", []),
        ("hello", []),
    ],
)
def test_candidates(number: str, expected: list[str]) -> None:
    assert candidates(number) == expected


def test_numbers_are_compared_tidied() -> None:
    assert tidy_number(" yt 2600\t227881409 ") == NUMBER
