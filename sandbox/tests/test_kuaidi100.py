import hashlib
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from sandbox.tests.running import Reply, Running, call, started, wait_for

# Sample and signature of logistics.md, section 1.1.
VECTOR = ('{"com":"yuantong","num":"YT2600227881409"}', "KEY", "CUSTOMER", "467F5A29A0A2F0711E0F7A72B2EF0CF3")


def sign(param: str, key: str = "SANDBOXKEY", customer: str = "SANDBOXCUSTOMER") -> str:
    return hashlib.md5((param + key + customer).encode()).hexdigest().upper()


def poll(box: Running, number: str, com: str = "yuantong", **more: object) -> Reply:
    param = json.dumps({"com": com, "num": number, "resultv2": "4", **more}, ensure_ascii=False)
    form = urlencode({"customer": "SANDBOXCUSTOMER", "sign": sign(param), "param": param})
    return call("POST", f"{box.url}/kuaidi100/query.do", body=form.encode())


def contexts(answer: Reply) -> list[str]:
    return [event["context"] for event in answer.json["data"]]


def step(box: Running, number: str, times: int = 1) -> Any:
    return [box.control("parcel", number=number, advance=True).json for _ in range(times)][-1]


def test_the_helper_signs_as_the_document_does() -> None:
    param, key, customer, expected = VECTOR
    assert sign(param, key, customer) == expected


def test_first_query_registers_the_parcel(box: Running) -> None:
    answer = poll(box, "YT2600227881409").json
    (event,) = answer.pop("data")
    place = answer["routeInfo"]["from"]
    assert answer == {
        "message": "ok", "nu": "YT2600227881409", "ischeck": "0", "com": "yuantong", "status": "200", "state": "1",
        "condition": "F00", "isLoop": False,
        "routeInfo": {"from": place, "cur": place, "to": answer["routeInfo"]["to"]},
    }  # fmt: skip
    assert (event["status"], event["statusCode"]) == ("揽收", "103")
    assert event["time"] == event["ftime"]
    assert event["areaCode"] == place["number"]
    assert answer["routeInfo"]["to"] != place


def test_parcels_move_and_keep_their_past(tmp_path: Path) -> None:
    with started(tmp_path, SANDBOX_PARCEL_SECONDS="2") as box:
        first = poll(box, "YT1000000000001").json["data"]
        wait_for(lambda: box.state["parcels"][0]["steps_done"] == box.state["parcels"][0]["steps"])
        final = poll(box, "YT1000000000001").json
        assert final["data"][-1:] == first
        assert (final["ischeck"], final["state"]) == ("1", "3")
        assert final["data"][0]["statusCode"] in ("301", "304")
        assert final["routeInfo"]["cur"] == final["routeInfo"]["to"]
        times = [event["time"] for event in final["data"]]
        assert times == sorted(times, reverse=True)
        assert poll(box, "YT1000000000001").json == final


def test_the_route_follows_from_the_number(tmp_path: Path) -> None:
    stories = []
    for folder in ("a", "b"):
        with started(tmp_path / folder) as box:
            poll(box, "YT1000000000002")
            step(box, "YT1000000000002", 6)
            stories.append(contexts(poll(box, "YT1000000000002")))
    assert stories[0] == stories[1]
    assert len(stories[0]) >= 6


def test_order_and_plain_form(box: Running) -> None:
    poll(box, "YT1000000000003")
    step(box, "YT1000000000003", 2)
    newest_first = contexts(poll(box, "YT1000000000003"))
    assert contexts(poll(box, "YT1000000000003", order="asc")) == newest_first[::-1]
    plain = poll(box, "YT1000000000003", resultv2="").json
    assert set(plain["data"][0]) == {"time", "ftime", "context"}
    assert "routeInfo" not in plain


@pytest.mark.parametrize(
    ("number", "com", "more", "code"),
    [
        ("SF1000000000001", "shunfeng", {}, "408"),
        ("SF1000000000001", "shunfeng", {"phone": "12"}, "408"),
        ("73111390619708", "zhongtong", {}, "408"),
        ("SF1000000000001", "yuantong", {}, "500"),
        ("NONE1000000001", "yuantong", {}, "500"),
        ("YT1000000000004", "nobody", {}, "400"),
        ("YT1", "yuantong", {}, "400"),
    ],
)
def test_failing_queries(box: Running, number: str, com: str, more: dict[str, str], code: str) -> None:
    answer = poll(box, number, com, **more).json
    assert (answer["result"], answer["returnCode"]) == (False, code)
    assert number not in {parcel["number"] for parcel in box.state["parcels"]}


def test_sf_with_a_phone_is_answered(box: Running) -> None:
    assert poll(box, "SF1000000000002", "shunfeng", phone="13800138000").json["status"] == "200"
    assert poll(box, "SF1000000000002", "shunfeng", phone="8000").json["status"] == "200"


@pytest.mark.parametrize("spoil", ["lower", "key", "customer", "param"])
def test_a_wrong_signature_is_503(box: Running, spoil: str) -> None:
    param = '{"com":"yuantong","num":"YT1000000000005"}'
    fields = {"customer": "SANDBOXCUSTOMER", "sign": sign(param), "param": param}
    changes = {
        "lower": {"sign": sign(param).lower()},
        "key": {"sign": sign(param, key="OTHER")},
        "customer": {"customer": "OTHER"},
        "param": {"param": param.replace(",", ", ")},
    }
    body = urlencode({**fields, **changes[spoil]}).encode()
    answer = call("POST", f"{box.url}/kuaidi100/query.do", body=body).json
    assert answer == {"result": False, "returnCode": "503", "message": "验证签名失败"}


def test_49_calls_a_day_lock_the_number(box: Running) -> None:
    for _ in range(48):
        poll(box, "YT1000000000006")
    step(box, "YT1000000000006")
    seen = contexts(poll(box, "YT1000000000006"))
    step(box, "YT1000000000006")
    assert contexts(poll(box, "YT1000000000006")) == seen
    box.control("speed", parcel_lock=False)
    assert len(contexts(poll(box, "YT1000000000006"))) == len(seen) + 1
    box.control("speed", parcel_lock=True)


@pytest.mark.parametrize(
    ("name", "more"), [("duplicate", {"value": 3}), ("reorder", {}), ("return_code", {"value": 601})]
)
def test_faults_of_the_response(box: Running, name: str, more: dict[str, Any]) -> None:
    number = f"YT20000000{len(name):05d}"
    poll(box, number)
    step(box, number, 4)
    right = contexts(poll(box, number))
    box.control("faults", target="kuaidi100.query", fault=name, **more)
    answer = poll(box, number)
    if name == "return_code":
        assert answer.json["returnCode"] == "601"
    else:
        assert set(contexts(answer)) == set(right)
        assert contexts(answer) != right
    assert contexts(poll(box, number)) == right


def test_faults_of_the_connection(box: Running) -> None:
    box.control("faults", target="kuaidi100.query", fault="status_500")
    assert poll(box, "YT1000000000007").status == 500
    box.control("faults", target="kuaidi100.query", fault="delay", value=0.5)
    begun = time.monotonic()
    assert poll(box, "YT1000000000007").status == 200
    assert time.monotonic() - begun >= 0.5
    for name, value in (("drop", None), ("timeout", 0.2)):
        box.control("faults", target="kuaidi100.query", fault=name, value=value)
        with pytest.raises(ConnectionError):
            poll(box, "YT1000000000007")
