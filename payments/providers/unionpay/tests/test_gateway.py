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
from payments.providers.unionpay.tests.messages import MIDDLE, SIGNER_CN, account, answer, check, form, sign

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


def keys_for(gate: HTTPServer) -> AccountKeys:
    return account(gateway_url=gate.url_for("/gateway/api"))


def replies(gate: HTTPServer, *texts: str, status: int = 200) -> None:
    for text in texts:
        gate.expect_ordered_request("/gateway/api/queryTrans.do", method="POST").respond_with_data(
            text, status=status, content_type="text/html;charset=UTF-8"
        )


def sent(gate: HTTPServer, number: int = 0) -> dict[str, str]:
    """The fields of a request that the stand-in got, after its signature was checked."""
    fields = dict(parse_qsl(gate.log[number][0].get_data().decode(), strict_parsing=True))
    check(fields, public_pem("up-shop"))
    del fields["signature"]
    return fields


def query(gate: HTTPServer) -> TradeResult:
    return UnionPay().query(ATTEMPT, keys_for(gate), Gateway())


def outside(provoke) -> tuple[str, bool, bool]:  # type: ignore[no-untyped-def]
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


def test_the_buyer_gets_a_signed_form() -> None:
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


def test_without_a_usable_key_nothing_is_started() -> None:
    keys = account(sign_key="junk")
    assert outside(lambda: UnionPay().start(ATTEMPT, keys, Gateway())) == (
        "provider_misconfigured",
        False,
        True,
    )


def test_a_paid_trade(gate: HTTPServer) -> None:
    replies(gate, answer(PAID))
    found = query(gate)
    assert replace(found, raw="") == TradeResult(
        state=TradeState.PAID,
        provider_reference=NUMBER,
        amount=Decimal("266.40"),
        paid_at=datetime(2026, 11, 22, 6, 2, 9, tzinfo=UTC),
    )
    assert "origRespCode=00" in found.raw
    assert "signature" not in found.raw
    assert sent(gate) == COMMON | {
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
def test_states(gate: HTTPServer, changes: dict[str, str], now: datetime, state: TradeState) -> None:
    replies(gate, answer({**PAID, **changes}))
    with time_machine.travel(now, tick=False):
        assert query(gate).state is state


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("04", ("provider_error", True, False)),
        ("06", ("provider_busy", True, True)),
        ("11", ("provider_misconfigured", False, True)),
        ("35", ("provider_refused", False, True)),
    ],
)
def test_answers_that_say_nothing_about_the_trade(
    gate: HTTPServer, code: str, error: tuple[str, bool, bool]
) -> None:
    replies(gate, answer({**PAID, "respCode": code}))
    assert outside(lambda: query(gate)) == error


FAKE = issue(SIGNER_CN, key="stranger")
OLD = issue(SIGNER_CN, key="up-signer", by=MIDDLE, ends_at=datetime.now(UTC) - timedelta(days=1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Invalid request.",
        "respCode=00",
        answer(PAID, paper=FAKE),
        answer(PAID, paper=OLD),
        answer(PAID).replace("txnAmt=26640", "txnAmt=1"),
        answer(PAID) + "&txnAmt=26640",
        answer(PAID) + "&x=1",
        answer(PAID) + "&",
        answer({**PAID, "orderId": "7F3K2026112200420002"}),
        answer({**PAID, "merId": "777290058110049"}),
        answer({**PAID, "txnAmt": "266.40"}),
        answer({**PAID, "queryId": ""}),
        answer({**PAID, "version": "5.0.0"}),
        "&".join(f"f{n}=1" for n in range(300)),
    ],
)
def test_an_answer_that_cannot_be_trusted_says_nothing(gate: HTTPServer, text: str) -> None:
    replies(gate, text)
    assert outside(lambda: query(gate)) == ("provider_answer_refused", True, False)


@pytest.mark.parametrize(("status", "known"), [(500, False), (404, True), (429, False)])
def test_http_errors(gate: HTTPServer, status: int, known: bool) -> None:
    replies(gate, answer(PAID), status=status)
    assert outside(lambda: query(gate)) == ("provider_http_error", True, known)


def test_a_gateway_that_encodes_its_answers_is_understood(gate: HTTPServer) -> None:
    common = {"version": "5.1.0", "encoding": "UTF-8", "signMethod": "01", "merId": "777290058110048"}
    replies(gate, form(sign({**common, **PAID})).decode())
    assert query(gate).state is TradeState.PAID


def test_closing_is_only_asking(gate: HTTPServer) -> None:
    assert not UnionPay().can_close(account())
    replies(gate, answer(PAID))
    assert UnionPay().close(ATTEMPT, keys_for(gate), Gateway()).state is TradeState.PAID


# Refunds


def refund(gate: HTTPServer, *texts: str) -> RefundState:
    for text in texts[:1]:
        gate.expect_ordered_request("/gateway/api/backTransReq.do").respond_with_data(text)
    replies(gate, *texts[1:])
    return UnionPay().refund(ORDER, keys_for(gate), Gateway()).state


def test_a_refund_is_taken_on_and_carries_our_reference(gate: HTTPServer) -> None:
    assert (
        refund(gate, answer({"orderId": ORDER.refund_reference, "respCode": "00"})) is RefundState.PROCESSING
    )
    assert sent(gate) == COMMON | {
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
def test_a_refund_that_is_doubtful_or_refused(gate: HTTPServer, code: str, state: RefundState) -> None:
    assert refund(gate, answer({"orderId": ORDER.refund_reference, "respCode": code})) is state


@pytest.mark.parametrize(("code", "error"), [("06", "provider_busy"), ("11", "provider_misconfigured")])
def test_a_refund_that_was_not_looked_at(gate: HTTPServer, code: str, error: str) -> None:
    text = answer({"orderId": ORDER.refund_reference, "respCode": code})
    assert outside(lambda: refund(gate, text))[0] == error


def test_a_repeated_refund_is_asked_for(gate: HTTPServer) -> None:
    taken = answer({"orderId": ORDER.refund_reference, "respCode": "12"})
    assert refund(gate, taken, answer(REFUNDED)) is RefundState.SUCCEEDED
    assert sent(gate, 1)["orderId"] == ORDER.refund_reference
    assert sent(gate, 1)["txnTime"] == "20261123090955"


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
def test_how_a_refund_went(
    gate: HTTPServer, changes: dict[str, str], state: RefundState, detail: str
) -> None:
    replies(gate, answer({**REFUNDED, **changes}))
    found = UnionPay().query_refund(ORDER, keys_for(gate), Gateway())
    assert (found.state, found.detail, found.refund_reference) == (state, detail, ORDER.refund_reference)


def test_without_unionpays_number_nothing_is_sent(gate: HTTPServer) -> None:
    order = replace(ORDER, provider_reference="")
    error = outside(lambda: UnionPay().refund(order, keys_for(gate), Gateway()))
    assert error == ("provider_refused", False, True)
    assert gate.log == []


# The file of a clearing day


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as bill:
        bill.writestr("INN26112188ZM_777290058110048", "001 ")
    return file.getvalue()


def fetch(gate: HTTPServer, fields: dict[str, str], target: Path) -> BillResult:
    gate.expect_request("/files").respond_with_data(answer({"settleDate": "1121", **fields}))
    keys = account(file_url=gate.url_for("/files"))
    return UnionPay().fetch_bill(date(2026, 11, 21), keys, Gateway(), target)


def encoded(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


def test_the_file_of_a_day_is_unpacked_to_its_place(gate: HTTPServer, tmp_path: Path) -> None:
    assert UnionPay().can_bill(account(file_url="https://filedownload.95516.com/"))
    assert not UnionPay().can_bill(account())
    body, target = zipped(), tmp_path / "bill"
    found = fetch(gate, {"respCode": "00", "fileContent": encoded(body), "fileName": "../x.zip"}, target)
    assert found == BillResult(state=BillState.READY, file_name="unionpay-2026-11-21.zip")
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (body, 0o600)
    asked = sent(gate)
    assert (asked["txnType"], asked["settleDate"], asked["fileType"]) == ("76", "1121", "00")


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
def test_what_is_no_file_leaves_none(gate: HTTPServer, tmp_path: Path, fields: dict[str, str]) -> None:
    error = outside(lambda: fetch(gate, {"respCode": "00", **fields}, tmp_path / "bill"))
    assert error[0] == "provider_answer_refused"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (datetime(2026, 11, 22, 3, 59, tzinfo=UTC), BillState.NOT_READY),
        (datetime(2026, 11, 22, 4, 0, tzinfo=UTC), BillState.EMPTY),
    ],
)
def test_no_file_means_wait_until_noon_and_then_no_trades(
    gate: HTTPServer, tmp_path: Path, now: datetime, state: BillState
) -> None:
    with time_machine.travel(now, tick=False):
        assert fetch(gate, {"respCode": "98"}, tmp_path / "bill").state is state
