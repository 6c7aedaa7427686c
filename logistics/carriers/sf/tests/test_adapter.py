"""SF's connector over HTTP: what each failure of a call means, adoption of a duplicate, and the account's keys."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest
from django.utils.translation import override
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from logistics.carriers.sf.adapter import Sf
from logistics.carriers.sf.envelope import digest_of
from logistics.carriers.sf.tests.account import (
    NO_ROUTE,
    NUMBER,
    ODD_CODE,
    REFERENCE,
    query_of,
    sample,
    sf_keys,
    sf_request,
)
from logistics.carriers.tests.carrier_cases import PATIENCE, STATUSES, answer_late, error_of
from logistics.carriers.types import CarrierKeys, MadeWaybill, Route
from ordersite.lib.http import Gateway
from sandbox.tests.nobody import nobody

MADE = MadeWaybill(reference=REFERENCE, carrier="sf", tracking_number=NUMBER)


class FakeSf:
    """Answers each service with the samples named for it, one after another, and records the services called."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("/std/service")
        self.answers: dict[str, list[str]] = {}
        self.services: list[str] = []
        self.forms: list[dict[str, str]] = []
        server.expect_request("/std/service", method="POST").respond_with_handler(self._respond)

    def _respond(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs(request.get_data(as_text=True)).items()}
        self.forms.append(form)
        service = form["serviceCode"].removeprefix("EXP_RECE_")
        self.services.append(service)
        return Response(sample(f"{self.answers[service].pop(0)}.json"), content_type="application/json")


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1") as running:
        yield running


@pytest.fixture
def fake(server: HTTPServer) -> FakeSf:
    return FakeSf(server)


def query(keys: CarrierKeys) -> object:
    return Sf().query(query_of(), keys, Gateway(read=PATIENCE))


def create(keys: CarrierKeys) -> object:
    return Sf().create_waybill(sf_request(), keys, Gateway(read=PATIENCE))


def find(keys: CarrierKeys) -> object:
    return Sf().find_waybill(sf_request(), keys, Gateway(read=PATIENCE))


def cancel(keys: CarrierKeys) -> object:
    Sf().cancel_waybill(MADE, keys, Gateway(read=PATIENCE))
    return None


def test_call_is_signed_over_what_is_sent(fake: FakeSf) -> None:
    fake.answers = {"CREATE_ORDER": ["created"]}
    Sf().create_waybill(sf_request(), sf_keys(fake.url), Gateway())
    (form,) = fake.forms
    assert form["msgDigest"] == digest_of(form["msgData"], form["timestamp"], checkword="CW")
    assert json.loads(form["msgData"])["orderId"] == REFERENCE
    assert abs(int(form["timestamp"]) - time.time() * 1000) < 60_000
    assert len(form["requestID"]) == 36


def test_duplicate_order_is_adopted(fake: FakeSf) -> None:
    fake.answers = {"CREATE_ORDER": ["duplicate"], "SEARCH_ORDER_RESP": ["found"]}
    assert Sf().create_waybill(sf_request(), sf_keys(fake.url), Gateway()).tracking_number == NUMBER
    assert fake.services == ["CREATE_ORDER", "SEARCH_ORDER_RESP"]


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ("not_ordered", "unknown"),
        ("system_error", "unknown"),
        ("throttled", "unknown"),
        ("review", "unknown"),
        ("cannot_deliver", "refused"),
    ],
)
def test_duplicate_order_without_a_number(fake: FakeSf, found: str, code: str) -> None:
    fake.answers = {"CREATE_ORDER": ["duplicate"], "SEARCH_ORDER_RESP": [found]}
    assert error_of(create, sf_keys(fake.url)) == code


def test_order_that_sf_will_not_carry_has_no_waybill(fake: FakeSf) -> None:
    fake.answers = {"SEARCH_ORDER_RESP": ["cannot_deliver", "not_ordered", "cancelled_before"]}
    assert [find(sf_keys(fake.url)) for _ in range(3)] == [None, None, None]


def test_several_parcels_in_one_call(fake: FakeSf) -> None:
    fake.answers = {"SEARCH_ROUTES": ["routes"]}
    queries = [
        query_of("sf7444400043064"), query_of(NO_ROUTE), query_of(ODD_CODE, "1234"), query_of("SF7444400043099", ""),
        query_of("YT2600227881409"),
    ]  # fmt: skip
    found = Sf().query_many(queries, sf_keys(fake.url), Gateway())
    assert {number: getattr(one, "code", "") for number, one in found.items()} == {
        "sf7444400043064": "", NO_ROUTE: "nothing_found", ODD_CODE: "", "SF7444400043099": "phone_needed",
        "YT2600227881409": "not_accepted",
    }  # fmt: skip
    assert isinstance(found["sf7444400043064"], Route)
    assert json.loads(fake.forms[0]["msgData"])["trackingNumber"] == [NUMBER, NO_ROUTE, ODD_CODE]


def test_nothing_to_send_makes_no_call(fake: FakeSf) -> None:
    assert (
        error_of(lambda keys: Sf().query(query_of(NUMBER, ""), keys, Gateway()), sf_keys(fake.url))
        == "phone_needed"
    )
    assert fake.services == []


@pytest.mark.parametrize(("status", "asked", "acted"), STATUSES)
def test_status_of_the_answer(server: HTTPServer, status: int, asked: str, acted: str) -> None:
    server.expect_request("/").respond_with_data("{}", status=status)
    keys = sf_keys(server.url_for("/"))
    assert [error_of(call, keys) for call in (query, find, create, cancel)] == [asked, asked, acted, acted]


def test_silence(server: HTTPServer) -> None:
    server.expect_request("/").respond_with_handler(answer_late)
    keys = sf_keys(server.url_for("/"))
    assert [error_of(call, keys) for call in (query, create)] == ["busy", "unknown"]


def test_call_that_was_never_sent() -> None:
    keys = sf_keys(nobody())
    assert [error_of(call, keys) for call in (query, create)] == ["busy", "busy"]


def test_connection(fake: FakeSf) -> None:
    fake.answers = {"SEARCH_ROUTES": ["routes", "wrong_digest", "no_permission"]}
    keys = sf_keys(fake.url)
    Sf().try_connection(keys, Gateway())
    assert error_of(lambda keys: Sf().try_connection(keys, Gateway()), keys) == "misconfigured"
    assert error_of(lambda keys: Sf().try_connection(keys, Gateway()), keys) == "misconfigured"


def test_keys_of_an_account() -> None:
    assert (
        Sf().check(sf_keys(express_type_id="231", insurance_service="IN159", queries_per_second="30")) == []
    )
    wrong = sf_keys("ftp://x", express_type_id="x", insurance_service="保价", min_interval_seconds="x")
    with override("en"):
        problems = Sf().check(wrong)
    assert problems[-3:] == [
        "express_type_id must be the number of a product.",
        "insurance_service must be the name of a service of SF, such as INSURE.",
        "min_interval_seconds must be a whole number of seconds.",
    ]
    assert len(problems) == 4
    assert len(Sf().check(CarrierKeys("sf", "s", {}, {}))) == 4


def test_floor_is_lower_on_this_machine_only() -> None:
    assert Sf().min_interval_seconds(sf_keys(min_interval_seconds="5")) == 1800
    assert Sf().min_interval_seconds(sf_keys("http://127.0.0.1:8900/sf", min_interval_seconds="5")) == 5
    assert Sf().most_queries_a_second(sf_keys(queries_per_second="30")) == 30
    assert Sf().most_queries_a_second(sf_keys()) is None
