"""POST /api/v1/orders/: the response, the written rows, and refusals that write nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from orders.history.verify import verify_history
from orders.intake.numbers import is_number
from orders.models import Buyer, IdempotencyKey, Order, OrderEvent, OrderLine
from orders.tests.calls import build_caller, order_body, post_json, post_order
from ordersite.queue.models import OutboxEntry

pytestmark = pytest.mark.django_db


def test_response_is_the_whole_order() -> None:
    body = order_body(shipping_fee="10.00", discount="6.40", note="晚上送\n谢谢", client_ip="203.0.113.9")

    answer = post_order(build_caller(), body)

    order = Order.objects.get()

    assert answer.status_code == 201
    found = answer.json()
    assert is_number(found["number"])
    assert found == {
        "number": order.number,
        "status": "pending",
        "held": False,
        "buyer": {**body["buyer"], "openid": "", "email": "", "tier": "normal"},
        "lines": [{**body["lines"][0], "amount": "266.40"}],
        "address": {**body["address"], "postcode": ""},
        "goods_amount": "266.40",
        "shipping_fee": "10.00",
        "discount": "6.40",
        "total_amount": "270.00",
        "refunded_amount": "0.00",
        "currency": "CNY",
        "note": "晚上送\n谢谢",
        "created_at": found["created_at"],
        "close_due_at": found["close_due_at"],
        "paid_at": None,
        "shipped_at": None,
        "completed_at": None,
        "closed_at": None,
        "links": {
            "page": f"{settings.PUBLIC_BASE_URL}/shop/orders/{order.number}/",
            "tracking": f"{settings.PUBLIC_BASE_URL}/track/{order.tracking_token}/",
        },
        "payments": [],
        "shipments": [],
    }
    assert found["created_at"].endswith("+08:00")
    assert order.close_due_at - order.created_at == timedelta(minutes=30)


def test_written_rows() -> None:
    caller = build_caller()

    post_order(caller, order_body(), key="k-1")

    order = Order.objects.get()
    line, event = OrderLine.objects.get(), OrderEvent.objects.get()
    assert (line.position, line.quantity, line.unit_price, line.amount) == (
        1,
        3,
        Decimal("88.80"),
        Decimal("266.40"),
    )
    assert (event.order_id, event.seq, event.kind, event.to_status, event.trigger, event.actor_kind) == (
        order.pk,
        1,
        "created",
        "pending",
        "api",
        "client",
    )
    assert json.loads(event.evidence)["kind"] == "request"
    assert (order.history_seq, order.history_hash) == (1, event.hash)
    outbox = OutboxEntry.objects.get()
    assert (outbox.name, outbox.subject_id, outbox.payload) == (
        "order.created",
        order.pk,
        {"number": order.number},
    )
    assert IdempotencyKey.objects.get().subject_id == order.pk
    assert verify_history().lines == 1


@pytest.mark.postgres
def test_common_case_takes_two_round_trips() -> None:
    caller, body = build_caller(), order_body()
    post_order(caller, order_body())  # reads the strategies, which hold for a moment
    with CaptureQueriesContext(connection) as queries:
        assert post_order(caller, body).status_code == 201
    sent = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert [" ".join(sql.split()[:3]) for sql in sent] == ["SELECT c.id, c.name,", "WITH claim AS"]


@pytest.mark.postgres
def test_uncommon_case_takes_six_more() -> None:
    caller, body = build_caller(), order_body(confirm_duplicate=True)
    post_order(caller, order_body())

    with CaptureQueriesContext(connection) as queries:
        assert post_order(caller, body).status_code == 201

    sent = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert [" ".join(sql.split()[:3]) for sql in sent] == [
        "SELECT c.id, c.name,",
        "SELECT id, body_digest,",
        "INSERT INTO orders_idempotencykey",
        "INSERT INTO orders_buyer",
        'SELECT MAX("orders_order"."twin_number") AS',
        'INSERT INTO "orders_order"',
        'INSERT INTO "orders_orderevent"',
    ]
    for table in ("orders_orderline", "rails_outboxentry", "UPDATE orders_idempotencykey"):
        assert table in sent[-1]


def test_known_buyer_is_updated() -> None:
    caller, body = build_caller(), order_body()
    buyer = {**body["buyer"], "tier": "important", "openid": "o-1", "email": "w@example.com"}
    post_order(caller, {**body, "buyer": buyer})
    changed = {"id": buyer["id"], "name": "王大明", "phone": "13900139000"}
    lines = [{**body["lines"][0], "product_id": "cup-2"}]

    assert post_order(caller, {**body, "buyer": changed, "lines": lines}).status_code == 201
    row = Buyer.objects.get()
    assert (row.name, row.phone, row.openid, row.email, row.tier) == (
        "王大明",
        "13900139000",
        "o-1",
        "w@example.com",
        "important",
    )
    assert list(Order.objects.order_by("id").values_list("buyer_name", "is_important")) == [
        ("王小明", True),
        ("王大明", True),
    ]


def _line(**changes: Any) -> list[dict[str, Any]]:
    return [{"product_id": "cup-1", "name": "保温杯", "quantity": 1, "unit_price": "9.90", **changes}]


BAD: list[tuple[str, dict[str, Any], list[Any]]] = [
    ("unknown key", {"status": "paid"}, ["status"]),
    ("unknown key below", {"lines": _line(total="1.00")}, ["lines", "0", "total"]),
    ("NUL", {"note": "a\0b"}, ["note"]),
    ("half a character", {"device_id": "\ud800"}, ["device_id"]),
    ("only blanks", {"lines": _line(name="  ")}, ["lines", "0", "name"]),
    ("three decimals", {"lines": _line(unit_price="9.905")}, ["lines", "0", "unit_price"]),
    ("a number for money", {"lines": _line(unit_price=9.9)}, ["lines", "0", "unit_price"]),
    ("not a number", {"shipping_fee": float("nan")}, ["shipping_fee"]),
    ("infinite", {"shipping_fee": float("inf")}, ["shipping_fee"]),
    ("infinite as text", {"shipping_fee": "Infinity"}, ["shipping_fee"]),
    ("an exponent", {"shipping_fee": "1e3"}, ["shipping_fee"]),
    ("full-width digits", {"shipping_fee": "１２.００"}, ["shipping_fee"]),
    ("negative fee", {"shipping_fee": "-1.00"}, ["shipping_fee"]),
    ("zero total", {"discount": "266.40"}, ["total_amount"]),
    ("negative total", {"discount": "266.41"}, ["total_amount"]),
    ("more than can be paid", {"shipping_fee": "999999999.99"}, ["total_amount"]),
    ("no lines", {"lines": []}, ["lines"]),
    ("no pieces", {"lines": _line(quantity=0)}, ["lines", "0", "quantity"]),
    ("text for a number", {"lines": _line(quantity="1")}, ["lines", "0", "quantity"]),
    ("true for a number", {"lines": _line(quantity=True)}, ["lines", "0", "quantity"]),
    ("text for a flag", {"confirm_duplicate": "yes"}, ["confirm_duplicate"]),
    ("no address of the net", {"client_ip": "999.1.1.1"}, ["client_ip"]),
    ("no phone", {"buyer": {"id": "b", "name": "n", "phone": "call me"}}, ["buyer", "phone"]),
    (
        "unknown tier",
        {"buyer": {"id": "b", "name": "n", "phone": "13800138000", "tier": "vip"}},
        ["buyer", "tier"],
    ),
    ("a list for an object", {"buyer": []}, ["buyer"]),
]


@pytest.mark.parametrize(("changes", "path"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_wrong_field_is_named(changes: dict[str, Any], path: list[str]) -> None:
    answer = post_order(build_caller(), order_body(**changes))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    place: Any = answer.json()["details"]
    for step in path:
        assert step in place, place
        place = place[step]
    assert (Order.objects.count(), Buyer.objects.count(), IdempotencyKey.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize("name", ["buyer", "lines", "address"])
def test_missing_field_is_named(name: str) -> None:
    body = order_body()
    del body[name]
    answer = post_order(build_caller(), body)
    assert (answer.status_code, list(answer.json()["details"])) == (400, [name])


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"", 400, "invalid"),
        (b"[]", 400, "invalid"),
        (b"{", 400, "parse_error"),
        (b"\xff\xfe", 400, "parse_error"),
        (b"{} {}", 400, "parse_error"),
        (b"[" * 100_000, 400, "parse_error"),
        (b'{"note": "a", "note": "b"}', 400, "invalid"),
        (b" " * 300_000, 413, "body_too_large"),
    ],
)
def test_body_that_is_no_order_is_refused(raw: bytes, status: int, code: str) -> None:
    answer = post_order(build_caller(), raw)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert Order.objects.count() == 0


def test_another_content_type_is_refused() -> None:
    answer = build_caller().post("/api/v1/orders/", {"a": "b"}, headers={"idempotency-key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("key", ["", "k" * 256, "键"])
def test_key_is_required_and_printable(key: str) -> None:
    headers = {"idempotency-key": key} if key else {}
    answer = post_json(build_caller(), "/api/v1/orders/", order_body(), **headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert Order.objects.count() == 0


def test_unknown_token_is_401() -> None:
    for caller in (
        Client(),
        Client(headers={"authorization": "Bearer nope"}),
        Client(headers={"authorization": "x"}),
    ):
        answer = post_order(caller, order_body())
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert Order.objects.count() == 0


def test_scope_is_required_for_each_call() -> None:
    reader = build_caller(scopes=("orders:read",))
    writer = build_caller(scopes=("orders:write",))

    assert post_order(reader, order_body()).status_code == 403
    number = post_order(writer, order_body()).json()["number"]
    assert writer.get("/api/v1/orders/").status_code == 403
    assert writer.get(f"/api/v1/orders/{number}/").status_code == 403
    assert reader.get(f"/api/v1/orders/{number}/").status_code == 200
    assert post_json(reader, f"/api/v1/orders/{number}/cancel/", {"reason": "no"}).status_code == 403
    assert Order.objects.get().status == "pending"
