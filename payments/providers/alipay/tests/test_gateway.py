"""Our calls to Alipay's gateway, over real HTTP to a stand-in that signs with python-alipay-sdk."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit

import pytest
import time_machine
from pytest_httpserver import HTTPServer
from werkzeug import Response as HttpResponse

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway
from payments.providers.alipay.adapter import Alipay
from payments.providers.alipay.tests.messages import account, answer, key_pair, sdk, signed_text
from payments.providers.types import (
    AccountKeys,
    Attempt,
    RefundInstruction,
    RefundResult,
    RefundState,
    TradeResult,
    TradeState,
)

REFERENCE = "7F3K2026112200420001"
TRADE = "2026112222001424333014219981"
QUERY, CLOSE = "alipay.trade.query", "alipay.trade.close"
REFUND, REFUND_QUERY = "alipay.trade.refund", "alipay.trade.fastpay.refund.query"
ATTEMPT = Attempt(
    reference=REFERENCE,
    amount=Decimal("266.40"),
    subject="订单 20261122-7F3K/0042 & a=b",
    created_at=datetime(2026, 11, 22, 6, 1, 40, tzinfo=UTC),
    expires_at=datetime(2026, 11, 22, 6, 31, 40, tzinfo=UTC),
    notify_url="https://shop.example/notify/alipay/demo-alipay/",
    return_url="https://shop.example/pay/return/7F3K2026112200420001/?a=b&c=d",
)
ORDER = RefundInstruction(
    reference=REFERENCE,
    refund_reference="R1",
    amount=Decimal("88.80"),
    payment_amount=Decimal("88.80"),
    requested_at=datetime(2026, 11, 22, tzinfo=UTC),
    reason="买家退货",
)


def keys_for(gate: HTTPServer) -> AccountKeys:
    return account(gateway_url=gate.url_for("/gateway.do"))


def node(**fields: object) -> str:
    return json.dumps(
        {"code": "10000", "msg": "Success", "out_trade_no": REFERENCE, **fields}, ensure_ascii=False
    )


def no(sub_code: str, code: str = "40004") -> str:
    return json.dumps({"code": code, "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "说明"})


def replies(gate: HTTPServer, *texts: str, status: int = 200) -> None:
    """The gateway's answers, in this order."""
    for text in texts:
        gate.expect_ordered_request("/gateway.do", method="POST").respond_with_data(
            text, status=status, content_type="text/html;charset=utf-8"
        )


def sent(gate: HTTPServer, number: int = 0) -> dict[str, str]:
    """The parameters of a request that the stand-in got, after its signature was checked by the SDK."""
    return checked(gate.log[number][0].get_data().decode())


def checked(form: str) -> dict[str, str]:
    pairs = parse_qsl(form, keep_blank_values=True, strict_parsing=True)
    params = dict(pairs)
    assert len(params) == len(pairs)
    sign = params.pop("sign")
    assert sdk()._verify(signed_text(params), sign)
    return params


def outside(provoke) -> OutsideError:  # type: ignore[no-untyped-def]
    with pytest.raises(OutsideError) as caught:
        provoke()
    return caught.value


@time_machine.travel(datetime(2026, 11, 22, 6, 1, 40, tzinfo=UTC), tick=False)
def test_the_pay_address_is_a_signed_request_with_our_expiry() -> None:
    started = Alipay().start(ATTEMPT, account(), Gateway())
    address = urlsplit(started.pay_url)
    assert f"{address.scheme}://{address.netloc}{address.path}" == "https://openapi.alipay.com/gateway.do"
    params = checked(address.query)
    content = json.loads(params.pop("biz_content"))
    assert params == {
        "app_id": "2021000000000001",
        "method": "alipay.trade.page.pay",
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": "2026-11-22 14:01:40",
        "version": "1.0",
        "notify_url": ATTEMPT.notify_url,
        "return_url": ATTEMPT.return_url,
    }
    assert content == {
        "out_trade_no": REFERENCE,
        "total_amount": "266.40",
        "subject": "订单 20261122-7F3K 0042   a b",
        "product_code": "FAST_INSTANT_TRADE_PAY",
        "time_expire": "2026-11-22 14:31:40",
    }


def test_without_a_usable_key_nothing_is_started() -> None:
    error = outside(lambda: Alipay().start(ATTEMPT, account(app_private_key="junk"), Gateway()))
    assert (error.code, error.retryable, error.outcome_known) == ("provider_misconfigured", False, True)
    assert "junk" not in str(error)


def test_a_paid_trade(gate: HTTPServer) -> None:
    text = node(
        trade_no=TRADE,
        trade_status="TRADE_SUCCESS",
        total_amount="266.40",
        send_pay_date="2026-11-22 14:02:09",
        store_name='"}, "sign":"x',
    )
    replies(gate, answer(QUERY, text))
    assert Alipay().query(ATTEMPT, keys_for(gate), Gateway()) == TradeResult(
        state=TradeState.PAID,
        provider_reference=TRADE,
        amount=Decimal("266.40"),
        paid_at=datetime(2026, 11, 22, 6, 2, 9, tzinfo=UTC),
        raw=text,
    )
    params = sent(gate)
    assert params["method"] == QUERY
    assert json.loads(params["biz_content"]) == {"out_trade_no": REFERENCE}


@pytest.mark.parametrize(
    ("fields", "state", "refunded"),
    [
        ({"trade_status": "WAIT_BUYER_PAY"}, TradeState.PENDING, None),
        ({"trade_status": "TRADE_FINISHED"}, TradeState.PAID, None),
        ({"trade_status": "TRADE_CLOSED"}, TradeState.CLOSED, None),
        (
            {"trade_status": "TRADE_CLOSED", "send_pay_date": "2026-11-22 14:02:09"},
            TradeState.REFUNDED,
            Decimal("266.40"),
        ),
        ({"trade_status": "TRADE_NEW_WORD"}, TradeState.UNKNOWN, None),
    ],
)
def test_states(
    gate: HTTPServer, fields: dict[str, str], state: TradeState, refunded: Decimal | None
) -> None:
    replies(gate, answer(QUERY, node(total_amount="266.40", **fields)))
    found = Alipay().query(ATTEMPT, keys_for(gate), Gateway())
    assert (found.state, found.refunded_total) == (state, refunded)


@pytest.mark.parametrize("signed", [True, False])
def test_a_trade_that_alipay_does_not_know_yet(gate: HTTPServer, signed: bool) -> None:
    text = no("ACQ.TRADE_NOT_EXIST")
    replies(gate, answer(QUERY, text) if signed else f'{{"alipay_trade_query_response":{text}}}')
    assert Alipay().query(ATTEMPT, keys_for(gate), Gateway()) == TradeResult(
        state=TradeState.NOT_FOUND, raw=text
    )


PAID = node(trade_no=TRADE, trade_status="TRADE_SUCCESS", total_amount="266.40")


@pytest.mark.parametrize(
    "text",
    [
        f'{{"alipay_trade_query_response":{PAID}}}',
        answer(QUERY, PAID, signer="stranger"),
        answer(QUERY, PAID).replace("266.40", "266.41"),
        answer(QUERY, PAID).replace(": ", ":"),
        answer(QUERY, PAID).replace('"sign":"', '"sign":"A'),
        answer(QUERY, PAID).replace('"sign":"', '"sign":null,"x":"'),
        answer(QUERY, PAID).replace('"sign":"', '"sign":7,"x":"'),
        answer(CLOSE, PAID),
        answer(QUERY, no("ACQ.TRADE_NOT_EXIST"), signer="stranger"),
        answer(QUERY, node(trade_status="TRADE_SUCCESS", total_amount="1e2")),
        answer(QUERY, node(trade_status="TRADE_SUCCESS")),
        answer(QUERY, node(trade_status="TRADE_SUCCESS", total_amount="266.40", out_trade_no="ANOTHER")),
        answer(QUERY, PAID[:-1] + ',"code":"10000"}'),
        answer(QUERY, "[" * 100_000 + "]" * 100_000),
        "",
        "<html>",
        "[]",
        '{"alipay_trade_query_response":"x"}',
        "null",
    ],
)
def test_an_answer_that_cannot_be_trusted_says_nothing(gate: HTTPServer, text: str) -> None:
    replies(gate, text)
    error = outside(lambda: Alipay().query(ATTEMPT, keys_for(gate), Gateway()))
    assert (error.code, error.retryable, error.outcome_known) == ("provider_answer_refused", True, False)


@pytest.mark.parametrize(
    ("text", "code", "retryable", "known"),
    [
        (no("isp.unknow-error", "20000"), "provider_error", True, False),
        (no("ACQ.SYSTEM_ERROR"), "provider_error", True, False),
        (no("isv.invalid-signature", "40002"), "provider_misconfigured", False, True),
        (no("ACQ.INVALID_PARAMETER"), "provider_refused", False, True),
    ],
)
@pytest.mark.parametrize("name", ["alipay_trade_query_response", "error_response"])
def test_errors_of_the_gateway(  # noqa: PLR0913
    gate: HTTPServer, name: str, text: str, code: str, retryable: bool, known: bool
) -> None:
    replies(gate, f'{{"{name}":{text}}}')
    error = outside(lambda: Alipay().query(ATTEMPT, keys_for(gate), Gateway()))
    assert (error.code, error.retryable, error.outcome_known) == (code, retryable, known)


@pytest.mark.parametrize(
    ("status", "known"), [(500, False), (502, False), (302, False), (404, True), (429, False)]
)
def test_http_errors(gate: HTTPServer, status: int, known: bool) -> None:
    replies(gate, answer(QUERY, PAID), status=status)
    error = outside(lambda: Alipay().query(ATTEMPT, keys_for(gate), Gateway()))
    assert (error.code, error.retryable, error.outcome_known) == ("provider_http_error", True, known)


def test_a_closed_trade(gate: HTTPServer) -> None:
    text = node(trade_no=TRADE)
    replies(gate, answer(CLOSE, text))
    found = Alipay().close(ATTEMPT, keys_for(gate), Gateway())
    assert found == TradeResult(state=TradeState.CLOSED, provider_reference=TRADE, raw=text)
    assert sent(gate)["method"] == CLOSE


def test_closing_what_the_buyer_has_never_opened(gate: HTTPServer) -> None:
    replies(gate, answer(CLOSE, no("ACQ.TRADE_NOT_EXIST")))
    assert Alipay().close(ATTEMPT, keys_for(gate), Gateway()).state is TradeState.NOT_FOUND


@pytest.mark.parametrize("sub_code", ["ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_STATUS_ERROR"])
def test_closing_too_late_asks(gate: HTTPServer, sub_code: str) -> None:
    replies(gate, answer(CLOSE, no(sub_code)), answer(QUERY, PAID))
    found = Alipay().close(ATTEMPT, keys_for(gate), Gateway())
    assert (found.state, found.amount) == (TradeState.PAID, Decimal("266.40"))
    assert sent(gate, 1)["method"] == QUERY


def test_a_refund_is_done_when_money_moved(gate: HTTPServer) -> None:
    text = node(trade_no=TRADE, fund_change="Y", refund_fee="100.00")
    replies(gate, answer(REFUND, text))
    assert Alipay().refund(ORDER, keys_for(gate), Gateway()) == RefundResult(
        state=RefundState.SUCCEEDED,
        refund_reference="R1",
        amount=Decimal("88.80"),
        refunded_total=Decimal("100.00"),
        raw=text,
    )
    assert json.loads(sent(gate)["biz_content"]) == {
        "out_trade_no": REFERENCE,
        "refund_amount": "88.80",
        "out_request_no": "R1",
        "refund_reason": "买家退货",
    }


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        (
            {"refund_status": "REFUND_SUCCESS", "out_request_no": "R1", "refund_amount": "88.80"},
            RefundState.SUCCEEDED,
        ),
        ({}, RefundState.NOT_DONE),
    ],
)
def test_a_repeated_refund_is_asked_for(gate: HTTPServer, fields: dict[str, str], state: RefundState) -> None:
    replies(gate, answer(REFUND, node(fund_change="N")), answer(REFUND_QUERY, node(**fields)))
    assert Alipay().refund(ORDER, keys_for(gate), Gateway()).state is state
    assert json.loads(sent(gate, 1)["biz_content"]) == {"out_trade_no": REFERENCE, "out_request_no": "R1"}


def test_a_refused_refund_has_alipays_words(gate: HTTPServer) -> None:
    replies(gate, answer(REFUND, no("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL")))
    found = Alipay().refund(ORDER, keys_for(gate), Gateway())
    assert (found.state, found.detail) == (RefundState.FAILED, "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL 说明")


def test_a_gateway_that_does_not_answer_leaves_the_outcome_open(gate: HTTPServer) -> None:
    gate.expect_request("/gateway.do").respond_with_handler(_slowly)
    error = outside(lambda: Alipay().refund(ORDER, keys_for(gate), Gateway(read=0.2)))
    assert (error.code, error.retryable, error.outcome_known) == ("provider_timeout", True, False)


def _slowly(_request: object) -> HttpResponse:
    time.sleep(0.6)
    return HttpResponse("late")


def test_keys_are_never_in_evidence(gate: HTTPServer) -> None:
    replies(gate, answer(QUERY, PAID))
    assert key_pair("app")[0][40:80] not in repr(Alipay().query(ATTEMPT, keys_for(gate), Gateway()))
    assert key_pair("app")[0][40:80] not in repr(keys_for(gate))
