"""Doubtful refunds are asked for, and the daily bill of Alipay is fetched, over real HTTP."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import time_machine
from pytest_httpserver import HTTPServer

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway
from payments.providers.alipay.adapter import Alipay
from payments.providers.alipay.tests.messages import answer
from payments.providers.alipay.tests.test_gateway import (
    ORDER,
    REFUND,
    REFUND_QUERY,
    keys_for,
    no,
    node,
    outside,
    replies,
    sent,
)
from payments.providers.types import BillResult, BillState, RefundResult, RefundState

BILL = "alipay.data.dataservice.bill.downloadurl.query"
DAY = date(2026, 11, 21)
DONE = node(refund_status="REFUND_SUCCESS", out_request_no="R1", refund_amount="88.80")


def refund(gate: HTTPServer) -> RefundResult:
    return Alipay().refund(ORDER, keys_for(gate), Gateway())


@pytest.mark.parametrize("sub_code", ["ACQ.TRADE_HAS_CLOSE", "ACQ.DISCORDANT_REPEAT_REQUEST"])
@pytest.mark.parametrize(
    ("found", "state"),
    [
        (DONE, RefundState.SUCCEEDED),
        (node(), RefundState.FAILED),
        (no("ACQ.TRADE_NOT_EXIST"), RefundState.FAILED),
    ],
)
def test_a_refusal_that_our_first_order_may_have_brought_about_is_asked_for(
    gate: HTTPServer, sub_code: str, found: str, state: RefundState
) -> None:
    replies(gate, answer(REFUND, no(sub_code)), answer(REFUND_QUERY, found))
    assert refund(gate).state is state
    assert sent(gate, 1)["method"] == REFUND_QUERY


@pytest.mark.parametrize(
    "sub_code", ["ACQ.SELLER_BALANCE_NOT_ENOUGH", "ACQ.TRADE_HAS_FINISHED", "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"]
)
def test_a_plain_refusal_is_an_end_with_alipays_words(gate: HTTPServer, sub_code: str) -> None:
    replies(gate, answer(REFUND, no(sub_code)))
    found = refund(gate)
    assert (found.state, found.detail) == (RefundState.FAILED, f"{sub_code} 说明")
    assert len(gate.log) == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (no("isv.app-call-limited"), ("provider_busy", True, True)),
        (no("isv.invalid-arguments"), ("provider_refused", False, True)),
        (no("isv.insufficient-isv-permissions", "40006"), ("provider_misconfigured", False, True)),
        (no("ACQ.SYSTEM_ERROR"), ("provider_error", True, False)),
    ],
)
def test_what_says_nothing_about_the_refund_is_no_end(
    gate: HTTPServer, text: str, error: tuple[str, bool, bool]
) -> None:
    replies(gate, answer(REFUND, text))
    caught = outside(lambda: refund(gate))
    assert (caught.code, caught.retryable, caught.outcome_known) == error


@pytest.mark.parametrize(
    ("fields", "state", "detail"),
    [
        ({"refund_status": "REFUND_SUCCESS"}, RefundState.SUCCEEDED, ""),
        ({"refund_status": "REFUND_PROCESSING"}, RefundState.PROCESSING, ""),
        ({"refund_status": "REFUND_FAIL"}, RefundState.NOT_DONE, ""),
        ({"refund_status": ""}, RefundState.NOT_DONE, ""),
        (
            {"refund_status": "REFUND_SUCCESS", "refund_amount": "88.81"},
            RefundState.ABNORMAL,
            "refund_amount 88.81",
        ),
    ],
)
def test_how_a_refund_went(gate: HTTPServer, fields: dict[str, str], state: RefundState, detail: str) -> None:
    replies(gate, answer(REFUND_QUERY, node(out_request_no="R1", **fields)))
    found = Alipay().query_refund(ORDER, keys_for(gate), Gateway())
    assert (found.state, found.detail) == (state, detail)


def test_an_answer_about_another_refund_says_nothing(gate: HTTPServer) -> None:
    replies(gate, answer(REFUND_QUERY, node(refund_status="REFUND_SUCCESS", out_request_no="R2")))
    error = outside(lambda: Alipay().query_refund(ORDER, keys_for(gate), Gateway()))
    assert (error.code, error.outcome_known) == ("provider_answer_refused", False)


# Bills


def packed() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as bill:
        bill.writestr("bill.csv", "#支付宝业务明细查询".encode("gbk"))
    return file.getvalue()


def offers(gate: HTTPServer, body: bytes, *, status: int = 200) -> None:
    address = gate.url_for("/download?fileType=csv.zip&bizId=1")
    replies(gate, answer(BILL, json.dumps({"code": "10000", "msg": "Success", "bill_download_url": address})))
    gate.expect_request("/download", method="GET").respond_with_data(body, status=status)


def fetch(gate: HTTPServer, target: Path) -> BillResult:
    return Alipay().fetch_bill(DAY, keys_for(gate), Gateway(), target)


def test_a_bill_is_asked_for_and_downloaded_at_once(gate: HTTPServer, tmp_path: Path) -> None:
    assert Alipay().can_bill(keys_for(gate))
    body = packed()
    offers(gate, body)
    target = tmp_path / "bill"
    assert fetch(gate, target) == BillResult(state=BillState.READY, file_name="alipay-2026-11-21.zip")
    assert target.read_bytes() == body
    assert json.loads(sent(gate)["biz_content"]) == {"bill_type": "trade", "bill_date": "2026-11-21"}


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"<html>sign error</html>", 200), (b"", 200), (packed(), 403), (packed()[:-30], 200)],
)
def test_what_is_no_bill_leaves_no_file(gate: HTTPServer, tmp_path: Path, body: bytes, status: int) -> None:
    offers(gate, body, status=status)
    with pytest.raises(OutsideError) as caught:
        fetch(gate, tmp_path / "bill")
    assert caught.value.retryable
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address", ["http://dwbillcenter.alipay.com/x", "file:///etc/passwd", "", "https://"]
)
def test_an_address_that_is_none_is_not_opened(gate: HTTPServer, tmp_path: Path, address: str) -> None:
    replies(gate, answer(BILL, json.dumps({"code": "10000", "bill_download_url": address})))
    assert outside(lambda: fetch(gate, tmp_path / "bill")).code == "provider_answer_refused"
    assert len(gate.log) == 1


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (datetime(2026, 11, 22, 3, 59, tzinfo=UTC), BillState.NOT_READY),
        (datetime(2026, 11, 22, 4, 0, tzinfo=UTC), BillState.EMPTY),
    ],
)
def test_no_bill_means_wait_until_noon_and_then_no_trades(
    gate: HTTPServer, tmp_path: Path, now: datetime, state: BillState
) -> None:
    replies(gate, answer(BILL, no("isp.bill_not_exist")))
    with time_machine.travel(now, tick=False):
        found = fetch(gate, tmp_path / "bill")
    assert (found.state, found.detail) == (state, "isp.bill_not_exist 说明")
    assert list(tmp_path.iterdir()) == []


def test_a_day_that_alipay_refuses_is_an_error(gate: HTTPServer, tmp_path: Path) -> None:
    replies(gate, answer(BILL, no("isv.invalid-arguments")))
    assert outside(lambda: fetch(gate, tmp_path / "bill")).code == "provider_refused"
