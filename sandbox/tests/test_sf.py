import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode
from xml.etree import ElementTree

import pytest

from sandbox.tests.running import Reply, Running, call, wait_for

CONTACTS = [
    {
        "contactType": 1, "contact": "仓库", "tel": "0571-88880000", "province": "浙江省", "city": "杭州市",
        "county": "余杭区", "address": "文一西路969号",
    },
    {
        "contactType": 2, "contact": "王小明", "mobile": "13800138000", "province": "四川省", "city": "成都市",
        "county": "双流区", "address": "科学大道1号",
    },
]  # fmt: skip


def digest(msg_data: str, stamp: str, checkword: str = "SANDBOXSFCHECKWORD") -> str:
    encoded = quote_plus(msg_data + stamp + checkword, safe="*-._").replace("~", "%7E").encode()
    return base64.b64encode(hashlib.md5(encoded).digest()).decode()


def post(box: Running, service: str, content: object, **changes: str) -> Reply:
    msg_data, stamp = json.dumps(content, ensure_ascii=False), str(int(time.time() * 1000))
    form = {
        "partnerID": "SANDBOXSF", "requestID": "r", "serviceCode": f"EXP_RECE_{service}", "timestamp": stamp,
        "msgDigest": digest(msg_data, stamp), "msgData": msg_data, **changes,
    }  # fmt: skip
    return call("POST", f"{box.url}/sf/std/service", body=urlencode(form).encode())


def inner(reply: Reply) -> Any:
    assert reply.json["apiResultCode"] == "A1000"
    return json.loads(reply.json["apiResultData"])


def order(box: Running, reference: str, **changes: object) -> Any:
    content = {
        "orderId": reference, "monthlyCard": "7551234567", "contactInfoList": CONTACTS, "remark": "轻放 *~", **changes,
    }  # fmt: skip
    return inner(post(box, "CREATE_ORDER", content))


def find(box: Running, reference: str) -> Any:
    return inner(post(box, "SEARCH_ORDER_RESP", {"orderId": reference}))


def routes(box: Running, *numbers: str, phone: str = "8000") -> Any:
    content = {"trackingType": "1", "trackingNumber": numbers, "methodType": "1", "checkPhoneNo": phone}
    return inner(post(box, "SEARCH_ROUTES", content))


def number_of(answer: Any) -> str:
    return str(answer["msgData"]["waybillNoInfoList"][0]["waybillNo"])


def to_taiwan() -> list[dict[str, object]]:
    return [CONTACTS[0], {**CONTACTS[1], "province": "台湾省"}]


def test_the_helper_signs_as_the_document_does() -> None:
    assert digest('{"a":"中文 b+c*~"}', "1700000000000", "CW") == "EP9gUcd13tQzog2U7KFPSA=="


def test_one_waybill_for_an_order_id(box: Running) -> None:
    first = order(box, "SFREF0001")
    assert (first["errorCode"], first["msgData"]["filterResult"]) == ("S0000", 2)
    again = order(box, "SFREF0001", contactInfoList=to_taiwan())
    assert (again["success"], again["errorCode"]) == (False, "8016")
    assert number_of(find(box, "SFREF0001")) == number_of(first)
    box.control("faults", target="sf.create", fault="old_waybill")
    assert number_of(order(box, "SFREF0001")) == number_of(first)
    assert [one["times_ordered"] for one in box.state["waybills"] if one["reference"] == "SFREF0001"] == [3]


def test_order_without_a_number(box: Running) -> None:
    box.control("faults", target="sf.create", fault="no_number")
    review = order(box, "SFREF0002")["msgData"]
    assert (review["filterResult"], review["waybillNoInfoList"]) == (1, None)
    assert number_of(find(box, "SFREF0002")).startswith("SF")
    for answer in (order(box, "SFREF0003", contactInfoList=to_taiwan()), find(box, "SFREF0003")):
        assert (answer["msgData"]["filterResult"], answer["msgData"]["waybillNoInfoList"]) == (3, None)


def test_what_is_refused(box: Running) -> None:
    assert order(box, "SFREF0004", monthlyCard="1")["errorCode"] == "20036"
    assert order(box, "")["errorCode"] == "6118"
    assert order(box, "SFREF0004", contactInfoList=CONTACTS[:1])["errorCode"] == "S0002"
    wrong = [{"name": "INSURE", "value": "many"}]
    assert order(box, "SFREF0004", serviceList=wrong)["errorCode"] == "20016"
    assert find(box, "SFREF0004")["errorCode"] == "8024"
    assert routes(box, *["SF1000000000001"] * 11)["errorCode"] == "S0002"


def test_cancelling(box: Running) -> None:
    number = number_of(order(box, "SFREF0005"))
    content: dict[str, object] = {"orderId": "SFREF0005", "dealType": 2}
    other = {**content, "waybillNoInfoList": [{"waybillNo": "SF1"}]}
    assert inner(post(box, "UPDATE_ORDER", other))["errorCode"] == "8017"
    assert inner(post(box, "UPDATE_ORDER", content))["msgData"]["resStatus"] == 2
    assert inner(post(box, "UPDATE_ORDER", content))["errorCode"] == "8037"
    assert find(box, "SFREF0005")["errorCode"] == "8037"
    assert inner(post(box, "UPDATE_ORDER", {**content, "orderId": "NONE"}))["errorCode"] == "8018"
    assert routes(box, number)["msgData"]["routeResps"] == [{"mailNo": number, "routes": []}]


def test_parcel_under_way_is_not_cancelled(box: Running) -> None:
    number = number_of(order(box, "SFREF0006"))
    box.control("parcel", number=number, advance=True)
    assert inner(post(box, "UPDATE_ORDER", {"orderId": "SFREF0006", "dealType": 2}))["errorCode"] == "8253"
    assert number_of(find(box, "SFREF0006")) == number


def test_routes_of_ten(box: Running) -> None:
    number = number_of(order(box, "SFREF0007"))
    numbers = [number, *(f"SF20000000000{n:02d}" for n in range(9))]
    for _ in range(7):
        box.control("parcel", number=number, advance=True)
    found = {one["mailNo"]: one["routes"] for one in routes(box, *numbers)["msgData"]["routeResps"]}
    assert list(found) == numbers
    assert [one["opCode"] for one in found[number]][:5] == ["50", "36", "31", "31", "44"]
    assert found[number][-1]["opCode"] == "80"
    assert {len(found[one]) for one in numbers[1:]} == {1}
    assert routes(box, number, phone="1111")["msgData"]["routeResps"][0]["routes"] == []
    assert routes(box, "SF0000000000000")["msgData"]["routeResps"][0]["routes"] == []


def test_calls_are_counted(box: Running) -> None:
    for _ in range(2):
        routes(box, "SF3000000000001")
    counts = {one["target"]: one for one in box.state["carrier_calls"]}
    assert counts["sf.query"]["calls"] >= 2
    assert counts["sf.number"]["least_gap"] < 5


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"msgDigest": "x"}, "A1006"),
        ({"partnerID": "OTHER"}, "A1006"),
        ({"timestamp": "1"}, "A1006"),
        ({"msgData": "{}"}, "A1006"),
        ({"requestID": ""}, "A1001"),
        ({"serviceCode": "EXP_RECE_OTHER"}, "A1004"),
    ],
)
def test_gateway_refuses(box: Running, changes: dict[str, str], code: str) -> None:
    reply = post(box, "SEARCH_ORDER_RESP", {"orderId": "SFREF0001"}, **changes)
    assert (reply.status, reply.json["apiResultCode"], reply.json["apiResultData"]) == (200, code, None)


def test_faults(box: Running) -> None:
    for fault, code in (("throttled", "A1005"), ("bad_signature", "A1006")):
        box.control("faults", target="sf.find", fault=fault)
        assert post(box, "SEARCH_ORDER_RESP", {"orderId": "X"}).json["apiResultCode"] == code
    box.control("faults", target="sf.create", fault="timeout", value=0.2)
    with pytest.raises(ConnectionError):
        order(box, "SFREF0008")
    assert number_of(find(box, "SFREF0008")).startswith("SF")
    box.control("faults", target="sf.create", fault="status_500")
    content = {"orderId": "SFREF0009", "monthlyCard": "7551234567", "contactInfoList": CONTACTS}
    assert post(box, "CREATE_ORDER", content).status == 500
    assert find(box, "SFREF0009")["errorCode"] == "8024"
    box.control("faults", target="sf.create", fault="bad_gateway")
    assert post(box, "CREATE_ORDER", content).status == 502
    assert number_of(find(box, "SFREF0009")).startswith("SF")


class Shop(HTTPServer):
    """Takes pushes and answers them in SF's words."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/push/sf/token/"

    def rows(self) -> list[dict[str, str]]:
        return [row for body in list(self.bodies) for row in rows_of(body)]


class Handler(BaseHTTPRequestHandler):
    server: Shop

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        words = b'{"return_code":"0000"}' if body[:1] == b"{" else b"<Response><Head>OK</Head></Response>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def rows_of(body: bytes) -> list[dict[str, str]]:
    if body[:1] == b"{":
        rows: list[dict[str, str]] = json.loads(body)["Body"]["WaybillRoute"]
        return rows
    root = ElementTree.fromstring(parse_qs(body.decode())["content"][0])
    return [dict(one.attrib) for one in root.iterfind("./Body/WaybillRoute")]


@pytest.fixture
def shop(box: Running) -> Iterator[Shop]:
    running = Shop()
    yield running
    box.control("sf_push", url="")
    running.shutdown()
    running.server_close()


@pytest.mark.parametrize("form", ["json", "xml"])
def test_pushes_come_four_times_and_out_of_order(box: Running, shop: Shop, form: str) -> None:
    number = number_of(order(box, f"SFPUSH{form.upper()}"))
    for _ in range(5):
        box.control("parcel", number=number, advance=True)
    box.control("sf_push", url=shop.url, form=form)
    rows = wait_for(lambda: [row for row in shop.rows() if row["mailno"] == number] if _is_over(box) else [])
    steps = [(row["acceptTime"], row["remark"]) for row in rows]
    assert len(steps) == 4 * len(set(steps))
    assert len(set(steps)) >= 6
    assert rows[0]["orderid"] == f"SFPUSH{form.upper()}"
    assert max(len(rows_of(body)) for body in shop.bodies) <= 10


def _is_over(box: Running) -> bool:
    pushes = box.state["sf_pushes"]
    return bool(pushes) and all(one["state"] == "done" for one in pushes)


def test_push_that_is_not_taken_comes_again(box: Running, shop: Shop) -> None:
    number = number_of(order(box, "SFPUSHAGAIN"))
    box.control("faults", target="sf.push", fault="status_500")
    box.control("sf_push", url=shop.url)
    tries = wait_for(lambda: _finished(box, number))
    assert sum(tries) > len(tries)


def _finished(box: Running, number: str) -> list[int]:
    """The tries of each pushed row of a parcel, once all copies of its first event are done."""
    done = [one for one in box.state["sf_pushes"] if (one["number"], one["state"]) == (number, "done")]
    return [one["tries"] for one in done] if len(done) >= 4 else []


def test_addresses_that_are_refused(box: Running) -> None:
    assert box.control("sf_push", url="file:///etc/passwd").status == 400
    assert box.control("sf_push", url="http://127.0.0.1:1/", form="csv").status == 400
