"""The warehouse against an order API that a plain HTTP server plays."""

import json
from pathlib import Path
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from sandbox.tests.running import started, wait_for
from sandbox.tests.test_kuaidi100 import poll


class OrderApi:
    """Two pages of paid orders, and a confirm call that answers with the given codes in turn."""

    def __init__(
        self, httpserver: HTTPServer, orders: list[dict[str, Any]], codes: dict[str, list[str]]
    ) -> None:
        self.orders, self.codes = orders, codes
        self.confirmed: list[dict[str, Any]] = []
        self.shipped: set[str] = set()
        httpserver.expect_request("/api/v1/orders/").respond_with_handler(self.list_orders)
        httpserver.expect_request("/api/v1/shipments/confirm/", method="POST").respond_with_handler(
            self.confirm
        )

    def list_orders(self, request: Request) -> Response:
        if request.headers.get("Authorization") != "Bearer token-1":
            return Response("{}", 401)
        assert request.args["status"] == "paid"
        paid = [one for one in self.orders if one["number"] not in self.shipped]
        second = request.args.get("cursor") == "two"
        following = None if second else "http://public.name.test/api/v1/orders/?status=paid&cursor=two"
        return answer({"next": following, "previous": None, "results": paid[1:] if second else paid[:1]})

    def confirm(self, request: Request) -> Response:
        rows = json.loads(request.get_data())["confirmations"]
        self.confirmed += rows
        return answer({"results": [self.result(row["order"]) for row in rows]})

    def result(self, number: str) -> dict[str, Any]:
        left = self.codes.get(number, ["ok"])
        code = left.pop(0) if len(left) > 1 else left[0]
        ok = code in ("ok", "already_confirmed")
        if ok:
            self.shipped.add(number)
        return {"order": number, "ok": ok, "code": code, "message": "words", "shipment": None}

    def of(self, number: str) -> list[dict[str, Any]]:
        return [row for row in self.confirmed if row["order"] == number]


def answer(value: object) -> Response:
    return Response(json.dumps(value), content_type="application/json")


def order(number: str, *, held: bool = False, phone: str = "138****8000") -> dict[str, Any]:
    return {"number": number, "status": "paid", "held": held, "buyer": {"phone": phone}}


def base(httpserver: HTTPServer) -> str:
    return str(httpserver.url_for("")).rstrip("/")


def test_paid_orders_are_shipped_held_ones_not(tmp_path: Path, httpserver: HTTPServer) -> None:
    orders = [
        order("A-1"),
        order("A-2", held=True),
        order("A-3"),
        order("A-4", phone="13912345678"),
        order("A-5"),
    ]
    api = OrderApi(httpserver, orders, {})
    (tmp_path / "erp_token").write_text("token-1\n")
    with started(tmp_path, ORDERSITE_URL=base(httpserver)) as box:
        wait_for(lambda: api.shipped == {"A-1", "A-3", "A-4", "A-5"})
        wait_for(lambda: len(box.state["parcels"]) == 4)
        parcels = {parcel["number"]: parcel["com"] for parcel in box.state["parcels"]}
    rows = {number: api.of(number)[0] for number in ("A-1", "A-3", "A-4", "A-5")}
    assert [row["carrier"] for row in rows.values()] == ["sf", "yto", "sf", "yto"]
    assert all(
        row["tracking_number"][:2] == {"sf": "SF", "yto": "YT"}[row["carrier"]] for row in rows.values()
    )
    assert all(len(row["tracking_number"]) == 15 and row["warehouse"] == "main" for row in rows.values())
    assert [row.get("insured_value") for row in rows.values()] == [None, None, "500.00", None]
    assert parcels == {
        row["tracking_number"]: {"sf": "shunfeng", "yto": "yuantong"}[row["carrier"]] for row in rows.values()
    }


def test_a_phone_that_the_api_shows_must_fit(tmp_path: Path, httpserver: HTTPServer) -> None:
    api = OrderApi(httpserver, [order("B-1", phone="13912345678")], {})
    (tmp_path / "erp_token").write_text("token-1")
    with started(tmp_path, ORDERSITE_URL=base(httpserver)) as box:
        wait_for(lambda: box.state["parcels"])
        number = api.of("B-1")[0]["tracking_number"]
        assert poll(box, number, "shunfeng", phone="0000").json["returnCode"] == "408"
        assert poll(box, number, "shunfeng", phone="5678").json["status"] == "200"


def test_parcel_goes_to_the_orders_city(tmp_path: Path, httpserver: HTTPServer) -> None:
    address = {"province": "浙江", "city": "宁波市", "district": "海曙区", "street": "中山路 1 号"}
    api = OrderApi(httpserver, [{**order("G-1"), "address": address}], {})
    (tmp_path / "erp_token").write_text("token-1")
    with started(tmp_path, ORDERSITE_URL=base(httpserver)) as box:
        wait_for(lambda: box.state["parcels"])
        number = api.of("G-1")[0]["tracking_number"]
        answer = poll(box, number, "shunfeng", phone="8000").json
    assert answer["routeInfo"]["to"] == {"number": "", "name": "浙江,宁波市"}


def test_each_status_has_its_consequence(tmp_path: Path, httpserver: HTTPServer) -> None:
    codes = {
        "C-1": ["tracking_number_used", "ok"],
        "C-2": ["over_shipped"],
        "C-3": ["not_paid", "ok"],
        "C-4": ["already_confirmed"],
    }
    api = OrderApi(httpserver, [order(number) for number in codes], codes)
    (tmp_path / "erp_token").write_text("token-1")
    with started(tmp_path, ORDERSITE_URL=base(httpserver)) as box:
        wait_for(lambda: api.shipped == {"C-1", "C-3", "C-4"})
        wait_for(lambda: [row["state"] for row in box.state["warehouse"]].count("shipped") == 3)
        refused = next(row for row in box.state["warehouse"] if row["number"] == "C-2")
    first, second = (row["tracking_number"] for row in api.of("C-1"))
    assert first != second
    assert (refused["state"], refused["message"]) == ("refused", "over_shipped words")
    assert len(api.of("C-2")) == 1


def test_lost_response_is_retried(tmp_path: Path, httpserver: HTTPServer) -> None:
    api = OrderApi(httpserver, [order("D-1")], {})
    httpserver.clear()
    fails = [500, 500]
    httpserver.expect_request("/api/v1/orders/").respond_with_handler(api.list_orders)
    httpserver.expect_request("/api/v1/shipments/confirm/").respond_with_handler(
        lambda request: (
            (api.confirm(request), Response("", fails.pop()))[1] if fails else api.confirm(request)
        )
    )
    (tmp_path / "erp_token").write_text("token-1")
    with started(tmp_path, ORDERSITE_URL=base(httpserver)) as box:
        wait_for(lambda: box.state["parcels"])
    assert len(api.of("D-1")) == 3
    assert len({row["tracking_number"] for row in api.of("D-1")}) == 1


def test_new_token_is_used(tmp_path: Path, httpserver: HTTPServer) -> None:
    api = OrderApi(httpserver, [order("E-1")], {})
    with started(tmp_path, ORDERSITE_URL=base(httpserver)):
        (tmp_path / "erp_token").write_text("wrong")
        wait_for(lambda: any(response.status_code == 401 for _, response in httpserver.log))
        (tmp_path / "erp_token").write_text("token-1")
        wait_for(lambda: api.shipped == {"E-1"})
