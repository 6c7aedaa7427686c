"""A subscription as it is sent, and its answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from logistics.carriers.kuaidi100.adapter import Kuaidi100
from logistics.carriers.kuaidi100.tests.vendor import account_of, answer, received_form, received_param
from logistics.carriers.types import CarrierError, CarrierKeys, TrackingQuery
from ordersite.lib.http import Gateway
from sandbox.tests.nobody import nobody

PUSH_URL = "https://shop.example/push/kuaidi100/t0ken/"
QUERY = TrackingQuery(carrier="yto", tracking_number="YT2600227881409", origin="深圳", destination="成都")


def subscribe(server: HTTPServer, response: object, query: TrackingQuery = QUERY) -> None:
    answer(server, "/subscribe", response)
    Kuaidi100().subscribe(query, account_of(server), Gateway(), push_url=PUSH_URL)


def accepted(code: str = "200") -> dict[str, Any]:
    return {"result": code == "200", "returnCode": code, "message": "提交成功"}


def test_as_it_is_sent(server: HTTPServer) -> None:
    subscribe(server, accepted())

    assert received_form(server)["schema"] == "json"
    assert received_param(server) == {
        "company": "yuantong",
        "number": "YT2600227881409",
        "from": "深圳",
        "to": "成都",
        "key": "KEY",
        "parameters": {"callbackurl": PUSH_URL, "salt": "SALT", "resultv2": "8", "autoCom": "0"},
    }


def test_phone_goes_where_the_carrier_wants_one(server: HTTPServer) -> None:
    subscribe(
        server, accepted(), TrackingQuery(carrier="zto", tracking_number="73111390619708", phone_last4="8000")
    )
    assert received_param(server)["parameters"]["phone"] == "8000"


def test_unknown_carrier_is_left_to_the_vendor(server: HTTPServer) -> None:
    subscribe(server, accepted(), TrackingQuery(carrier="other", tracking_number="73111390619708"))
    param = received_param(server)
    assert "company" not in param
    assert param["parameters"]["autoCom"] == "1"


def test_standing_subscription_is_a_success(server: HTTPServer) -> None:
    subscribe(server, {"result": False, "returnCode": "501", "message": "POLL:重复订阅"})


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("500", "busy"),
        ("600", "misconfigured"),
        ("601", "out_of_funds"),
        ("700", "not_accepted"),
        ("701", "not_accepted"),
        ("702", "not_accepted"),
        ("999", "busy"),
    ],
)
def test_refusals(server: HTTPServer, code: str, ours: str) -> None:
    with pytest.raises(CarrierError) as caught:
        subscribe(server, {"result": False, "returnCode": code, "message": "拒绝"})
    assert (caught.value.code, caught.value.detail) == (ours, f"{code} 拒绝")


@pytest.mark.parametrize("response", ["", "<html>", "[]", {}])
def test_unreadable_answer_may_be_repeated(server: HTTPServer, response: object) -> None:
    with pytest.raises(CarrierError) as caught:
        subscribe(server, response)
    assert caught.value.code == "busy"


def test_hopeless_subscription_is_not_sent(server: HTTPServer) -> None:
    with pytest.raises(CarrierError, match="phone_needed"):
        subscribe(server, accepted(), TrackingQuery(carrier="sf", tracking_number="SF1234567890123"))
    assert server.log == []


def test_account_without_the_address_subscribes_nothing(server: HTTPServer) -> None:
    with pytest.raises(CarrierError, match="not_accepted"):
        Kuaidi100().subscribe(QUERY, account_of(server, subscribe_url=""), Gateway(), push_url=PUSH_URL)


@pytest.mark.parametrize(("name", "secret"), [("subscribe_url", "salt"), ("label_url", "secret")])
def test_interface_without_its_secret_is_a_problem(server: HTTPServer, name: str, secret: str) -> None:
    whole = account_of(server)
    secrets = {key: value for key, value in whole.secrets.items() if key != secret}
    poorer = CarrierKeys("kuaidi100", "demo", whole.config, secrets)
    assert Kuaidi100().check(whole) == []
    assert len(Kuaidi100().check(poorer)) == 1


def recognise(server: HTTPServer, response: object, **config: str) -> tuple[str, ...]:
    answer(server, "/recognise", response)
    return Kuaidi100().recognise("yt 2600227881409", account_of(server, **config), Gateway())


def test_guesses_of_the_vendor(server: HTTPServer) -> None:
    rows = [
        {"lengthPre": 15, "comCode": "yuantong", "name": "圆通速递"},
        {"lengthPre": 15, "comCode": "unheard", "name": "某某"},
        {"lengthPre": 15, "comCode": "debangwuliu", "name": "德邦物流"},
        {"lengthPre": 15, "comCode": "debangkuaidi", "name": "德邦快递"},
        {"comCode": None},
        "x",
    ]
    assert recognise(server, rows) == ("yto", "deppon")
    ((request, _response),) = server.log
    assert dict(request.args) == {"num": "YT2600227881409", "key": "KEY"}


@pytest.mark.parametrize(
    ("response", "code"),
    [
        ({"result": False, "returnCode": "201", "message": "单号错误"}, "not_accepted"),
        ({"returnCode": "601", "message": "KEY过期"}, "out_of_funds"),
        ({"returnCode": "701", "message": "KEY为空"}, "misconfigured"),
        ({}, "busy"),
        ("7", "busy"),
        ("<html>", "busy"),
    ],
)
def test_failed_recognition(server: HTTPServer, response: object, code: str) -> None:
    with pytest.raises(CarrierError, match=code):
        recognise(server, response)


def test_nothing_is_recognised_at_an_address_that_nobody_named(server: HTTPServer) -> None:
    with pytest.raises(CarrierError, match="not_accepted"):
        recognise(server, [], recognise_url="")


def test_silent_vendor_recognises_nothing(server: HTTPServer) -> None:
    with pytest.raises(CarrierError, match="busy"):
        recognise(server, [], recognise_url=f"{nobody()}/auto")


@pytest.mark.parametrize(
    ("response", "code"),
    [
        ({"result": False, "returnCode": "500", "message": "查询无结果"}, ""),
        ({"result": False, "returnCode": "503", "message": "验证签名失败"}, "misconfigured"),
        ({"result": False, "returnCode": "601", "message": "KEY已过期"}, "out_of_funds"),
        ("<html>", "busy"),
    ],
)
def test_connection_is_good_once_the_vendor_has_understood(
    server: HTTPServer, response: object, code: str
) -> None:
    answer(server, "/query", response)
    if not code:
        Kuaidi100().try_connection(account_of(server), Gateway())
        assert json.loads(received_form(server)["param"])["num"].startswith("NONE")
        return
    with pytest.raises(CarrierError, match=code):
        Kuaidi100().try_connection(account_of(server), Gateway())
