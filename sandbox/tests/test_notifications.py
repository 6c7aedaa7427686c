"""How notifications are tried again, and what each fault does to them."""

import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from pytest_httpserver import HTTPServer
from werkzeug import Response

from sandbox.alipay.notifications import GAPS
from sandbox.tests.nobody import nobody
from sandbox.tests.running import Running, started, wait_for
from sandbox.tests.test_alipay import check_signature, listen, pay_url, received


def pay(box: Running, reference: str, notify: str) -> None:
    assert box.control("pay", pay_url=pay_url(box, reference, notify_url=notify)).status == 200


def fault(box: Running, name: str, *, target: str = "alipay.notify", **more: Any) -> None:
    assert box.control("faults", target=target, fault=name, **more).status == 201


def state_of(box: Running, reference: str) -> str:
    return str(box.deliveries(reference)[0]["state"])


@pytest.mark.parametrize("answer", ["fail", "SUCCESS", "success\n", "<p>success</p>", ""])
def test_only_the_seven_bytes_end_the_tries(box: Running, httpserver: HTTPServer, answer: str) -> None:
    reference, path = f"WORDS{len(answer):011d}", f"/n/words/{len(answer)}"
    pay(box, reference, listen(httpserver, path, answer=answer))
    wait_for(lambda: len(received(httpserver, path)) >= 5)
    assert state_of(box, reference) in ("queued", "sending")


def test_tries_share_the_notify_id(box: Running, httpserver: HTTPServer) -> None:
    pay(box, "TRIES000000000001", listen(httpserver, "/n/tries", answer="fail"))
    wait_for(lambda: len(received(httpserver, "/n/tries")) >= 5)
    notifications = received(httpserver, "/n/tries")
    assert len({fields["notify_id"] for fields in notifications}) == 1
    for fields in notifications:
        check_signature(box, fields)


def test_gaps_are_those_of_the_documentation() -> None:
    minute, hour = 60, 3600
    assert GAPS[:3] == (0, 0, 0)
    assert GAPS[3:] == (4 * minute, 10 * minute, 10 * minute, hour, 2 * hour, 6 * hour, 15 * hour)
    assert sum(GAPS) == 24 * hour + 24 * minute


def test_after_the_last_gap_it_gives_up(tmp_path: Path, httpserver: HTTPServer) -> None:
    with started(tmp_path, SANDBOX_NOTIFY_SPEED="100000") as box:
        pay(box, "GIVEUP00000000001", listen(httpserver, "/n/giveup", answer="fail"))
        wait_for(lambda: state_of(box, "GIVEUP00000000001") == "given_up")
        assert len(received(httpserver, "/n/giveup")) == 11


def test_absent_merchant_is_tried_again(box: Running) -> None:
    pay(box, "AWAY0000000000001", f"{nobody()}/notify")
    wait_for(lambda: len(box.deliveries("AWAY0000000000001")[0]["attempts"]) >= 4)
    attempt = box.deliveries("AWAY0000000000001")[0]["attempts"][0]
    assert attempt["status"] == 0
    assert "ConnectionRefusedError" in attempt["answer"]


def test_duplicate_sends_identical_copies(box: Running, httpserver: HTTPServer) -> None:
    fault(box, "duplicate", value=20)
    pay(box, "COPIES00000000001", listen(httpserver, "/n/copies"))
    wait_for(lambda: state_of(box, "COPIES00000000001") == "done")
    bodies = [request.get_data() for request, _ in httpserver.log]
    assert len(bodies) == 20
    assert len(set(bodies)) == 1


def test_delay_waits_and_then_sends_once(box: Running, httpserver: HTTPServer) -> None:
    fault(box, "delay", value=0.7)
    begun = time.monotonic()
    pay(box, "DELAY000000000001", listen(httpserver, "/n/delay"))
    wait_for(lambda: state_of(box, "DELAY000000000001") == "done")
    assert time.monotonic() - begun >= 0.7
    assert len(received(httpserver, "/n/delay")) == 1


def test_reorder_lets_the_next_one_pass(box: Running, httpserver: HTTPServer) -> None:
    notify = listen(httpserver, "/n/order")
    fault(box, "reorder", value=60)
    pay(box, "ORDER000000000001", notify)
    wait_for(lambda: box.deliveries("ORDER000000000001")[0]["held"] == "reorder")
    pay(box, "ORDER000000000002", notify)
    wait_for(lambda: len(received(httpserver, "/n/order")) == 2)
    assert [one["out_trade_no"] for one in received(httpserver, "/n/order")] == [
        "ORDER000000000002",
        "ORDER000000000001",
    ]


def test_drop_loses_the_first_try_only(box: Running, httpserver: HTTPServer) -> None:
    fault(box, "drop")
    pay(box, "DROP0000000000001", listen(httpserver, "/n/drop"))
    wait_for(lambda: state_of(box, "DROP0000000000001") == "done")
    attempts = box.deliveries("DROP0000000000001")[0]["attempts"]
    assert [(one["status"], one["faults"]) for one in attempts] == [(0, ["drop"]), (200, [])]
    assert len(received(httpserver, "/n/drop")) == 1


@pytest.mark.parametrize(("name", "status"), [("timeout", 0), ("status_500", 500)])
def test_lost_response_repeats_the_notification(
    box: Running, httpserver: HTTPServer, name: str, status: int
) -> None:
    reference = f"LOST{name.upper().replace('_', ''):0<13}"
    fault(box, name)
    pay(box, reference, listen(httpserver, f"/n/{name}"))
    wait_for(lambda: state_of(box, reference) == "done")
    assert [one["status"] for one in box.deliveries(reference)[0]["attempts"]] == [status, 200]
    assert len(received(httpserver, f"/n/{name}")) == 2


def test_corrupt_signature_lasts_one_try(box: Running, httpserver: HTTPServer) -> None:
    fault(box, "corrupt_signature")
    pay(box, "CORRUPT0000000001", listen(httpserver, "/n/corrupt", answer="fail"))
    wait_for(lambda: len(received(httpserver, "/n/corrupt")) >= 2)
    first, second, *_ = received(httpserver, "/n/corrupt")
    with pytest.raises(InvalidSignature):
        check_signature(box, first)
    assert len(first["sign"]) == 344
    check_signature(box, second)


LIES = {
    "wrong_amount": ("total_amount", "1.23"),
    "wrong_app_id": ("app_id", "2021000000009999"),
    "wrong_seller_id": ("seller_id", "2088000000009999"),
}


@pytest.mark.parametrize("name", LIES)
def test_forged_fields_are_properly_signed(box: Running, httpserver: HTTPServer, name: str) -> None:
    reference, path = f"LIE{name.upper().replace('_', ''):0<14}", f"/n/{name}"
    fault(box, name, value=1.23)
    pay(box, reference, listen(httpserver, path))
    wait_for(lambda: received(httpserver, path))
    (fields,) = received(httpserver, path)
    field, value = LIES[name]
    assert fields[field] == value
    check_signature(box, fields)


def test_a_fault_lasts_for_its_times(box: Running, httpserver: HTTPServer) -> None:
    fault(box, "drop", times=2)
    pay(box, "TIMES000000000001", listen(httpserver, "/n/times"))
    wait_for(lambda: state_of(box, "TIMES000000000001") == "done")
    assert [one["status"] for one in box.deliveries("TIMES000000000001")[0]["attempts"]] == [0, 0, 200]
    assert box.state["faults"] == []


def test_fault_without_times_lasts(box: Running, httpserver: HTTPServer) -> None:
    fault(box, "drop", times=None)
    pay(box, "FOREVER0000000001", listen(httpserver, "/n/forever"))
    wait_for(lambda: len(box.deliveries("FOREVER0000000001")[0]["attempts"]) >= 4)
    assert received(httpserver, "/n/forever") == []
    box.control("faults", "DELETE")
    wait_for(lambda: received(httpserver, "/n/forever"))


@pytest.mark.parametrize(
    "body",
    [
        {"target": "alipay.notify", "fault": "explode"},
        {"target": "nowhere", "fault": "drop"},
        {"target": "webhook.notify", "fault": "wrong_app_id"},
        {"target": "alipay.notify", "fault": "duplicate", "value": 100000},
        {"target": "alipay.notify", "fault": "delay", "value": "3"},
        {"target": "alipay.notify", "fault": "delay", "times": 0},
    ],
)
def test_unknown_faults_are_refused(box: Running, body: dict[str, Any]) -> None:
    assert box.control("faults", **body).status == 400
    assert box.state["faults"] == []


def test_a_restart_goes_on_where_it_stopped(tmp_path: Path, httpserver: HTTPServer) -> None:
    answers = ["fail"]
    httpserver.expect_request("/n/restart").respond_with_handler(lambda _: Response(answers[-1]))
    with started(tmp_path, SANDBOX_NOTIFY_SPEED="400") as box:
        pay(box, "RESTART0000000001", str(httpserver.url_for("/n/restart")))
        wait_for(lambda: len(box.deliveries("RESTART0000000001")[0]["attempts"]) >= 4)
        key = box.alipay_public_pem()
    before = len(httpserver.log)
    answers.append("success")
    with started(tmp_path) as box:
        wait_for(lambda: state_of(box, "RESTART0000000001") == "done")
        assert len(httpserver.log) == before + 1
        assert box.alipay_public_pem() == key
        assert len({fields["notify_id"] for fields in received(httpserver, "/n/restart")}) == 1
