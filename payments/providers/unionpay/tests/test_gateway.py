"""Our calls to UnionPay's gateway, over real HTTP to a stand-in that signs with PyCryptodome."""

from __future__ import annotations

import base64
import io
import zipfile
import zlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import time_machine
from pytest_httpserver import HTTPServer

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway
from payments.providers.tests.authority import issue, public_pem
from payments.providers.types import (
    AccountKeys,
    Attempt,
    BillResult,
    BillState,
    RefundInstruction,
    RefundState,
    TradeResult,
    TradeState,
)
from payments.providers.unionpay.adapter import UnionPay
from payments.providers.unionpay.tests.messages import MIDDLE, SIGNER_CN, account, check, form, response, sign

REFERENCE, NUMBER = "7F3K2026112200420001", "472611221402091234568"
BEFORE, AFTER = datetime(2026, 11, 22, 6, 2, tzinfo=UTC), datetime(2026, 11, 22, 6, 32, tzinfo=UTC)
ATTEMPT = Attempt(
    reference=REFERENCE,
    amount=Decimal("266.40"),
    subject="订单 20261122-7F3K & a=b",
    created_at=datetime(2026, 11, 22, 6, 1, 40, tzinfo=UTC),
    expires_at=datetime(2026, 11, 22, 6, 31, 40, tzinfo=UTC),
    notify_url="https://shop.example/notify/unionpay/demo-unionpay/",
    return_url="https://shop.example/pay/return/7F3K2026112200420001/",
)
ORDER = RefundInstruction(
    reference=REFERENCE,
    refund_reference="R2026112200000001",
    amount=Decimal("88.80"),
    payment_amount=Decimal("266.40"),
    requested_at=datetime(2026, 11, 23, 1, 9, 55, tzinfo=UTC),
    notify_url="https://shop.example/notify/unionpay/demo-unionpay/",
    provider_reference=NUMBER,
)
PAID = {
    "orderId": REFERENCE,
    "respCode": "00",
    "respMsg": "成功[0000000]",
    "origRespCode": "00",
    "origRespMsg": "成功[0000000]",
    "queryId": NUMBER,
    "txnAmt": "26640",
    "txnTime": "20261122140140",
    "traceTime": "1122140209",
    "currencyCode": "156",
    "reserved": "{a=1&b=2}",
}
REFUNDED = {**PAID, "orderId": ORDER.refund_reference, "txnAmt": "8880", "queryId": "472611230910001234567"}


def keys_for(server: HTTPServer) -> AccountKeys:
    return account(gateway_url=server.url_for("/gateway/api"))


def replies(server: HTTPServer, *texts: str | bytes, status: int = 200) -> None:
    for text in texts:
        server.expect_ordered_request("/gateway/api/queryTrans.do", method="POST").respond_with_data(
            text, status=status, content_type="text/html;charset=UTF-8"
        )


def sent(server: HTTPServer, number: int = 0) -> dict[str, str]:
    """The fields of a request that the stand-in got, after its signature was checked."""
    fields = dict(parse_qsl(server.log[number][0].get_data().decode(), strict_parsing=True))
    check(fields, public_pem("up-shop"))
    del fields["signature"]
    return fields


def query(server: HTTPServer) -> TradeResult:
    return UnionPay().query(ATTEMPT, keys_for(server), Gateway())


def outside_error(provoke) -> tuple[str, bool, bool]:  # type: ignore[no-untyped-def]
    with pytest.raises(OutsideError) as caught:
        provoke()
    return caught.value.code, caught.value.retryable, caught.value.outcome_known


COMMON = {
    "version": "5.1.0",
    "encoding": "utf-8",
    "signMethod": "01",
    "certId": "69597475696",
    "accessType": "0",
    "merId": "777290058110048",
}


def test_start_signs_a_form() -> None:
    started = UnionPay().start(ATTEMPT, account(), Gateway())
    assert started.action == "https://gateway.95516.com/gateway/api/frontTransReq.do"
    assert (started.pay_url, started.code_url) == ("", "")
    fields = dict(started.form)
    check(fields, public_pem("up-shop"))
    del fields["signature"]
    assert fields == COMMON | {
        "txnType": "01",
        "txnSubType": "01",
        "bizType": "000201",
        "channelType": "07",
        "orderId": REFERENCE,
        "txnTime": "20261122140140",
        "txnAmt": "26640",
        "currencyCode": "156",
        "orderDesc": "订单 20261122-7F3K & a=b",
        "payTimeout": "20261122143140",
        "frontUrl": ATTEMPT.return_url,
        "backUrl": ATTEMPT.notify_url,
    }
    assert UnionPay().start(ATTEMPT, account(), Gateway()).form == started.form


def test_unusable_key_starts_nothing() -> None:
    keys = account(sign_key="junk")
    assert outside_error(lambda: UnionPay().start(ATTEMPT, keys, Gateway())) == (
        "provider_misconfigured",
        False,
        True,
    )


def test_paid_trade(server: HTTPServer) -> None:
    replies(server, response(PAID))
    found = query(server)
    assert replace(found, raw="") == TradeResult(
        state=TradeState.PAID,
        provider_reference=NUMBER,
        amount=Decimal("266.40"),
        paid_at=datetime(2026, 11, 22, 6, 2, 9, tzinfo=UTC),
    )
    assert "origRespCode=00" in found.raw
    assert "signature" not in found.raw
    assert sent(server) == COMMON | {
        "txnType": "00",
        "txnSubType": "00",
        "bizType": "000000",
        "orderId": REFERENCE,
        "txnTime": "20261122140140",
    }


@pytest.mark.parametrize(
    ("changes", "now", "state"),
    [
        ({"origRespCode": "A6"}, BEFORE, TradeState.PAID),
        ({"origRespCode": "05"}, BEFORE, TradeState.PENDING),
        ({"origRespCode": "05"}, AFTER, TradeState.PENDING),
        ({"origRespCode": "51"}, BEFORE, TradeState.PENDING),
        ({"origRespCode": "51"}, AFTER, TradeState.CLOSED),
        ({"respCode": "34"}, BEFORE, TradeState.NOT_FOUND),
        ({"respCode": "34"}, AFTER, TradeState.NOT_FOUND),
    ],
)
def test_trade_states(server: HTTPServer, changes: dict[str, str], now: datetime, state: TradeState) -> None:
    replies(server, response({**PAID, **changes}))
    with time_machine.travel(now, tick=False):
        assert query(server).state is state


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("04", ("provider_error", True, False)),
        ("06", ("provider_busy", True, True)),
        ("11", ("provider_misconfigured", False, True)),
        ("35", ("provider_refused", False, True)),
    ],
)
def test_error_codes(server: HTTPServer, code: str, error: tuple[str, bool, bool]) -> None:
    replies(server, response({**PAID, "respCode": code}))
    assert outside_error(lambda: query(server)) == error


FAKE = issue(SIGNER_CN, key="stranger")
OLD = issue(SIGNER_CN, key="up-signer", by=MIDDLE, ends_at=datetime.now(UTC) - timedelta(days=1))


@pytest.mark.parametrize(
    "text",
    [
        "respCode=00",
        response(PAID, signer=FAKE),
        response(PAID, signer=OLD),
        response(PAID).replace("txnAmt=26640", "txnAmt=1"),
        response(PAID) + "&txnAmt=26640",
        response(PAID) + "&x=1",
        response(PAID) + "&",
        response({**PAID, "orderId": "7F3K2026112200420002"}),
        response({**PAID, "merId": "777290058110049"}),
        response({**PAID, "txnAmt": "266.40"}),
        response({**PAID, "queryId": ""}),
        response({**PAID, "version": "5.0.0"}),
    ],
)
def test_untrusted_response_is_an_error(server: HTTPServer, text: str) -> None:
    replies(server, text)
    assert outside_error(lambda: query(server)) == ("provider_answer_refused", True, False)


@pytest.mark.parametrize(
    "text",
    ["", "Invalid request.", "&".join(f"f{n}=1" for n in range(300))],
)
def test_unreadable_response_is_an_error(server: HTTPServer, text: str) -> None:
    replies(server, text)
    assert outside_error(lambda: query(server)) == ("provider_answer_unreadable", True, False)


@pytest.mark.parametrize("declared", ["GBK", "UTF-8", "ISO-8859-1", ""])
def test_refusal_in_gbk_is_read(server: HTTPServer, declared: str) -> None:
    fields = {
        "orderId": ORDER.refund_reference,
        "respCode": "35",
        "respMsg": "原交易状态不正确",
        "encoding": declared,
    }
    replies(server, response(fields, charset="gbk").encode("gbk"))
    with pytest.raises(OutsideError, match="35 原交易状态不正确"):
        UnionPay().query_refund(ORDER, keys_for(server), Gateway())


@pytest.mark.parametrize(("status", "known"), [(500, False), (404, True), (429, False)])
def test_http_errors(server: HTTPServer, status: int, known: bool) -> None:
    replies(server, response(PAID), status=status)
    assert outside_error(lambda: query(server)) == ("provider_http_error", True, known)


def test_percent_encoded_response(server: HTTPServer) -> None:
    common = {"version": "5.1.0", "encoding": "UTF-8", "signMethod": "01", "merId": "777290058110048"}
    replies(server, form(sign({**common, **PAID})).decode())
    assert query(server).state is TradeState.PAID


def test_close_is_a_query(server: HTTPServer) -> None:
    assert not UnionPay().can_close(account())
    replies(server, response(PAID))
    assert UnionPay().close(ATTEMPT, keys_for(server), Gateway()).state is TradeState.PAID


# Refunds


def refund(server: HTTPServer, *texts: str) -> RefundState:
    for text in texts[:1]:
        server.expect_ordered_request("/gateway/api/backTransReq.do").respond_with_data(text)
    replies(server, *texts[1:])
    return UnionPay().refund(ORDER, keys_for(server), Gateway()).state


def test_accepted_refund_has_our_reference(server: HTTPServer) -> None:
    assert (
        refund(server, response({"orderId": ORDER.refund_reference, "respCode": "00"}))
        is RefundState.PROCESSING
    )
    assert sent(server) == COMMON | {
        "txnType": "04",
        "txnSubType": "00",
        "bizType": "000201",
        "channelType": "07",
        "orderId": "R2026112200000001",
        "txnTime": "20261123090955",
        "txnAmt": "8880",
        "origQryId": NUMBER,
        "backUrl": ORDER.notify_url,
        "reqReserved": REFERENCE,
    }


@pytest.mark.parametrize(
    ("code", "state"),
    [("05", RefundState.PROCESSING), ("36", RefundState.FAILED), ("60", RefundState.FAILED)],
)
def test_unknown_and_refused_refunds(server: HTTPServer, code: str, state: RefundState) -> None:
    assert refund(server, response({"orderId": ORDER.refund_reference, "respCode": code})) is state


@pytest.mark.parametrize(("code", "error"), [("06", "provider_busy"), ("11", "provider_misconfigured")])
def test_busy_or_misconfigured_refund(server: HTTPServer, code: str, error: str) -> None:
    text = response({"orderId": ORDER.refund_reference, "respCode": code})
    assert outside_error(lambda: refund(server, text))[0] == error


def test_repeated_refund_is_queried(server: HTTPServer) -> None:
    taken = response({"orderId": ORDER.refund_reference, "respCode": "12"})
    assert refund(server, taken, response(REFUNDED)) is RefundState.SUCCEEDED
    assert sent(server, 1)["orderId"] == ORDER.refund_reference
    assert sent(server, 1)["txnTime"] == "20261123090955"


@pytest.mark.parametrize(
    ("changes", "state", "detail"),
    [
        ({}, RefundState.SUCCEEDED, ""),
        ({"origRespCode": "05"}, RefundState.PROCESSING, "05 成功[0000000]"),
        ({"origRespCode": "61", "origRespMsg": "卡号无效"}, RefundState.FAILED, "61 卡号无效"),
        ({"txnAmt": "8881"}, RefundState.ABNORMAL, "00 成功[0000000]"),
        ({"respCode": "34", "origRespCode": "", "origRespMsg": ""}, RefundState.NOT_DONE, "34 成功[0000000]"),
    ],
)
def test_refund_query_results(
    server: HTTPServer, changes: dict[str, str], state: RefundState, detail: str
) -> None:
    replies(server, response({**REFUNDED, **changes}))
    found = UnionPay().query_refund(ORDER, keys_for(server), Gateway())
    assert (found.state, found.detail, found.refund_reference) == (state, detail, ORDER.refund_reference)


def test_refund_without_query_id_sends_nothing(server: HTTPServer) -> None:
    order = replace(ORDER, provider_reference="")
    error = outside_error(lambda: UnionPay().refund(order, keys_for(server), Gateway()))
    assert error == ("provider_refused", False, True)
    assert server.log == []


# The file of a clearing day


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as bill:
        bill.writestr("INN26112188ZM_777290058110048", "001 ")
    return file.getvalue()


def fetch(server: HTTPServer, fields: dict[str, str], target: Path) -> BillResult:
    server.expect_request("/files").respond_with_data(response({"settleDate": "1121", **fields}))
    keys = account(file_url=server.url_for("/files"))
    return UnionPay().fetch_bill(date(2026, 11, 21), keys, Gateway(), target)


def encoded(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


def test_clearing_file_is_written(server: HTTPServer, tmp_path: Path) -> None:
    assert UnionPay().can_bill(account(file_url="https://filedownload.95516.com/"))
    assert not UnionPay().can_bill(account())
    body, target = zipped(), tmp_path / "bill"
    found = fetch(server, {"respCode": "00", "fileContent": encoded(body), "fileName": "../x.zip"}, target)
    assert found == BillResult(state=BillState.READY, file_name="unionpay-2026-11-21.zip")
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (body, 0o600)
    request = sent(server)
    assert (request["txnType"], request["settleDate"], request["fileType"]) == ("76", "1121", "00")


@pytest.mark.parametrize(
    "fields",
    [
        {"fileContent": "x"},
        {"fileContent": base64.b64encode(b"not deflated").decode()},
        {"fileContent": encoded(b"no zip")},
        {"fileContent": base64.b64encode(zlib.compress(zipped())[:-8]).decode()},
        {"fileContent": encoded(zipped()), "settleDate": "1120"},
        {"fileContent": encoded(zipped()), "merId": "777290058110049"},
        {},
    ],
)
def test_bad_clearing_file_leaves_no_file(server: HTTPServer, tmp_path: Path, fields: dict[str, str]) -> None:
    error = outside_error(lambda: fetch(server, {"respCode": "00", **fields}, tmp_path / "bill"))
    assert error[0] == "provider_answer_refused"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (datetime(2026, 11, 22, 3, 59, tzinfo=UTC), BillState.NOT_READY),
        (datetime(2026, 11, 22, 4, 0, tzinfo=UTC), BillState.EMPTY),
    ],
)
def test_missing_file_is_empty_after_noon(
    server: HTTPServer, tmp_path: Path, now: datetime, state: BillState
) -> None:
    with time_machine.travel(now, tick=False):
        assert fetch(server, {"respCode": "98"}, tmp_path / "bill").state is state
