"""What is sent to YTO: the published signature vector, addresses and keys of interfaces, whole bodies."""

from __future__ import annotations

import json

import pytest

from logistics.carriers.types import CarrierError, MadeWaybill, TrackingQuery
from logistics.carriers.yto import requests
from logistics.carriers.yto.tests.account import NUMBER, REFERENCE, yto_keys, yto_request


def test_signature_vector() -> None:
    # The documents' example signs the text opentest123456, as param, method, version and secret together make it.
    assert requests._digest("opentest123456") == "YLstCNa3x8ijQx16e/jqOA=="
    assert requests.sign("a", method="b", secret="c") == requests._digest("abv1c")


def test_address_of_an_interface() -> None:
    usual = "https://openapi.yto.net.cn/open/track_query_adapter/v1/K21000119/K21000119"
    assert requests.address_of(requests.TRACK, yto_keys()) == usual
    assert requests.address_of(requests.TRACK, yto_keys("https://openapi.yto.net.cn/open/")) == usual
    named = yto_keys(user_id="jEJxlq")
    assert requests.address_of(requests.CREATE, named) == (
        "https://openapi.yto.net.cn/open/privacy_create_adapter/v1/jEJxlq/K21000119"
    )


def test_interface_with_its_own_address_and_key() -> None:
    keys = yto_keys(track_url="https://example.com/track", track_secret="OTHER")
    body = json.loads(requests.body_of(requests.TRACK, {"NUMBER": NUMBER}, keys, at_ms=1700000000000))
    assert requests.address_of(requests.TRACK, keys) == "https://example.com/track"
    assert body == {
        "timestamp": "1700000000000",
        "param": f'{{"NUMBER":"{NUMBER}"}}',
        "sign": requests.sign(body["param"], method="track_query_adapter", secret="OTHER"),
        "format": "JSON",
    }
    created = json.loads(requests.body_of(requests.CREATE, {"a": "中文"}, keys, at_ms=1))
    expected = requests.sign('{"a":"中文"}', method="privacy_create_adapter", secret="SECRET")
    assert created["sign"] == expected


def test_whole_order_of_a_waybill() -> None:
    assert requests.create_content(yto_request()) == {
        "logisticsNo": REFERENCE,
        "senderName": "杭州主仓",
        "senderMobile": "0571-88880000",
        "senderProvinceName": "浙江省",
        "senderCityName": "杭州市",
        "senderCountyName": "余杭区",
        "senderAddress": "文一西路969号",
        "recipientName": "王小明",
        "recipientMobile": "13800138000",
        "recipientProvinceName": "四川省",
        "recipientCityName": "成都市",
        "recipientCountyName": "双流区",
        "recipientAddress": "科学大道1号",
        "goods": [{"name": "陶瓷杯", "quantity": 2}],
        "remark": "轻放 *~",
        "increments": [{"type": 4, "amount": 500}],
    }
    assert requests.create_content(yto_request(insured="199.90"))["increments"][0]["amount"] == 199.9
    assert "increments" not in requests.create_content(yto_request(insured=None))


def test_query_and_cancelling() -> None:
    query = TrackingQuery(carrier="yto", tracking_number=" yt2000 000000001 ")
    waybill = MadeWaybill(reference=REFERENCE, carrier="yto", tracking_number=NUMBER)
    assert requests.track_content(query) == {"NUMBER": NUMBER}
    assert requests.cancel_content(waybill) == {"logisticsNo": REFERENCE, "cancelDesc": "商家取消"}
    with pytest.raises(CarrierError) as caught:
        requests.track_content(TrackingQuery(carrier="yto", tracking_number="单号"))
    assert caught.value.code == "not_accepted"
