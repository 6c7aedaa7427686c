import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.tests.running import Reply, Running, call

SENDER = {
    "senderName": "仓库", "senderMobile": "13500000001", "senderProvince": "浙江省", "senderCity": "杭州市",
    "senderDistrict": "余杭区", "senderAddress": "文一西路969号",
}  # fmt: skip
RECEIVER = {
    "receiverName": "王小明", "receiverMobile": "13800138000", "receiverProvince": "四川省",
    "receiverCity": "成都市", "receiverDistrict": "双流区", "receiverAddress": "科学大道1号",
}  # fmt: skip


def digest(body: bytes, secret: str = "SANDBOXZTOSECRET") -> str:
    return base64.b64encode(hashlib.md5(body + secret.encode()).digest()).decode()


def post(box: Running, operation: str, content: Mapping[str, object], **changes: str) -> Reply:
    body = json.dumps(content, ensure_ascii=False).encode()
    headers = {
        "x-appKey": "SANDBOXZTO",
        "x-dataDigest": digest(body),
        "content-type": "application/json",
        **changes,
    }
    return call("POST", f"{box.url}/zto/{operation}", body=body, headers=headers)


def order(box: Running, reference: str, **changes: object) -> Reply:
    account = {"accountId": "sandbox", "accountPassword": "ZTO123", "type": 1}
    content = {
        "partnerType": "2", "orderType": "1", "partnerOrderCode": reference, "accountInfo": account,
        "senderInfo": SENDER, "receiveInfo": RECEIVER, **changes,
    }  # fmt: skip
    return post(box, "zto.open.createOrder", content)


def track(box: Running, number: str, phone: str = "8000") -> Reply:
    return post(box, "zto.merchant.waybill.track.query", {"billCode": number, "mobilePhone": phone})


def code(reply: Reply) -> tuple[bool, str]:
    return reply.json["status"], reply.json["statusCode"]


def calls(box: Running, target: str) -> Any:
    return next((one for one in box.state["carrier_calls"] if one["target"] == target), None)


def test_the_helper_signs_as_the_document_does() -> None:
    assert digest('{"a":"中文 b+c*~"}'.encode(), "SECRET") == "omTsqmufpJeWfN+w12rpEw=="


def test_one_waybill_for_each_reference(box: Running) -> None:
    first, second, other = order(box, "REFA0001"), order(box, "REFA0001"), order(box, "REFA0002")
    result = first.json["result"]
    assert re.fullmatch(r"73[0-9]{12}", result["billCode"])
    assert result["bigMarkInfo"] == {"mark": "300- H12 09", "bagAddr": "沪西"}
    assert second.json["result"] == result
    assert other.json["result"]["billCode"] != result["billCode"]
    waybills = {one["reference"]: one["times_ordered"] for one in box.state["waybills"]}
    assert (waybills["REFA0001"], waybills["REFA0002"]) == (2, 1)


def test_looking_up_by_both_numbers(box: Running) -> None:
    number = order(box, "REFB0001").json["result"]["billCode"]
    for key in ({"partnerOrderCode": "REFB0001"}, {"billCode": number}):
        (found,) = post(box, "zto.open.getOrderInfo", {"type": 1, **key}).json["result"]
        assert (found["billCode"], found["partnerOrderCode"]) == (number, "REFB0001")
    assert (
        post(box, "zto.open.getOrderInfo", {"type": 1, "partnerOrderCode": "NEVER001"}).json["result"] == []
    )
    assert code(post(box, "zto.open.getOrderInfo", {"type": 1})) == (False, "S208")


def test_cancelling(box: Running) -> None:
    number = order(box, "REFC0001").json["result"]["billCode"]
    cancel = {"billCode": number, "cancelType": "1"}
    assert code(post(box, "zto.open.cancelPreOrder", cancel)) == (True, "SYS000")
    assert code(post(box, "zto.open.cancelPreOrder", cancel)) == (False, "SYS102")
    assert track(box, number).json["result"] == []
    moving = order(box, "REFC0002").json["result"]["billCode"]
    box.control("parcel", number=moving, advance=True)
    assert code(post(box, "zto.open.cancelPreOrder", {"billCode": moving, "cancelType": "1"})) == (
        False,
        "SYS103",
    )


def test_a_parcel_moves(box: Running) -> None:
    number = order(box, "REFD0001").json["result"]["billCode"]
    for _ in range(7):
        box.control("parcel", number=number, advance=True)
    rows = track(box, number).json["result"]
    assert [row["scanType"] for row in rows[:5]] == ["收件", "发件", "到件", "到件", "派件"]
    assert rows[-1]["scanType"] in ("签收", "SIGNED")
    assert rows[-1]["scanSite"]["city"] == "成都市"
    assert [row["scanDate"] for row in rows] == sorted(row["scanDate"] for row in rows)
    assert rows[0]["operateUserPhone"] in rows[0]["desc"]


@pytest.mark.parametrize(
    ("number", "phone", "expected"),
    [
        ("73111390619708", "", (False, "E413")),
        ("YT1234567890123", "8000", (False, "E416")),
        ("73000000000000", "8000", (True, "SYS000")),
    ],
)
def test_failing_queries(box: Running, number: str, phone: str, expected: tuple[bool, str]) -> None:
    reply = track(box, number, phone)
    assert code(reply) == expected
    assert not reply.json["result"]


def test_another_phone(box: Running) -> None:
    number = order(box, "REFE0001").json["result"]["billCode"]
    assert code(track(box, number, "1234")) == (False, "E409")


def test_wrong_signatures(box: Running) -> None:
    for changes, expected in (
        ({"x-dataDigest": digest(b"another body")}, "S211"),
        ({"x-appKey": "OTHER"}, "S210"),
    ):
        reply = post(box, "zto.open.createOrder", {"partnerOrderCode": "REFF0001"}, **changes)
        assert code(reply) == (False, expected)
    assert "REFF0001" not in {one["reference"] for one in box.state["waybills"]}


def test_refused_orders(box: Running) -> None:
    far = {**RECEIVER, "receiverProvince": "台湾省"}
    nameless = {**RECEIVER, "receiverName": ""}
    account = {"accountId": "sandbox", "accountPassword": "wrong"}
    dear = [{"vasType": "insured", "vasAmount": 3_000_001}]
    replies = [
        order(box, "REFG0001", receiveInfo=far), order(box, "REFG0001", receiveInfo=nameless),
        order(box, "REFG0001", accountInfo=account), order(box, "REFG0001", orderVasList=dear),
    ]  # fmt: skip
    assert [reply.json["statusCode"] for reply in replies] == ["SYS104", "S208", "E404", "SYS106"]
    assert "REFG0001" not in {one["reference"] for one in box.state["waybills"]}


@pytest.mark.parametrize(
    ("fault", "expected"), [("throttled", "S221"), ("bad_signature", "S211"), ("refused_area", "SYS104")]
)
def test_faults_of_an_order(box: Running, fault: str, expected: str) -> None:
    reference = f"REFH{fault.upper()}"
    box.control("faults", target="zto.create", fault=fault)
    assert code(order(box, reference)) == (False, expected)
    assert code(order(box, reference)) == (True, "SYS000")


def test_an_order_is_taken_although_nobody_hears_it(box: Running) -> None:
    box.control("faults", target="zto.create", fault="timeout", value=0.1)
    with pytest.raises(OSError, match=r".*"):
        order(box, "REFI0001")
    box.control("faults", target="zto.create", fault="bad_gateway")
    assert order(box, "REFI0001").status == 502
    (found,) = post(box, "zto.open.getOrderInfo", {"type": 1, "partnerOrderCode": "REFI0001"}).json["result"]
    assert order(box, "REFI0001").json["result"]["billCode"] == found["billCode"]


def test_an_order_that_never_arrived(box: Running) -> None:
    box.control("faults", target="zto.create", fault="status_500")
    assert order(box, "REFJ0001").status == 500
    assert (
        post(box, "zto.open.getOrderInfo", {"type": 1, "partnerOrderCode": "REFJ0001"}).json["result"] == []
    )


def test_calls_are_counted(box: Running) -> None:
    before = (calls(box, "zto.query") or {"calls": 0})["calls"]
    for _ in range(3):
        track(box, "73555555555555")
    after = calls(box, "zto.query")
    assert after["calls"] == before + 3
    assert 0 < after["least_gap"] < 5
