"""ZTO's connector over HTTP: what each failure of a call means, and the account's keys."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from django.utils.translation import override
from pytest_httpserver import HTTPServer

from logistics.carriers.tests.carrier_cases import PATIENCE, STATUSES, answer_late, error_of
from logistics.carriers.types import CarrierError, CarrierKeys, MadeWaybill, TrackingQuery
from logistics.carriers.zto import requests
from logistics.carriers.zto.adapter import Zto
from logistics.carriers.zto.tests.account import NUMBER, REFERENCE, zto_keys, zto_request
from ordersite.lib.http import Gateway
from sandbox.tests.nobody import nobody

QUERY = TrackingQuery(carrier="zto", tracking_number=NUMBER, phone_last4="8000")
MADE = MadeWaybill(reference=REFERENCE, carrier="zto", tracking_number=NUMBER)


def query(keys: CarrierKeys) -> object:
    return Zto().query(QUERY, keys, Gateway(read=PATIENCE))


def create(keys: CarrierKeys) -> object:
    return Zto().create_waybill(zto_request(), keys, Gateway(read=PATIENCE))


def find(keys: CarrierKeys) -> object:
    return Zto().find_waybill(zto_request(), keys, Gateway(read=PATIENCE))


def cancel(keys: CarrierKeys) -> object:
    Zto().cancel_waybill(MADE, keys, Gateway(read=PATIENCE))
    return None


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1") as running:
        yield running


def test_call_as_it_is_sent(server: HTTPServer) -> None:
    answer = {"status": True, "statusCode": "SYS000", "result": {"billCode": NUMBER}}
    server.expect_request("/zto.open.createOrder", method="POST").respond_with_json(answer)
    create(zto_keys(server.url_for("/")))
    ((sent, _reply),) = server.log
    body = sent.get_data()
    assert sent.headers["x-appKey"] == "APPKEY"
    assert sent.headers["x-dataDigest"] == requests.digest_of(body, secret="SECRET")
    assert json.loads(body)["partnerOrderCode"] == REFERENCE


@pytest.mark.parametrize(("status", "asked", "acted"), STATUSES)
def test_status_of_the_answer(server: HTTPServer, status: int, asked: str, acted: str) -> None:
    server.expect_request("/").respond_with_data("", status=status)
    for path in (requests.TRACK, requests.FIND, requests.CREATE, requests.CANCEL):
        server.expect_request(f"/{path}").respond_with_data("{}", status=status)
    keys = zto_keys(server.url_for("/"))
    assert [error_of(call, keys) for call in (query, find, create, cancel)] == [asked, asked, acted, acted]


def test_silence(server: HTTPServer) -> None:
    for path in (requests.TRACK, requests.CREATE):
        server.expect_request(f"/{path}").respond_with_handler(answer_late)
    keys = zto_keys(server.url_for("/"))
    assert error_of(query, keys) == "busy"
    assert error_of(create, keys) == "unknown"


def test_call_that_was_never_sent() -> None:
    assert error_of(create, zto_keys(nobody())) == "busy"
    assert error_of(query, zto_keys(nobody())) == "busy"
    assert error_of(create, zto_keys("file:///x")) == "misconfigured"


@pytest.mark.parametrize(
    ("code", "message"), [("SYS000", ""), ("E409", "电话不一致"), ("E413", "后4位"), ("E416", "单号规则")]
)
def test_connection_that_works(server: HTTPServer, code: str, message: str) -> None:
    answer = {"status": code == "SYS000", "statusCode": code, "message": message, "result": []}
    server.expect_request(f"/{requests.TRACK}").respond_with_json(answer)
    Zto().try_connection(zto_keys(server.url_for("/")), Gateway())


def test_connection_with_a_wrong_secret(server: HTTPServer) -> None:
    answer = {"status": False, "statusCode": "S211", "message": "签名错误", "result": None}
    server.expect_request(f"/{requests.TRACK}").respond_with_json(answer)
    with pytest.raises(CarrierError) as caught:
        Zto().try_connection(zto_keys(server.url_for("/")), Gateway())
    assert (caught.value.code, caught.value.ends_run) == ("misconfigured", True)


def test_good_account() -> None:
    assert Zto().check(zto_keys()) == []


def test_bad_account() -> None:
    keys = CarrierKeys("zto", "z", {"gateway_url": "http://example.com", "queries_per_second": "201"}, {})
    with override("en"):
        problems = Zto().check(keys)
    assert problems == [
        "app_key is missing.",
        "account_id is missing.",
        "app_secret is missing.",
        "account_password is missing.",
        "gateway_url must be an https address.",
        "queries_per_second must be a whole number from 1 to 200.",
    ]


@pytest.mark.parametrize(
    ("url", "seconds", "ours"),
    [
        ("https://japi.zto.com", "", 1800),
        ("https://japi.zto.com", "5", 1800),
        ("https://japi.zto.com", "7200", 7200),
        ("http://127.0.0.1:8900/zto", "5", 5),
        ("http://127.0.0.1:8900/zto", "", 1800),
        ("http://127.0.0.1:8900/zto", "soon", 1800),
    ],
)
def test_minimum_interval(url: str, seconds: str, ours: int) -> None:
    keys = zto_keys(url, min_interval_seconds=seconds) if seconds else zto_keys(url)
    assert Zto().min_interval_seconds(keys) == ours


def test_agreed_rate() -> None:
    assert Zto().most_queries_a_second(zto_keys()) is None
    assert Zto().most_queries_a_second(zto_keys(queries_per_second="20")) == 20
