import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from standardwebhooks.webhooks import Webhook

from sandbox.tests.nobody import nobody
from sandbox.tests.running import Reply, Running, call, signed, wait_for


def order(reference: str, **more: object) -> dict[str, object]:
    plain: dict[str, object] = {
        "reference": reference,
        "amount": "266.40",
        "currency": "CNY",
        "subject": "保温杯 ×3",
        "expires_at": (datetime.now(UTC) + timedelta(minutes=30)).isoformat(),
        "notify_url": f"{nobody()}/notify",
        "return_url": "http://shop.test/back",
    }
    return {**plain, **more}


def listen(httpserver: HTTPServer, path: str, *, status: int = 204) -> str:
    httpserver.expect_request(path, method="POST").respond_with_data("", status=status)
    return str(httpserver.url_for(path))


def notifications(box: Running, httpserver: HTTPServer, path: str) -> list[Any]:
    """Bodies of the notifications, each checked by the standardwebhooks package."""
    requests = [request for request, _ in httpserver.log if request.path == path]
    return [Webhook(box.webhook_secret()).verify(one.get_data(), dict(one.headers)) for one in requests]


def check_answer(box: Running, reply: Reply) -> None:
    Webhook(box.webhook_secret()).verify(reply.body, dict(reply.headers))


def test_from_the_cashier_to_the_notification(box: Running, httpserver: HTTPServer) -> None:
    notify = listen(httpserver, "/w/pay")
    begun = box.webhook("pay", order("WPAY0000000000001", notify_url=notify))
    assert begun.status == 200
    check_answer(box, begun)
    address = begun.json["pay_url"]
    assert address.startswith(f"{box.url}/webhook/cashier/")
    page = call("GET", address)
    assert "立即付款" in page.text
    assert "266.40" in page.text
    paid = call("POST", f"{address}/pay")
    assert (paid.status, paid.headers["location"]) == (303, "http://shop.test/back")

    wait_for(lambda: notifications(box, httpserver, "/w/pay"))
    (message,) = notifications(box, httpserver, "/w/pay")
    number = box.trade("WPAY0000000000001")["provider_reference"]
    paid_at = box.trade("WPAY0000000000001")["paid_at"]
    assert message["type"] == "payment.succeeded"
    assert datetime.fromisoformat(message["timestamp"]).tzinfo is not None
    assert message["data"] == {
        "reference": "WPAY0000000000001", "provider_reference": number, "amount": "266.40", "currency": "CNY",
        "paid_at": paid_at,
    }  # fmt: skip
    response = box.webhook("query", {"reference": "WPAY0000000000001"})
    assert response.json == {
        "reference": "WPAY0000000000001", "status": "succeeded", "provider_reference": number, "amount": "266.40",
        "currency": "CNY", "paid_at": paid_at, "refunded_amount": "0.00",
    }  # fmt: skip


def test_pay_again_gives_the_same_address(box: Running) -> None:
    first, second = (box.webhook("pay", order("WAGAIN00000000001")).json for _ in range(2))
    assert first == second
    other = box.webhook("pay", order("WAGAIN00000000001", amount="1.00"))
    assert (other.status, other.json["code"]) == (409, "amount_differs")
    assert box.trade("WAGAIN00000000001")["amount"] == "266.40"


def test_query_before_and_without_payment(box: Running) -> None:
    assert box.webhook("query", {"reference": "NOBODY"}).json == {
        "reference": "NOBODY",
        "status": "not_found",
    }
    box.webhook("pay", order("WQUERY00000000001"))
    answer = box.webhook("query", {"reference": "WQUERY00000000001"}).json
    assert (answer["status"], answer["paid_at"]) == ("pending", None)


def test_close_is_notified_and_final(box: Running, httpserver: HTTPServer) -> None:
    notify = listen(httpserver, "/w/close")
    address = box.webhook("pay", order("WCLOSE00000000001", notify_url=notify)).json["pay_url"]
    assert box.webhook("close", {"reference": "WCLOSE00000000001"}).json["status"] == "closed"
    assert box.webhook("close", {"reference": "WCLOSE00000000001"}).json["status"] == "closed"
    assert call("POST", f"{address}/pay").status == 409
    wait_for(lambda: notifications(box, httpserver, "/w/close"))
    (message,) = notifications(box, httpserver, "/w/close")
    assert (message["type"], message["data"]["paid_at"]) == ("payment.closed", None)


def test_close_of_a_paid_trade_is_succeeded(box: Running) -> None:
    box.webhook("pay", order("WCLOSE00000000002"))
    box.control("pay", reference="WCLOSE00000000002")
    assert box.webhook("close", {"reference": "WCLOSE00000000002"}).json["status"] == "succeeded"
    assert box.webhook("close", {"reference": "NOBODY"}).json["status"] == "not_found"


def test_expiry_closes_and_notifies(box: Running, httpserver: HTTPServer) -> None:
    notify = listen(httpserver, "/w/expire")
    soon = (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat()
    box.webhook("pay", order("WEXPIRE0000000001", notify_url=notify, expires_at=soon))
    wait_for(lambda: notifications(box, httpserver, "/w/expire"))
    assert notifications(box, httpserver, "/w/expire")[0]["type"] == "payment.closed"
    assert box.webhook("query", {"reference": "WEXPIRE0000000001"}).json["status"] == "closed"
    assert box.control("pay", reference="WEXPIRE0000000001").json == {"error": "closed"}


def test_refunds_in_part_and_whole(box: Running, httpserver: HTTPServer) -> None:
    notify = listen(httpserver, "/w/refund")
    box.webhook("pay", order("WREFUND0000000001", notify_url=notify))
    box.control("pay", reference="WREFUND0000000001")
    wait_for(lambda: len(notifications(box, httpserver, "/w/refund")) == 1)
    part = {"reference": "WREFUND0000000001", "refund_reference": "R1", "amount": "66.40", "reason": "破损"}
    for _ in range(2):
        assert box.webhook("refund", part).json == {
            "status": "succeeded", "refund_reference": "R1", "amount": "66.40"
        }  # fmt: skip
    wait_for(lambda: len(notifications(box, httpserver, "/w/refund")) == 2)
    message = notifications(box, httpserver, "/w/refund")[1]
    assert message["type"] == "refund.succeeded"
    assert (message["data"]["amount"], message["data"]["refund_reference"]) == ("66.40", "R1")
    assert box.webhook("query", {"reference": "WREFUND0000000001"}).json["refunded_amount"] == "66.40"
    other = box.webhook("refund", {**part, "amount": "1.00"})
    assert (other.status, other.json["code"]) == (409, "repeated_with_other_amount")
    box.webhook("refund", {**part, "refund_reference": "R2", "amount": "200.00"})
    after = box.webhook("query", {"reference": "WREFUND0000000001"}).json
    assert (after["status"], after["refunded_amount"]) == ("refunded", "266.40")


def test_parallel_requests_refund_once(box: Running) -> None:
    box.webhook("pay", order("WREFUND0000000003"))
    box.control("pay", reference="WREFUND0000000003")
    body = {"reference": "WREFUND0000000003", "refund_reference": "R1", "amount": "1.00", "reason": ""}
    with ThreadPoolExecutor(20) as pool:
        statuses = [reply.status for reply in pool.map(lambda _: box.webhook("refund", body), range(20))]
    assert statuses == [200] * 20
    assert box.trade("WREFUND0000000003")["refunded"] == "1.00"


def test_too_large_a_refund_changes_nothing(box: Running) -> None:
    box.webhook("pay", order("WREFUND0000000002"))
    unpaid = {"reference": "WREFUND0000000002", "refund_reference": "R1", "amount": "1.00"}
    assert box.webhook("refund", unpaid).json["code"] == "not_paid"
    box.control("pay", reference="WREFUND0000000002")
    answer = box.webhook("refund", {**unpaid, "amount": "266.41"})
    assert (answer.status, answer.json["code"]) == (409, "amount_too_large")
    assert box.trade("WREFUND0000000002")["refunded"] == "0.00"


@pytest.mark.parametrize("change", ["secret", "old", "future", "body", "missing"])
def test_calls_with_a_bad_signature_are_refused(box: Running, change: str) -> None:
    body = json.dumps(order(f"WFORGED{change.upper():0<10}")).encode()
    secret = "whsec_" + "A" * 43 + "=" if change == "secret" else box.webhook_secret()
    ages = {"old": -301.0, "future": 302.0}
    sent = signed(secret, body, at=datetime.now(UTC).timestamp() + ages.get(change, 0.0))
    if change == "body":
        sent["body"] = body.replace(b"266.40", b"066.40")
    if change == "missing":
        del sent["headers"]["webhook-signature"]
    answer = call("POST", f"{box.url}/webhook/pay", **sent)
    assert (answer.status, answer.json["code"]) == (401, "bad_signature")
    assert all(not trade["reference"].startswith("WFORGED") for trade in box.state["trades"])


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"amount": "0.00"}, "bad_amount"),
        ({"amount": 12.5}, "bad_amount"),
        ({"amount": "1.234"}, "bad_amount"),
        ({"expires_at": "2026-01-01T00:00:00"}, "bad_expires_at"),
        ({"expires_at": "2026-01-01T00:00:00+00:00"}, "already_expired"),
        ({"currency": "USD"}, "currency_not_supported"),
        ({"subject": ""}, "missing_subject"),
    ],
)
def test_senseless_orders_are_refused(box: Running, more: Mapping[str, object], code: str) -> None:
    assert box.webhook("pay", order("WSENSELESS000001", **more)).json["code"] == code
    assert "WSENSELESS000001" not in {trade["reference"] for trade in box.state["trades"]}


def test_retries_keep_the_id_until_a_2xx(box: Running, httpserver: HTTPServer) -> None:
    notify = listen(httpserver, "/w/retry", status=503)
    box.webhook("pay", order("WRETRY00000000001", notify_url=notify))
    box.control("pay", reference="WRETRY00000000001")
    wait_for(lambda: len(notifications(box, httpserver, "/w/retry")) >= 3)
    assert len({request.headers["webhook-id"] for request, _ in httpserver.log}) == 1


def test_410_ends_the_tries(box: Running, httpserver: HTTPServer) -> None:
    notify = listen(httpserver, "/w/gone", status=410)
    box.webhook("pay", order("WGONE000000000001", notify_url=notify))
    box.control("pay", reference="WGONE000000000001")
    wait_for(lambda: box.deliveries("WGONE000000000001")[0]["state"] == "given_up")
    assert len(httpserver.log) == 1
