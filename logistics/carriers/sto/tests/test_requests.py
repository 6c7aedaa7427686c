"""What is sent to STO: the digest, the whole form, the content of each interface."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import pytest

from logistics.carriers.sto import envelope, requests
from logistics.carriers.sto.tests.account import MADE, NUMBER, QUERY, REFERENCE, sto_keys, sto_request
from logistics.carriers.types import CarrierError, TrackingQuery

TEXT = '{"a":"中文 b+c*~"}'
# No sample of the platform's is public: made with `openssl md5 -binary | base64`.
DIGEST = "omTsqmufpJeWfN+w12rpEw=="


def test_digest_of_the_text() -> None:
    assert envelope.digest_of(TEXT, secret="SECRET") == DIGEST


@pytest.mark.parametrize(("more", "from_code"), [({}, "APPKEY"), ({"from_code": "CODE"}, "CODE")])
def test_form_as_it_is_sent(more: dict[str, str], from_code: str) -> None:
    body = envelope.form_of(envelope.CREATE, json.loads(TEXT), sto_keys(**more))
    form = {name: values[0] for name, values in parse_qs(body.decode(), strict_parsing=True).items()}
    assert form == {
        "content": TEXT,
        "data_digest": DIGEST,
        "api_name": "OMS_EXPRESS_ORDER_CREATE",
        "from_appkey": "APPKEY",
        "from_code": from_code,
        "to_appkey": "sto_oms",
        "to_code": "sto_oms",
    }


def test_whole_order_of_a_waybill() -> None:
    assert requests.create_content(sto_request(), sto_keys()) == {
        "orderNo": REFERENCE,
        "orderSource": "SHOP",
        "billType": "00",
        "orderType": "01",
        "sender": {
            "name": "杭州主仓", "tel": "0571-88880000", "province": "浙江省", "city": "杭州市", "area": "余杭区",
            "address": "文一西路969号",
        },
        "receiver": {
            "name": "王小明", "mobile": "13800138000", "province": "四川省", "city": "成都市", "area": "双流区",
            "address": "科学大道1号",
        },
        "cargo": {"battery": "10", "goodsType": "小件", "goodsName": "陶瓷杯、杯盖", "goodsCount": 3},
        "customer": {"siteCode": "666666", "customerName": "666666000001", "sitePwd": "abc123"},
        "remark": "轻放 *~",
        "insuredAnnex": {"insuredValue": "199.90", "goodsValue": "199.90"},
    }  # fmt: skip


def test_what_is_sent_only_where_it_is_wanted() -> None:
    plain = requests.create_content(sto_request(insured=None), sto_keys())
    assert not {"insuredAnnex", "serviceTypeList"} & plain.keys()
    pushed = requests.create_content(sto_request(), sto_keys(service_types="TRACE_PUSH DELIVER_CONTACT"))
    assert pushed["serviceTypeList"] == ["TRACE_PUSH", "DELIVER_CONTACT"]


def test_query_and_cancelling() -> None:
    assert requests.routes_content(QUERY) == {"order": "asc", "waybillNoList": [NUMBER]}
    assert requests.cancel_content(MADE, sto_keys()) == {
        "billCode": NUMBER,
        "orderSource": "SHOP",
        "orderType": "01",
    }
    with pytest.raises(CarrierError, match="not_accepted"):
        requests.routes_content(TrackingQuery(carrier="sto", tracking_number="单号"))
