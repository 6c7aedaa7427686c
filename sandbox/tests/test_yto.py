import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from sandbox.tests.running import Reply, Running, call, wait_for

PEOPLE = {
    "senderName": "仓库", "senderMobile": "13500000001", "senderProvinceName": "浙江省", "senderCityName": "杭州市",
    "senderCountyName": "余杭区", "senderAddress": "文一西路969号", "recipientName": "王小明",
    "recipientMobile": "13800138000", "recipientProvinceName": "四川省", "recipientCityName": "成都市",
    "recipientCountyName": "双流区", "recipientAddress": "科学大道1号",
}  # fmt: skip


def digest(text: str) -> str:
    return base64.b64encode(hashlib.md5(text.encode()).digest()).decode()


def post(box: Running, method: str, content: Mapping[str, object], secret: str = "SANDBOXYTOSECRET") -> Reply:
    param = json.dumps(content, ensure_ascii=False)
    stamp = str(time.time_ns() // 1_000_000)
    signed = digest(f"{param}{method}v1{secret}")
    body = json.dumps({"timestamp": stamp, "param": param, "sign": signed, "format": "JSON"})
    return call("POST", f"{box.url}/yto/open/{method}/v1/USER/SANDBOXYTO", body=body.encode())


def order(box: Running, reference: str, **changes: object) -> Reply:
    return post(box, "privacy_create_adapter", {"logisticsNo": reference, **PEOPLE, **changes})


def track(box: Running, number: str) -> Any:
    return post(box, "track_query_adapter", {"NUMBER": number}).json


def travel(box: Running, number: str) -> None:
    for _ in range(7):
        box.control("parcel", number=number, advance=True)


@pytest.fixture
def shop() -> Iterator[tuple[str, list[str]]]:
    """A shop that takes pushes: its address, and the codes that it was sent with a right digest."""
    taken: list[str] = []

    class Shop(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            xml, sent = form["logistics_interface"][0], form["data_digest"][0]
            good = sent == digest(f"{xml}SANDBOXYTOSECRET")
            if good:
                taken.append(re.findall("<infoContent>(.*?)</infoContent>", xml)[0])
            body = f"<Response><success>{'true' if good else 'false'}</success></Response>".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", taken
    server.shutdown()
    server.server_close()


def test_the_helper_signs_as_the_document_does() -> None:
    assert digest("opentest123456") == "YLstCNa3x8ijQx16e/jqOA=="


def test_one_waybill_for_each_number_of_ours(box: Running) -> None:
    first, second, other = order(box, "REFA0001"), order(box, "REFA0001"), order(box, "REFA0002")
    assert re.fullmatch(r"YT[0-9]{13}", first.json["mailNo"])
    assert second.json == first.json
    assert other.json["mailNo"] != first.json["mailNo"]


def test_a_route_is_an_array_and_its_absence_an_object(box: Running) -> None:
    number = order(box, "REFB0001").json["mailNo"]
    travel(box, number)
    rows = track(box, number)
    assert [row["infoContent"] for row in rows[:5]] == ["GOT", "DEPARTURE", "ARRIVAL", "ARRIVAL", "SENT_SCAN"]
    assert rows[-1]["infoContent"] == "SIGNED"
    assert "13911113333" in rows[0]["processInfo"]
    nothing = track(box, "YT0000000000000")
    assert (nothing["code"], nothing["success"]) == ("1001", "true")


def test_cancelling(box: Running) -> None:
    number = order(box, "REFC0001").json["mailNo"]
    cancel = {"logisticsNo": "REFC0001", "cancelDesc": "x"}
    assert post(box, "korder_cancel_adapter", cancel).json["logisticsNo"] == "REFC0001"
    assert post(box, "korder_cancel_adapter", cancel).json["reason"] == "订单已取消"
    assert track(box, number)["code"] == "1001"
    travel(box, order(box, "REFC0002").json["mailNo"])
    gone = post(box, "korder_cancel_adapter", {"logisticsNo": "REFC0002", "cancelDesc": "x"}).json
    assert (gone["success"], gone["reason"]) == ("false", "快件已揽收,不能取消")


def test_refusals(box: Running) -> None:
    far = order(box, "REFD0001", recipientProvinceName="台湾省").json
    nameless = order(box, "REFD0001", recipientName="").json
    little = order(box, "REFD0001", increments=[{"type": 4, "amount": 99}]).json
    wrong = post(box, "privacy_create_adapter", {"logisticsNo": "REFD0001", **PEOPLE}, "OTHER").json
    assert [one["code"] for one in (far, nameless, little, wrong)] == ["B101", "S01", "B105", "S03"]
    assert "REFD0001" not in {one["reference"] for one in box.state["waybills"]}


def test_an_order_is_taken_although_nobody_hears_it(box: Running) -> None:
    for fault in ({"fault": "timeout", "value": 0.1}, {"fault": "bad_gateway"}):
        box.control("faults", target="yto.create", **fault)
        if fault["fault"] == "timeout":
            with pytest.raises(OSError, match=r".*"):
                order(box, "REFE0001")
        else:
            assert order(box, "REFE0001").status == 502
    assert order(box, "REFE0001").json["mailNo"]
    (waybill,) = [one for one in box.state["waybills"] if one["reference"] == "REFE0001"]
    assert waybill["times_ordered"] == 3


@pytest.mark.parametrize(
    ("fault", "code"), [("throttled", "S05"), ("bad_signature", "S03"), ("refused_area", "B101")]
)
def test_faults_of_an_order(box: Running, fault: str, code: str) -> None:
    box.control("faults", target="yto.create", fault=fault)
    assert order(box, f"REFF{fault.upper()}").json["code"] == code


def test_pushes_with_duplicates_and_out_of_order(box: Running, shop: tuple[str, list[str]]) -> None:
    url, taken = shop
    number = order(box, "REFG0001").json["mailNo"]
    travel(box, number)
    for fault in ("duplicate", "reorder"):
        box.control("faults", target="yto.push", fault=fault, times=None)
    box.control("push_address", url=url)
    right = [row["infoContent"] for row in track(box, number)]
    wanted = [code for code in right[::-1] for _ in range(2)]
    try:
        wait_for(lambda: ",".join(wanted) in ",".join(taken))
    finally:
        box.control("push_address", url="")


def test_a_push_that_is_not_taken_goes_again(box: Running, shop: tuple[str, list[str]]) -> None:
    url, taken = shop
    order(box, "REFH0001")
    box.control("faults", target="yto.push", fault="bad_signature", times=None)
    box.control("push_address", url=url)
    time.sleep(1)
    assert taken == []
    box.control("faults", "DELETE")
    wait_for(lambda: "GOT" in taken)
    box.control("push_address", url="")
