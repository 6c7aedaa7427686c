"""What SF is asked, each content whole."""

from __future__ import annotations

import pytest

from logistics.carriers.sf.requests import (
    cancel_content,
    create_content,
    find_content,
    query_problem,
    routes_content,
)
from logistics.carriers.sf.tests.account import NUMBER, REFERENCE, query_of, sf_keys, sf_request
from logistics.carriers.types import MadeWaybill


def test_order_of_a_waybill() -> None:
    assert create_content(sf_request(), sf_keys()) == {
        "language": "zh-CN",
        "orderId": REFERENCE,
        "cargoDetails": [{"name": "陶瓷杯", "count": 2}, {"name": "杯盖", "count": 1}],
        "contactInfoList": [
            {
                "contactType": 1, "company": "示例商店", "contact": "杭州主仓", "tel": "0571-88880000", "country": "CN",
                "province": "浙江省", "city": "杭州市", "county": "余杭区", "address": "文一西路969号",
            },
            {
                "contactType": 2, "contact": "王小明", "mobile": "13800138000", "country": "CN",
                "province": "广东省", "city": "深圳市", "county": "南山区", "address": "科技园1号",
            },
        ],
        "monthlyCard": "7551234567",
        "payMethod": 1,
        "expressTypeId": 2,
        "parcelQty": 1,
        "isReturnRoutelabel": 1,
        "remark": "轻放 *~",
        "serviceList": [{"name": "INSURE", "value": "199.90"}],
    }  # fmt: skip


def test_what_the_account_chooses() -> None:
    keys = sf_keys(express_type_id="1", insurance_service="IN159")
    content = create_content(sf_request(), keys)
    assert content["expressTypeId"] == 1
    assert content["serviceList"] == [{"name": "IN159", "value": "199.90"}]
    assert "serviceList" not in create_content(sf_request(insured=None), keys)


def test_query_of_several_routes() -> None:
    queries = [
        query_of(" sf7444400043064 "),
        query_of("SF7444400043072", "1234"),
        query_of("SF7444400043081"),
    ]
    assert routes_content(queries) == {
        "language": "0",
        "trackingType": "1",
        "trackingNumber": ["SF7444400043064", "SF7444400043072", "SF7444400043081"],
        "methodType": "1",
        "checkPhoneNo": "8000,1234",
    }


@pytest.mark.parametrize(
    ("number", "phone", "code"),
    [
        (NUMBER, "", "phone_needed"),
        ("YT2600227881409", "8000", "not_accepted"),
        ("SF1", "8000", "not_accepted"),
        ("SF744440004306４", "8000", "not_accepted"),
    ],
)
def test_parcels_that_are_not_queried(number: str, phone: str, code: str) -> None:
    problem = query_problem(query_of(number, phone))
    assert problem is not None
    assert problem.code == code


def test_old_numbers_are_queried() -> None:
    assert query_problem(query_of("444400043064")) is None


def test_search_and_cancelling() -> None:
    assert find_content(sf_request()) == {"language": "zh-CN", "orderId": REFERENCE, "searchType": "1"}
    assert cancel_content(MadeWaybill(reference=REFERENCE, carrier="sf", tracking_number=NUMBER)) == {
        "language": "zh-CN",
        "orderId": REFERENCE,
        "dealType": 2,
        "waybillNoInfoList": [{"waybillType": 1, "waybillNo": NUMBER}],
    }
