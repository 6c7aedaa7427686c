"""The connector against the sandbox: a process of its own that knows only the vendor's papers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from logistics.carriers.kuaidi100.adapter import Kuaidi100
from logistics.carriers.types import (
    CarrierError,
    CarrierKeys,
    Contact,
    Goods,
    MadeWaybill,
    PushCall,
    PushedRoute,
    PushRejected,
    PushReply,
    TrackingQuery,
    TrackingStatus,
    WaybillRequest,
)
from ordersite.lib.http import Gateway
from sandbox.tests.running import Running, wait_for

pytest_plugins = ("sandbox.tests.box",)
PERSON = Contact(
    name="王小明", phone="13900139000", province="四川", city="成都市", district="双流区", street="二路"
)


@pytest.fixture
def keys(box: Running) -> CarrierKeys:
    box.control("speed", parcel_seconds=100_000)  # parcels move only where a test moves them
    paths = {"query_url": "query.do", "subscribe_url": "poll", "label_url": "label/order"}
    addresses = {name: f"{box.url}/kuaidi100/{path}" for name, path in paths.items()}
    config = {
        "customer": "SANDBOXCUSTOMER",
        "recognise_url": f"{box.url}/kuaidi100/autonumber/auto",
        "partnerId": "MONTHLY1",
        "tempId": "T1",
        **addresses,
    }
    secrets = {"key": "SANDBOXKEY", "secret": "SANDBOXSECRET", "salt": "pinch"}
    return CarrierKeys("kuaidi100", "demo", config, secrets)


def request_of(reference: str, carrier: str = "yto", **changes: Any) -> WaybillRequest:
    fields = {"goods": (Goods("茶", 1),), "insured_value": Decimal("99.90"), "receiver": PERSON, **changes}
    return WaybillRequest(reference=reference, carrier=carrier, sender=PERSON, **fields)


def made_by(box: Running, reference: str) -> list[str]:
    return [one["number"] for one in box.state["kuaidi100"]["waybills"] if one["reference"] == reference]


def test_account_has_no_problem(keys: CarrierKeys) -> None:
    assert Kuaidi100().check(keys) == []
    Kuaidi100().try_connection(keys, Gateway())


@pytest.mark.parametrize("secret", ["key", "customer"])
def test_wrong_account_is_noticed(keys: CarrierKeys, secret: str) -> None:
    spoilt = CarrierKeys(
        "kuaidi100", "demo", {**keys.config, "customer": "OTHER"}, {**keys.secrets, "key": "OTHER"}
    )
    with pytest.raises(CarrierError, match="misconfigured"):
        Kuaidi100().try_connection(spoilt, Gateway())


def test_waybill_label_and_cancellation(box: Running, keys: CarrierKeys) -> None:
    made = Kuaidi100().create_waybill(request_of("K100WHOLE1"), keys, Gateway())
    assert made_by(box, "K100WHOLE1") == [made.tracking_number]
    assert made.insured_value == Decimal("99.90")
    assert Gateway().get(made.label_url).body.startswith(b"\x89PNG")

    waybill = MadeWaybill(reference="K100WHOLE1", carrier="yto", tracking_number=made.tracking_number)
    for _ in range(2):
        Kuaidi100().cancel_waybill(waybill, keys, Gateway())
    assert box.state["kuaidi100"]["waybills"][0]["state"] == "cancelled"


@pytest.mark.parametrize("fault", ["timeout", "lost_answer", "unreadable", "status_500", "drop"])
def test_lost_answer_ends_with_one_waybill(box: Running, keys: CarrierKeys, fault: str) -> None:
    reference = f"K100{fault.upper().replace('_', '')}"
    box.control("faults", target="kuaidi100.label", fault=fault, value=1)
    with pytest.raises(CarrierError) as caught:
        Kuaidi100().create_waybill(request_of(reference), keys, Gateway(read=0.5))
    assert (caught.value.code, caught.value.outcome_known) == ("unknown", False)

    made = Kuaidi100().create_waybill(request_of(reference), keys, Gateway())
    assert made_by(box, reference) == [made.tracking_number]


@pytest.mark.parametrize("fault", ["no_funds", "refused"])
def test_refused_order_can_be_tried_again(box: Running, keys: CarrierKeys, fault: str) -> None:
    reference = f"K100{fault.upper().replace('_', '')}"
    box.control("faults", target="kuaidi100.label", fault=fault)
    with pytest.raises(CarrierError) as caught:
        Kuaidi100().create_waybill(request_of(reference), keys, Gateway())
    assert caught.value.code == "refused"
    assert Kuaidi100().explain(caught.value.detail)
    assert made_by(box, reference) == []
    assert Kuaidi100().create_waybill(request_of(reference), keys, Gateway()).tracking_number


def test_carrier_of_a_number(keys: CarrierKeys) -> None:
    assert Kuaidi100().recognise("YT1000000000001", keys, Gateway()) == ("yto",)
    assert Kuaidi100().recognise("731113906197", keys, Gateway()) == ("zto", "sto", "yunda")


class Shop:
    """Takes pushes as the shop does; `refuses` so many before it accepts one."""

    def __init__(self, server: HTTPServer, keys: CarrierKeys) -> None:
        self.keys, self.pushed = keys, list[PushedRoute]()
        self.rejected: list[str] = []
        self.refuses = 0
        self._lock = threading.Lock()
        server.expect_request("/push").respond_with_handler(self._take)
        self.url = server.url_for("/push")

    def _take(self, request: Request) -> Response:
        with self._lock:
            reply = self._reply(request.get_data())
        return Response(reply.body, reply.status, content_type=reply.content_type)

    def _reply(self, body: bytes) -> PushReply:
        if self.refuses:
            self.refuses -= 1
            return Kuaidi100().push_reply(False)
        try:
            self.pushed += Kuaidi100().read_push(PushCall({}, body), self.keys)
        except PushRejected as rejected:
            self.rejected.append(rejected.reason)
            return Kuaidi100().push_reply(False)
        return Kuaidi100().push_reply(True)

    def subscribe(self, number: str, carrier: str = "yto") -> None:
        query = TrackingQuery(carrier=carrier, tracking_number=number, phone_last4="9000")
        Kuaidi100().subscribe(query, self.keys, Gateway(), push_url=self.url)

    def of(self, number: str) -> list[PushedRoute]:
        return [one for one in self.pushed if one.tracking_number == number]


@pytest.fixture
def shop(keys: CarrierKeys) -> Iterator[Shop]:
    with HTTPServer(host="127.0.0.1") as server:
        yield Shop(server, keys)


def advance(box: Running, number: str) -> None:
    box.control("parcel", number=number, advance=True)


def test_pushes_follow_a_parcel_to_its_end(box: Running, shop: Shop) -> None:
    number = "YT3000000000001"
    shop.subscribe(number)
    wait_for(lambda: shop.of(number))
    while not shop.of(number)[-1].has_ended:
        seen = len(shop.of(number))
        advance(box, number)
        wait_for(partial(lambda before: len(shop.of(number)) > before, seen))
    last = shop.of(number)[-1]
    assert last.route.status is TrackingStatus.DELIVERED
    assert len(last.route.events) >= 6
    assert (last.carrier, last.corrected_carrier) == ("yto", "")


def test_refused_push_comes_again(box: Running, shop: Shop) -> None:
    shop.refuses = 2
    shop.subscribe("YT3000000000002")
    wait_for(lambda: shop.of("YT3000000000002"))
    [push] = [one for one in box.state["kuaidi100"]["pushes"] if one["number"] == "YT3000000000002"]
    assert (push["state"], push["tries"]) == ("done", 3)


def test_push_is_given_up_after_three_repeats(box: Running, shop: Shop) -> None:
    shop.refuses = 99
    shop.subscribe("YT3000000000003")

    def state() -> dict[str, Any]:
        rows = box.state["kuaidi100"]["pushes"]
        return next((one for one in rows if one["number"] == "YT3000000000003"), {"state": ""})

    wait_for(lambda: state()["state"] == "given_up")
    assert state()["tries"] == 4


def test_forged_push_is_refused_and_the_next_try_believed(box: Running, shop: Shop) -> None:
    box.control("faults", target="kuaidi100.push", fault="corrupt_signature")
    shop.subscribe("YT3000000000004")
    wait_for(lambda: shop.of("YT3000000000004"))
    assert shop.rejected == ["bad_signature"]


def test_duplicates_say_the_same(box: Running, shop: Shop) -> None:
    box.control("faults", target="kuaidi100.push", fault="duplicate", value=4)
    shop.subscribe("YT3000000000005")
    wait_for(lambda: len(shop.of("YT3000000000005")) == 4)
    assert len(set(shop.of("YT3000000000005")[0].route.events)) == 1
    assert all(one == shop.of("YT3000000000005")[0] for one in shop.of("YT3000000000005"))


def test_pushes_out_of_order_hold_their_own_history(box: Running, shop: Shop) -> None:
    number = "YT3000000000006"
    box.control("faults", target="kuaidi100.push", fault="reorder", value=10)
    shop.subscribe(number)
    wait_for(lambda: any(one["number"] == number for one in box.state["kuaidi100"]["pushes"]))
    advance(box, number)
    wait_for(lambda: len(shop.of(number)) == 2)
    assert [len(one.route.events) for one in shop.of(number)] == [2, 1]


def test_wrong_carrier_is_corrected(shop: Shop) -> None:
    shop.subscribe("YT3000000000007", carrier="sto")
    wait_for(lambda: shop.of("YT3000000000007"))
    push = shop.of("YT3000000000007")[0]
    assert (push.carrier, push.corrected_carrier) == ("sto", "yto")


def test_unknown_carrier_is_recognised(shop: Shop) -> None:
    shop.subscribe("YT3000000000008", carrier="other")
    wait_for(lambda: shop.of("YT3000000000008"))
    with pytest.raises(CarrierError, match="not_accepted"):
        shop.subscribe("990000000008", carrier="other")


def test_subscribing_twice_is_no_error(box: Running, shop: Shop) -> None:
    for _ in range(2):
        shop.subscribe("YT3000000000009")
    rows = {one["number"]: one for one in box.state["kuaidi100"]["subscriptions"]}
    assert rows["YT3000000000009"]["times"] == 2


@pytest.mark.parametrize(("code", "ours"), [(500, "busy"), (601, "out_of_funds"), (702, "not_accepted")])
def test_refused_subscription(box: Running, shop: Shop, code: int, ours: str) -> None:
    box.control("faults", target="kuaidi100.subscribe", fault="return_code", value=code)
    with pytest.raises(CarrierError, match=ours):
        shop.subscribe(f"YT31000000000{code % 100:02d}")


def test_queries_of_a_number_are_counted(box: Running, keys: CarrierKeys) -> None:
    query = TrackingQuery(carrier="yto", tracking_number="YT3200000000001")
    for _ in range(3):
        Kuaidi100().query(query, keys, Gateway())
    calls = {one["number"]: one["queries"] for one in box.state["kuaidi100"]["calls"]}
    assert calls["YT3200000000001"] == 3
