"""Alipay's refunds of unclear outcome, and its daily bill, over real HTTP."""

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
from payments.providers.alipay.tests.messages import response
from payments.providers.alipay.tests.test_gateway import (
    ORDER,
    REFUND,
    REFUND_QUERY,
    keys_for,
    node,
    outside_error,
    refusal,
    replies,
    sent,
)
from payments.providers.types import BillResult, BillState, RefundResult, RefundState

BILL = "alipay.data.dataservice.bill.downloadurl.query"
DAY = date(2026, 11, 21)
DONE = node(refund_status="REFUND_SUCCESS", out_request_no="R1", refund_amount="88.80")


def refund(server: HTTPServer) -> RefundResult:
    return Alipay().refund(ORDER, keys_for(server), Gateway())


@pytest.mark.parametrize("sub_code", ["ACQ.TRADE_HAS_CLOSE", "ACQ.DISCORDANT_REPEAT_REQUEST"])
@pytest.mark.parametrize(
    ("found", "state"),
    [
        (DONE, RefundState.SUCCEEDED),
        (node(), RefundState.FAILED),
        (refusal("ACQ.TRADE_NOT_EXIST"), RefundState.FAILED),
    ],
)
def test_refusal_by_our_own_request_is_queried(
    server: HTTPServer, sub_code: str, found: str, state: RefundState
) -> None:
    replies(server, response(REFUND, refusal(sub_code)), response(REFUND_QUERY, found))
    assert refund(server).state is state
    assert sent(server, 1)["method"] == REFUND_QUERY


@pytest.mark.parametrize(
    "sub_code", ["ACQ.SELLER_BALANCE_NOT_ENOUGH", "ACQ.TRADE_HAS_FINISHED", "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"]
)
def test_plain_refusal_is_final(server: HTTPServer, sub_code: str) -> None:
    replies(server, response(REFUND, refusal(sub_code)))
    found = refund(server)
    assert (found.state, found.detail) == (RefundState.FAILED, f"{sub_code} 说明")
    assert len(server.log) == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (refusal("isv.app-call-limited"), ("provider_busy", True, True)),
        (refusal("isv.invalid-arguments"), ("provider_refused", False, True)),
        (refusal("isv.insufficient-isv-permissions", "40006"), ("provider_misconfigured", False, True)),
        (refusal("ACQ.SYSTEM_ERROR"), ("provider_error", True, False)),
    ],
)
def test_other_errors_are_not_final(server: HTTPServer, text: str, error: tuple[str, bool, bool]) -> None:
    replies(server, response(REFUND, text))
    caught = outside_error(lambda: refund(server))
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
def test_query_results(server: HTTPServer, fields: dict[str, str], state: RefundState, detail: str) -> None:
    replies(server, response(REFUND_QUERY, node(out_request_no="R1", **fields)))
    found = Alipay().query_refund(ORDER, keys_for(server), Gateway())
    assert (found.state, found.detail) == (state, detail)


def test_response_about_another_refund(server: HTTPServer) -> None:
    replies(server, response(REFUND_QUERY, node(refund_status="REFUND_SUCCESS", out_request_no="R2")))
    error = outside_error(lambda: Alipay().query_refund(ORDER, keys_for(server), Gateway()))
    assert (error.code, error.outcome_known) == ("provider_answer_refused", False)


# Bills


def packed() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as bill:
        bill.writestr("bill.csv", "#支付宝业务明细查询".encode("gbk"))
    return file.getvalue()


def offers(server: HTTPServer, body: bytes, *, status: int = 200) -> None:
    address = server.url_for("/download?fileType=csv.zip&bizId=1")
    replies(
        server, response(BILL, json.dumps({"code": "10000", "msg": "Success", "bill_download_url": address}))
    )
    server.expect_request("/download", method="GET").respond_with_data(body, status=status)


def fetch(server: HTTPServer, target: Path) -> BillResult:
    return Alipay().fetch_bill(DAY, keys_for(server), Gateway(), target)


def test_bill_is_downloaded(server: HTTPServer, tmp_path: Path) -> None:
    assert Alipay().can_bill(keys_for(server))
    body = packed()
    offers(server, body)
    target = tmp_path / "bill"
    assert fetch(server, target) == BillResult(state=BillState.READY, file_name="alipay-2026-11-21.zip")
    assert target.read_bytes() == body
    assert json.loads(sent(server)["biz_content"]) == {"bill_type": "trade", "bill_date": "2026-11-21"}


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"<html>sign error</html>", 200), (b"", 200), (packed(), 403), (packed()[:-30], 200)],
)
def test_bad_bill_leaves_no_file(server: HTTPServer, tmp_path: Path, body: bytes, status: int) -> None:
    offers(server, body, status=status)
    with pytest.raises(OutsideError) as caught:
        fetch(server, tmp_path / "bill")
    assert caught.value.retryable
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address", ["http://dwbillcenter.alipay.com/x", "file:///etc/passwd", "", "https://"]
)
def test_bad_download_url_is_not_opened(server: HTTPServer, tmp_path: Path, address: str) -> None:
    replies(server, response(BILL, json.dumps({"code": "10000", "bill_download_url": address})))
    assert outside_error(lambda: fetch(server, tmp_path / "bill")).code == "provider_answer_refused"
    assert len(server.log) == 1


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (datetime(2026, 11, 22, 3, 59, tzinfo=UTC), BillState.NOT_READY),
        (datetime(2026, 11, 22, 4, 0, tzinfo=UTC), BillState.EMPTY),
    ],
)
def test_missing_bill_is_empty_after_noon(
    server: HTTPServer, tmp_path: Path, now: datetime, state: BillState
) -> None:
    replies(server, response(BILL, refusal("isp.bill_not_exist")))
    with time_machine.travel(now, tick=False):
        found = fetch(server, tmp_path / "bill")
    assert (found.state, found.detail) == (state, "isp.bill_not_exist 说明")
    assert list(tmp_path.iterdir()) == []


def test_refused_day_is_an_error(server: HTTPServer, tmp_path: Path) -> None:
    replies(server, response(BILL, refusal("isv.invalid-arguments")))
    assert outside_error(lambda: fetch(server, tmp_path / "bill")).code == "provider_refused"
