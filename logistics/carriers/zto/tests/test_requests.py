"""What is sent to ZTO: the published signature vector and the whole bodies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from logistics.carriers.types import CarrierError, MadeWaybill, TrackingQuery
from logistics.carriers.zto import requests
from logistics.carriers.zto.tests.account import NUMBER, REFERENCE, zto_keys, zto_request


def created(**changes: Any) -> dict[str, Any]:
    content = requests.create_content(zto_request(**changes), zto_keys())
    sent: dict[str, Any] = json.loads(requests.to_json(content))
    return sent


def test_signature_vector() -> None:
    body = '{"a":"中文 b+c*~"}'.encode()
    assert requests.digest_of(body, secret="SECRET") == "omTsqmufpJeWfN+w12rpEw=="


def test_headers_sign_the_bytes_that_are_sent() -> None:
    body = requests.to_json({"a": "中文 b+c*~"})
    keys = zto_keys()
    assert requests.headers_of(body, keys) == {
        "content-type": "application/json; charset=utf-8",
        "x-appKey": "APPKEY",
        "x-dataDigest": "omTsqmufpJeWfN+w12rpEw==",
    }


@pytest.mark.parametrize("url", ["https://japi.zto.com", "https://japi.zto.com/"])
def test_address(url: str) -> None:
    assert requests.address_of(requests.CREATE, zto_keys(url)) == "https://japi.zto.com/zto.open.createOrder"


def test_whole_order_of_a_waybill() -> None:
    assert created() == {
        "partnerType": "2",
        "orderType": "1",
        "partnerOrderCode": REFERENCE,
        "accountInfo": {"accountId": "ACCOUNT", "accountPassword": "PASSWORD", "type": 1},
        "senderInfo": {
            "senderName": "杭州主仓",
            "senderPhone": "0571-88880000",
            "senderProvince": "浙江省",
            "senderCity": "杭州市",
            "senderDistrict": "余杭区",
            "senderAddress": "文一西路969号",
        },
        "receiveInfo": {
            "receiverName": "王小明",
            "receiverMobile": "13800138000",
            "receiverProvince": "河南省",
            "receiverCity": "郑州市",
            "receiverDistrict": "中原区",
            "receiverAddress": "科学大道1号",
        },
        "orderItems": [{"name": "陶瓷杯", "quantity": 2}, {"name": "杯盖", "quantity": 1}],
        "summaryInfo": {"quantity": 3},
        "orderVasList": [{"vasType": "insured", "vasAmount": 19990}],
        "remark": "轻放 *~",
    }


def test_uninsured_parcel_buys_nothing() -> None:
    assert "orderVasList" not in created(insured=None)


def test_virtual_number_is_no_mobile() -> None:
    receiver = created(phone="13800138000-1234")["receiveInfo"]
    assert receiver["receiverPhone"] == "13800138000-1234"
    assert "receiverMobile" not in receiver


def test_query_of_a_route() -> None:
    query = TrackingQuery(carrier="zto", tracking_number=" 7310 0196611386 ", phone_last4="8000")
    assert requests.track_content(query) == {"billCode": NUMBER, "mobilePhone": "8000"}


@pytest.mark.parametrize(
    ("number", "phone", "code"),
    [(NUMBER, "", "phone_needed"), ("单号", "8000", "not_accepted"), ("", "8000", "not_accepted")],
)
def test_hopeless_query(number: str, phone: str, code: str) -> None:
    with pytest.raises(CarrierError) as caught:
        requests.track_content(TrackingQuery(carrier="zto", tracking_number=number, phone_last4=phone))
    assert caught.value.code == code


def test_looking_up_and_cancelling() -> None:
    waybill = MadeWaybill(reference=REFERENCE, carrier="zto", tracking_number=NUMBER)
    assert requests.find_content(zto_request()) == {"type": 1, "partnerOrderCode": REFERENCE}
    assert requests.cancel_content(waybill) == {"billCode": NUMBER, "cancelType": "1"}
