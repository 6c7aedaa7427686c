"""Closing and refunding at WeChat Pay, over real HTTP to a stand-in that checks and signs with wechatpayv3."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response as HttpResponse

from ordersite.lib.http import Gateway
from payments.providers.types import RefundState, TradeResult, TradeState
from payments.providers.wechatpay.adapter import WechatPay
from payments.providers.wechatpay.tests.fake_gateway import (
    ATTEMPT,
    CLOSE,
    FORGED,
    ORDER,
    REFERENCE,
    REFUNDS,
    TRADE,
    keys_for,
    outside_error,
    refusal,
    respond,
    sent,
    signed,
    trade,
)
from payments.providers.wechatpay.tests.messages import MCHID

# Closing


def close(server: HTTPServer) -> TradeResult:
    return WechatPay().close(ATTEMPT, keys_for(server), Gateway())


def test_close(server: HTTPServer) -> None:
    respond(server, CLOSE, signed(None, status=204), method="POST")
    assert close(server).state is TradeState.CLOSED
    assert sent(server) == {"mchid": MCHID}


def test_unsigned_close_is_an_error(server: HTTPServer) -> None:
    respond(server, CLOSE, HttpResponse(status=204), method="POST")
    assert outside_error(lambda: close(server)) == FORGED


@pytest.mark.parametrize(
    ("code", "state", "expected"),
    [
        ("ORDERPAID", "SUCCESS", TradeState.PAID),
        ("ORDER_PAID", "SUCCESS", TradeState.PAID),
        ("ORDER_CLOSED", "CLOSED", TradeState.CLOSED),
        ("INVALID_REQUEST", "CLOSED", TradeState.CLOSED),
    ],
)
def test_late_close_queries(server: HTTPServer, code: str, state: str, expected: TradeState) -> None:
    respond(server, CLOSE, refusal(code), method="POST")
    respond(server, TRADE, signed(trade(trade_state=state)))
    assert close(server).state is expected


def test_close_that_leaves_it_open_is_an_error(server: HTTPServer) -> None:
    respond(server, CLOSE, refusal("INVALID_REQUEST"), method="POST")
    respond(server, TRADE, signed(trade(trade_state="NOTPAY")))
    assert outside_error(lambda: close(server)) == ("provider_refused", False, True)


def test_close_of_an_unknown_order(server: HTTPServer) -> None:
    respond(server, CLOSE, refusal("ORDER_NOT_EXIST", 404), method="POST")
    assert close(server).state is TradeState.NOT_FOUND


# Refunds


def refund(**changes: Any) -> dict[str, Any]:
    fields = {
        "refund_id": "50000000382019052709732678859",
        "out_refund_no": ORDER.refund_reference,
        "out_trade_no": REFERENCE,
        "status": "PROCESSING",
        "amount": {"total": 26640, "refund": 8880, "payer_refund": 8880, "currency": "CNY"},
    }
    return {**fields, **changes}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("SUCCESS", RefundState.SUCCEEDED),
        ("PROCESSING", RefundState.PROCESSING),
        ("ABNORMAL", RefundState.ABNORMAL),
        ("CLOSED", RefundState.FAILED),
    ],
)
def test_states(server: HTTPServer, status: str, expected: RefundState) -> None:
    respond(server, REFUNDS, signed(refund(status=status)), method="POST")
    respond(server, f"{REFUNDS}/{ORDER.refund_reference}", signed(refund(status=status)))
    keys = keys_for(server)
    for response in (
        WechatPay().refund(ORDER, keys, Gateway()),
        WechatPay().query_refund(ORDER, keys, Gateway()),
    ):
        assert (response.state, response.amount, response.refund_reference) == (
            expected,
            Decimal("88.80"),
            ORDER.refund_reference,
        )
    assert sent(server) == {
        "out_trade_no": REFERENCE,
        "out_refund_no": "R20261122000001",
        "reason": "买家退货",
        "notify_url": "https://shop.example/notify/wechatpay/demo-wechatpay/",
        "amount": {"refund": 8880, "total": 26640, "currency": "CNY"},
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"out_refund_no": "R2"},
        {"out_trade_no": "OTHER"},
        {"amount": {"refund": 8881}},
        {"amount": {}},
        {"status": "NEW"},
    ],
)
def test_response_about_another_refund(server: HTTPServer, changes: dict[str, Any]) -> None:
    respond(server, REFUNDS, signed(refund(**changes)), method="POST")
    assert outside_error(lambda: WechatPay().refund(ORDER, keys_for(server), Gateway())) == FORGED


def test_refusal_is_queried_before_failing(server: HTTPServer) -> None:
    respond(server, REFUNDS, refusal("NOT_ENOUGH", 403), method="POST")
    respond(
        server, f"{REFUNDS}/{ORDER.refund_reference}", refusal("RESOURCE_NOT_EXISTS", 404), signed(refund())
    )
    answers = [WechatPay().refund(ORDER, keys_for(server), Gateway()) for _number in range(2)]
    assert [response.state for response in answers] == [RefundState.FAILED, RefundState.PROCESSING]
    assert answers[0].detail == "NOT_ENOUGH 说明"


def test_misconfigured_account_is_not_a_failure(server: HTTPServer) -> None:
    respond(server, REFUNDS, refusal("NO_AUTH", 403), method="POST")
    assert (
        outside_error(lambda: WechatPay().refund(ORDER, keys_for(server), Gateway()))[0]
        == "provider_misconfigured"
    )
    assert len(server.log) == 1


def test_unknown_number_is_not_done(server: HTTPServer) -> None:
    respond(server, f"{REFUNDS}/{ORDER.refund_reference}", refusal("RESOURCE_NOT_EXISTS", 404))
    assert WechatPay().query_refund(ORDER, keys_for(server), Gateway()).state is RefundState.NOT_DONE
