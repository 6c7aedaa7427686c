"""STO's connector over HTTP: what each failure of a call means, and the account's keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils.translation import override
from pytest_httpserver import HTTPServer

from logistics.carriers.sto.adapter import Sto
from logistics.carriers.sto.tests.account import MADE, QUERY, sto_keys, sto_request
from logistics.carriers.tests.carrier_cases import PATIENCE, STATUSES, answer_late, error_of
from logistics.carriers.types import CarrierKeys, TrackingStatus
from ordersite.lib.http import Gateway
from sandbox.tests.nobody import nobody


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1") as running:
        yield running


def query(keys: CarrierKeys) -> object:
    return Sto().query(QUERY, keys, Gateway(read=PATIENCE))


def create(keys: CarrierKeys) -> object:
    return Sto().create_waybill(sto_request(), keys, Gateway(read=PATIENCE))


def cancel(keys: CarrierKeys) -> object:
    Sto().cancel_waybill(MADE, keys, Gateway(read=PATIENCE))
    return None


@pytest.mark.parametrize(("status", "asked", "acted"), STATUSES)
def test_status_of_the_answer(server: HTTPServer, status: int, asked: str, acted: str) -> None:
    server.expect_request("/").respond_with_data("{}", status=status)
    keys = sto_keys(server.url_for("/"))
    assert [error_of(call, keys) for call in (query, create, cancel)] == [asked, acted, acted]


def test_silence(server: HTTPServer) -> None:
    server.expect_request("/").respond_with_handler(answer_late)
    keys = sto_keys(server.url_for("/"))
    assert [error_of(call, keys) for call in (query, create, cancel)] == ["busy", "unknown", "unknown"]


def test_call_that_was_never_sent() -> None:
    keys = sto_keys(nobody())
    assert [error_of(call, keys) for call in (query, create, cancel)] == ["busy", "busy", "busy"]


def test_keys_of_an_account() -> None:
    assert Sto().check(sto_keys(service_types="TRACE_PUSH", queries_per_second="30")) == []
    with override("en"):
        problems = Sto().check(sto_keys("ftp://x", service_types="轨迹", min_interval_seconds="x"))
    assert problems[1:] == [
        "service_types must be names of services of STO with a space between them, such as TRACE_PUSH.",
        "min_interval_seconds must be a whole number of seconds.",
    ]
    assert len(Sto().check(CarrierKeys("sto", "s", {}, {}))) == 7


def test_floor_is_lower_on_this_machine_only() -> None:
    assert Sto().min_interval_seconds(sto_keys(min_interval_seconds="5")) == 1800
    assert Sto().min_interval_seconds(sto_keys("http://127.0.0.1:8900/sto", min_interval_seconds="5")) == 5
    assert Sto().most_queries_a_second(sto_keys(queries_per_second="30")) == 30


def test_meaning_of_a_stored_code() -> None:
    assert Sto().status_of("柜机代收") is TrackingStatus.READY_FOR_PICKUP
    assert Sto().status_of("驿站出库") is TrackingStatus.UNKNOWN
