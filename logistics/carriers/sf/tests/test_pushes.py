"""SF's route pushes: both forms against the whole result, what is refused, and the answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import quote_plus, urlencode

import pytest

from logistics.carriers.sf.adapter import Sf
from logistics.carriers.sf.tests.account import NO_ROUTE, NUMBER, sample, sf_keys
from logistics.carriers.types import (
    CityStrip,
    PushCall,
    PushedRoute,
    PushRejected,
    PushReply,
    Route,
    RouteEvent,
    TrackingStatus,
)


def read(body: bytes) -> tuple[PushedRoute, ...]:
    return Sf().read_push(PushCall({}, body), sf_keys())


def form(xml: bytes | str) -> bytes:
    return urlencode({"content": xml}).encode()


def test_push_as_json() -> None:
    first, second = read(sample("push.json"))
    assert first == PushedRoute(
        carrier="sf",
        tracking_number=NUMBER,
        route=Route(
            events=(
                RouteEvent(
                    at=datetime(2026, 11, 28, 9, 30, 0, tzinfo=UTC), status=TrackingStatus.DELIVERED,
                    text="您的快件已签收,签收人在【代收】", location="深圳市", provider_code="80",
                ),
                RouteEvent(
                    at=datetime(2026, 11, 28, 9, 30, 5, tzinfo=UTC), status=TrackingStatus.DELIVERED,
                    text='在官网"运单资料&签收图",可查看签收人信息', location="深圳市", provider_code="8000",
                ),
            ),
            status=TrackingStatus.DELIVERED,
            cities=CityStrip(origin="深圳市", current="深圳市", destination="深圳市"),
            raw=first.route.raw,
        ),
    )  # fmt: skip
    assert (second.tracking_number, second.route.status) == (NO_ROUTE, TrackingStatus.PICKED_UP)


def test_push_as_a_form_with_xml() -> None:
    (pushed,) = read(form(sample("push.xml")))
    assert pushed == PushedRoute(
        carrier="sf",
        tracking_number=NUMBER,
        route=Route(
            events=(
                RouteEvent(
                    at=datetime(2026, 11, 28, 4, 0, tzinfo=UTC), status=TrackingStatus.EXCEPTION,
                    text="派件不成功 & 再派", location="深圳市", provider_code="70",
                ),
            ),
            status=TrackingStatus.EXCEPTION,
            cities=CityStrip(origin="深圳市", current="深圳市"),
            raw=pushed.route.raw,
        ),
    )  # fmt: skip


ENTITY = (
    '<!DOCTYPE r [<!ENTITY a "SF7444400043064">]><Request><Body><WaybillRoute mailno="&a;"/></Body></Request>'
)
OUTSIDE = '<!DOCTYPE r SYSTEM "file:///etc/passwd"><Request/>'
GOOD_ROW = {"mailno": NUMBER, "acceptTime": "2026-11-28 10:00:00", "opCode": "50", "remark": "x"}


def push_of(*rows: object) -> bytes:
    return json.dumps({"Body": {"WaybillRoute": list(rows)}}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"Body":7}',
        b'{"Body":{"WaybillRoute":{}}}',
        push_of(),
        push_of(7),
        push_of({**GOOD_ROW, "mailno": "x' OR 1=1"}),
        push_of({**GOOD_ROW, "mailno": ""}),
        push_of({**GOOD_ROW, "acceptTime": "yesterday"}),
        push_of(*[GOOD_ROW] * 101),
        push_of({**GOOD_ROW, "remark": "x" * 300_000}),
        b'{"Body":{"WaybillRoute":[]},"Body":{}}',
        form(ENTITY),
        form(OUTSIDE),
        form("<Request><Body>"),
        form("<Request/>"),
        b"content=a&content=b",
        b"other=1",
        "content=顺丰".encode(),
        b"content=%FF",
    ],
)
def test_push_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(PushRejected) as caught:
        read(body)
    assert caught.value.reason == "malformed"


def test_order_of_arrival_does_not_matter() -> None:
    rows = json.loads(sample("push.json"))["Body"]["WaybillRoute"]
    forwards, backwards = read(push_of(*rows)), read(push_of(*rows[::-1]))
    assert {one.tracking_number: one.route.events for one in forwards} == {
        one.tracking_number: one.route.events for one in backwards
    }


def test_answers_in_the_form_of_the_push() -> None:
    json_call, form_call = (
        PushCall({}, sample("push.json")),
        PushCall({}, b"content=" + quote_plus("<x/>").encode()),
    )
    assert Sf().push_reply_to(json_call, True) == PushReply(
        200, "application/json", '{"return_code": "0000", "return_msg": "成功"}'.encode()
    )
    assert Sf().push_reply_to(json_call, False) == PushReply(
        500, "application/json", '{"return_code": "1000", "return_msg": "失败"}'.encode()
    )
    assert Sf().push_reply_to(form_call, True) == PushReply(
        200, "text/xml; charset=utf-8", b'<Response service="RoutePushService"><Head>OK</Head></Response>'
    )
    assert Sf().push_reply_to(form_call, False).body == (
        '<Response service="RoutePushService"><Head>ERR</Head><ERROR code="4001">系统异常</ERROR></Response>'.encode()
    )
    assert Sf().push_reply(True) == Sf().push_reply_to(json_call, True)
