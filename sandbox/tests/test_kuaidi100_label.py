import hashlib
import json
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from sandbox.tests.running import Reply, Running, call

PERSON = {"name": "王", "mobile": "13800138000", "province": "四川", "city": "成都市", "addr": "一路"}


def post(box: Running, method: str, param: dict[str, Any], secret: str = "SANDBOXSECRET") -> Reply:
    text, moment = json.dumps(param, ensure_ascii=False), str(int(time.time() * 1000))
    sign = hashlib.md5((text + moment + "SANDBOXKEY" + secret).encode()).hexdigest().upper()
    form = {"method": method, "key": "SANDBOXKEY", "t": moment, "sign": sign, "param": text}
    return call("POST", f"{box.url}/kuaidi100/label/order", body=urlencode(form).encode())


def order(box: Running, reference: str, **more: Any) -> Any:
    return post(box, "order", wanted(reference, **more)).json


def wanted(reference: str, **more: Any) -> dict[str, Any]:
    people = {"recMan": PERSON, "sendMan": PERSON}
    fixed = {"partnerId": "M1", "kuaidicom": "yuantong", "orderId": reference, "reorder": False}
    return {**fixed, **people, **more}


def waybills(box: Running, reference: str) -> list[dict[str, Any]]:
    return [one for one in box.state["kuaidi100"]["waybills"] if one["reference"] == reference]


def test_repeated_reference_gives_one_waybill(box: Running) -> None:
    first, second = order(box, "R1", valinsPay="12.00"), order(box, "R1")
    assert first["success"] is True
    assert first["data"]["kuaidinum"] == second["data"]["kuaidinum"]
    [made] = waybills(box, "R1")
    assert (made["number"], made["insured"], made["state"]) == (first["data"]["kuaidinum"], "12.00", "made")


def test_reordering_makes_a_second_one(box: Running) -> None:
    order(box, "R2")
    order(box, "R2", reorder=True)
    assert len(waybills(box, "R2")) == 2


def test_label_is_at_its_address(box: Running) -> None:
    url = urlsplit(order(box, "R3", printType="IMAGE")["data"]["label"])
    image = call("GET", f"{box.url}{url.path}?{url.query}")
    assert image.body.startswith(b"\x89PNG")
    assert call("GET", f"{box.url}{url.path}?number=YT0").status == 404


@pytest.mark.parametrize("fault", ["timeout", "lost_answer", "unreadable"])
def test_accepted_order_whose_answer_is_lost(box: Running, fault: str) -> None:
    box.control("faults", target="kuaidi100.label", fault=fault, value=0.1)
    try:
        order(box, f"L{fault}")
    except (ConnectionError, ValueError):
        pass
    else:
        pytest.fail("it was answered")
    [made] = waybills(box, f"L{fault}")
    assert order(box, f"L{fault}")["data"]["kuaidinum"] == made["number"]


@pytest.mark.parametrize(("fault", "word"), [("no_funds", "余额"), ("refused", "超区")])
def test_refused_order_makes_nothing(box: Running, fault: str, word: str) -> None:
    box.control("faults", target="kuaidi100.label", fault=fault)
    answer = order(box, f"F{fault}")
    assert answer["success"] is False
    assert word in answer["message"]
    assert waybills(box, f"F{fault}") == []


def test_failing_server_makes_nothing(box: Running) -> None:
    box.control("faults", target="kuaidi100.label", fault="status_500")
    assert post(box, "order", wanted("F5")).status == 500
    assert waybills(box, "F5") == []


@pytest.mark.parametrize(
    ("param", "secret"),
    [
        (wanted("X1"), "OTHER"),
        (wanted("X1", partnerId=""), "SANDBOXSECRET"),
        (wanted("X1", kuaidicom="nobody"), "SANDBOXSECRET"),
        (wanted("X1", recMan={**PERSON, "mobile": "a"}), "SANDBOXSECRET"),
        (wanted("X1", sendMan={}), "SANDBOXSECRET"),
    ],
)
def test_wrong_orders_are_refused(box: Running, param: dict[str, Any], secret: str) -> None:
    assert post(box, "order", param, secret).json["success"] is False
    assert waybills(box, "X1") == []


def test_cancelling(box: Running) -> None:
    number = order(box, "C1")["data"]["kuaidinum"]
    wish = {"partnerId": "M1", "kuaidicom": "yuantong", "kuaidinum": number, "orderId": "C1"}
    assert post(box, "cancel", {**wish, "orderId": "C2"}).json["message"] == "订单不存在"
    assert post(box, "cancel", wish).json["success"] is True
    assert "已取消" in post(box, "cancel", wish).json["message"]
    assert waybills(box, "C1")[0]["state"] == "cancelled"


def test_parcel_under_way_is_not_cancelled(box: Running) -> None:
    number = order(box, "C3")["data"]["kuaidinum"]
    box.control("parcel", number=number, advance=True)
    wish = {"partnerId": "M1", "kuaidicom": "yuantong", "kuaidinum": number, "orderId": "C3"}
    assert post(box, "cancel", wish).json["success"] is False
    assert waybills(box, "C3")[0]["state"] == "made"
