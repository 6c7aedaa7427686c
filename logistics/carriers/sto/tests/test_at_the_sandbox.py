"""STO's connector against the sandbox in its own process: one waybill whatever happens, its end, and its pushes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from logistics.carriers.sto.adapter import Sto
from logistics.carriers.sto.tests.account import MADE, QUERY, sto_keys, sto_request
from logistics.carriers.tests.carrier_cases import error_of
from logistics.carriers.types import (
    CarrierKeys,
    PushCall,
    PushedRoute,
    PushRejected,
    TrackingStatus,
)
from ordersite.lib.http import Gateway
from sandbox.tests.running import Running, started, wait_for


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


class StoPushTaker:
    """Takes the pushes that the connector believes, and answers in its words."""

    def __init__(self, server: HTTPServer, keys: CarrierKeys) -> None:
        self.url, self.keys = server.url_for("/push"), keys
        self.taken: list[PushedRoute] = []
        self.refused: list[str] = []
        server.expect_request("/push", method="POST").respond_with_handler(self._respond)

    def _respond(self, request: Request) -> Response:
        try:
            self.taken += Sto().read_push(PushCall({}, request.get_data()), self.keys)
        except PushRejected as rejected:
            self.refused.append(rejected.reason)
        answer = Sto().push_reply(not self.refused)
        self.refused = self.refused[:3]
        return Response(answer.body, answer.status, content_type=answer.content_type)


def keys_at(outside: Running, *, secret_key: str = "SANDBOXSTOSECRET") -> CarrierKeys:
    keys = sto_keys(f"{outside.url}/sto/gateway/link.do", app_key="SANDBOXSTO", order_source="SANDBOX")
    return replace(keys, secrets={**keys.secrets, "secret_key": secret_key})


def create(keys: CarrierKeys) -> object:
    return Sto().create_waybill(sto_request(), keys, Gateway(read=0.5))


def test_waybill_from_order_to_route(outside: Running) -> None:
    keys = keys_at(outside)
    made = Sto().create_waybill(sto_request(), keys, Gateway())
    assert (made.marks["mark"], made.insured_value) == ("877-342-213", None)
    route = Sto().query(replace(QUERY, tracking_number=made.tracking_number), keys, Gateway())
    assert (route.status, route.events[0].provider_code) == (TrackingStatus.PICKED_UP, "收件")
    waybill = replace(MADE, tracking_number=made.tracking_number)
    Sto().cancel_waybill(waybill, keys, Gateway())
    Sto().cancel_waybill(waybill, keys, Gateway())
    assert error_of(lambda keys: Sto().cancel_waybill(MADE, keys, Gateway()), keys) == "refused"


@pytest.mark.parametrize(("fault", "value"), [("timeout", 1), ("bad_gateway", None)])
def test_order_whose_answer_is_lost(outside: Running, fault: str, value: float | None) -> None:
    reference = f"LOST{fault.replace('_', '').upper()}"
    outside.control("faults", target="sto.create", fault=fault, value=value)
    order = replace(sto_request(), reference=reference)
    keys = keys_at(outside)
    lost = error_of(lambda keys: Sto().create_waybill(order, keys, Gateway(read=0.5)), keys)
    again = [Sto().create_waybill(order, keys, Gateway()).tracking_number for _ in range(2)]
    (kept,) = [one for one in outside.state["waybills"] if one["reference"] == reference]
    assert (lost, again, kept["times_ordered"]) == ("unknown", [kept["number"]] * 2, 3)


@pytest.mark.parametrize(
    ("fault", "code"),
    [("throttled", "throttled"), ("bad_signature", "misconfigured"), ("refused_area", "refused")],
)
def test_refusals_of_the_sandbox(outside: Running, fault: str, code: str) -> None:
    outside.control("faults", target="sto.create", fault=fault)
    assert error_of(create, keys_at(outside)) == code


def test_connection(outside: Running) -> None:
    Sto().try_connection(keys_at(outside), Gateway())
    wrong = keys_at(outside, secret_key="WRONG")
    assert error_of(lambda keys: Sto().try_connection(keys, Gateway()), wrong) == "misconfigured"


def test_pushes_until_they_are_taken(outside: Running) -> None:
    keys = keys_at(outside)
    made = Sto().create_waybill(replace(sto_request(), reference="PUSHED01"), keys, Gateway())
    for _ in range(7):
        outside.control("parcel", number=made.tracking_number, advance=True)
    for fault in ("duplicate", "reorder", "bad_signature"):
        outside.control("faults", target="sto.push", fault=fault)
    with HTTPServer(host="127.0.0.1") as server:
        shop = StoPushTaker(server, keys)
        outside.control("push_address", url=shop.url, carrier="sto")
        wait_for(lambda: len(shop.refused) > 0)
        shop.refused.clear()
        wait_for(lambda: any(one.route.status is TrackingStatus.DELIVERED for one in shop.taken))
        outside.control("push_address", url="", carrier="sto")
    mine = [one.route.events[0] for one in shop.taken if one.tracking_number == made.tracking_number]
    route = Sto().query(replace(QUERY, tracking_number=made.tracking_number), keys, Gateway())
    assert {(event.at, event.text, event.status) for event in mine} == {
        (event.at, event.text, event.status) for event in route.events
    }
    assert "13911114444" not in repr(shop.taken)
