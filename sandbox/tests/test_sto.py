import base64
import hashlib
import json
import re
from collections.abc import Mapping
from urllib.parse import urlencode

import pytest

from sandbox.tests.running import Reply, Running, call

CUSTOMER = {"siteCode": "666666", "customerName": "666666000001", "sitePwd": "abc123"}
PERSON = {
    "name": "王小明", "mobile": "13800138000", "province": "四川省", "city": "成都市", "area": "双流区", "address": "路1号",
}  # fmt: skip
CARGO = {"battery": "30", "goodsType": "小件", "goodsName": "杯"}
ORDER = {
    "orderSource": "SANDBOX", "billType": "00", "orderType": "01", "sender": PERSON, "receiver": PERSON,
    "cargo": CARGO, "customer": CUSTOMER,
}  # fmt: skip


def digest(text: str) -> str:
    return base64.b64encode(hashlib.md5(text.encode()).digest()).decode()


def post(
    box: Running, name: str, receiver: str, content: Mapping[str, object], secret: str = "SANDBOXSTOSECRET"
) -> Reply:
    text = json.dumps(content, ensure_ascii=False)
    form = {
        "content": text, "data_digest": digest(f"{text}{secret}"), "api_name": name, "from_appkey": "SANDBOXSTO",
        "from_code": "SANDBOXSTO", "to_appkey": receiver, "to_code": receiver,
    }  # fmt: skip
    return call("POST", f"{box.url}/sto/gateway/link.do", body=urlencode(form).encode())


def order(box: Running, reference: str, **changes: object) -> Reply:
    return post(box, "OMS_EXPRESS_ORDER_CREATE", "sto_oms", {"orderNo": reference, **ORDER, **changes})


def cancel(box: Running, number: str) -> Reply:
    content = {"billCode": number, "orderSource": "SANDBOX", "orderType": "01"}
    return post(box, "EDI_MODIFY_ORDER_CANCEL", "edi_modify_order", content)


def routes(box: Running, *numbers: str, sort: str = "asc") -> Mapping[str, list[dict[str, str]]]:
    content = {"order": sort, "waybillNoList": list(numbers)}
    found: Mapping[str, list[dict[str, str]]] = post(
        box, "STO_TRACE_QUERY_COMMON", "sto_trace_query", content
    ).json["data"]
    return found


def travel(box: Running, number: str) -> None:
    for _ in range(7):
        box.control("parcel", number=number, advance=True)


def test_one_waybill_for_each_number_of_ours(box: Running) -> None:
    first, second, other = (order(box, name).json["data"] for name in ("STOA1", "STOA1", "STOA2"))
    assert re.fullmatch(r"77[0-9]{13}", first["waybillNo"])
    assert second == first
    assert other["waybillNo"] != first["waybillNo"]


def test_routes_by_number_in_the_order_that_is_asked(box: Running) -> None:
    number = order(box, "STOB1").json["data"]["waybillNo"]
    travel(box, number)
    found = routes(box, number, "770000000000000")
    assert list(found) == [number]
    scans = [row["scanType"] for row in found[number]]
    assert (scans[:5], scans[-1]) == (["收件", "发件", "到件", "到件", "派件"], "签收")
    assert [row["scanType"] for row in routes(box, number, sort="desc")[number]] == scans[::-1]
    assert "13911114444" in found[number][0]["memo"]


def test_cancelling(box: Running) -> None:
    number = order(box, "STOC1").json["data"]["waybillNo"]
    assert cancel(box, number).json["data"] == "成功"
    assert cancel(box, number).json["errorMsg"] == "订单已取消"
    assert routes(box, number) == {}
    gone = order(box, "STOC2").json["data"]["waybillNo"]
    travel(box, gone)
    assert cancel(box, gone).json["errorMsg"] == "快件已揽收,不能取消"


def test_refusals_of_the_programs_behind_the_gateway(box: Running) -> None:
    answers = [
        order(box, "STOD1", receiver={**PERSON, "province": "台湾省"}),
        order(box, "STOD1", customer={}),
        order(box, "STOD1", orderType="02"),
        order(box, "STOD1", cargo={}),
        order(box, "STOD1", sender={**PERSON, "name": ""}),
        order(box, "STOD1", insuredAnnex={"insuredValue": "1", "goodsValue": "1.00"}),
    ]
    assert [one.json["errorCode"] for one in answers] == ["B001", "B002", "B003", "B004", "B009", "B010"]
    assert "STOD1" not in {one["reference"] for one in box.state["waybills"]}


@pytest.mark.parametrize(
    ("name", "receiver", "secret"),
    [
        ("NOTHING", "sto_oms", "SANDBOXSTOSECRET"),
        ("OMS_EXPRESS_ORDER_CREATE", "sto_trace_query", "SANDBOXSTOSECRET"),
        ("OMS_EXPRESS_ORDER_CREATE", "sto_oms", "OTHER"),
    ],
)
def test_refusals_of_the_gateway_are_xml(box: Running, name: str, receiver: str, secret: str) -> None:
    answer = post(box, name, receiver, {"orderNo": "STOE1", **ORDER}, secret)
    assert answer.text.startswith("<response><success>false</success>")


def test_pushes_go_to_the_carriers_own_address(box: Running) -> None:
    assert box.control("push_address", url="", carrier="sto").json == {"url": "", "carrier": "sto"}
    assert box.control("push_address", url="", carrier="zto").status == 400
