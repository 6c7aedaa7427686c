"""Closing and giving back at WeChat Pay, over real HTTP to a stand-in that checks and signs with wechatpayv3."""

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
    no,
    outside,
    says,
    sent,
    signed,
    trade,
)
from payments.providers.wechatpay.tests.messages import MCHID

# Closing


def close(gate: HTTPServer) -> TradeResult:
    return WechatPay().close(ATTEMPT, keys_for(gate), Gateway())


def test_closing_is_an_empty_signed_answer(gate: HTTPServer) -> None:
    says(gate, CLOSE, signed(None, status=204), method="POST")
    assert close(gate).state is TradeState.CLOSED
    assert sent(gate) == {"mchid": MCHID}


def test_an_empty_answer_without_signature_closes_nothing(gate: HTTPServer) -> None:
    says(gate, CLOSE, HttpResponse(status=204), method="POST")
    assert outside(lambda: close(gate)) == FORGED


@pytest.mark.parametrize(
    ("code", "state", "expected"),
    [
        ("ORDERPAID", "SUCCESS", TradeState.PAID),
        ("ORDER_PAID", "SUCCESS", TradeState.PAID),
        ("ORDER_CLOSED", "CLOSED", TradeState.CLOSED),
        ("INVALID_REQUEST", "CLOSED", TradeState.CLOSED),
    ],
)
def test_where_closing_comes_too_late_the_query_tells(
    gate: HTTPServer, code: str, state: str, expected: TradeState
) -> None:
    says(gate, CLOSE, no(code), method="POST")
    says(gate, TRADE, signed(trade(trade_state=state)))
    assert close(gate).state is expected


def test_a_trade_that_stays_open_is_a_refusal(gate: HTTPServer) -> None:
    says(gate, CLOSE, no("INVALID_REQUEST"), method="POST")
    says(gate, TRADE, signed(trade(trade_state="NOTPAY")))
    assert outside(lambda: close(gate)) == ("provider_refused", False, True)


def test_what_never_began_is_not_found(gate: HTTPServer) -> None:
    says(gate, CLOSE, no("ORDER_NOT_EXIST", 404), method="POST")
    assert close(gate).state is TradeState.NOT_FOUND


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
def test_the_states_of_a_refund(gate: HTTPServer, status: str, expected: RefundState) -> None:
    says(gate, REFUNDS, signed(refund(status=status)), method="POST")
    says(gate, f"{REFUNDS}/{ORDER.refund_reference}", signed(refund(status=status)))
    keys = keys_for(gate)
    for answer in (
        WechatPay().refund(ORDER, keys, Gateway()),
        WechatPay().query_refund(ORDER, keys, Gateway()),
    ):
        assert (answer.state, answer.amount, answer.refund_reference) == (
            expected,
            Decimal("88.80"),
            ORDER.refund_reference,
        )
    assert sent(gate) == {
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
def test_an_answer_about_another_refund_is_none(gate: HTTPServer, changes: dict[str, Any]) -> None:
    says(gate, REFUNDS, signed(refund(**changes)), method="POST")
    assert outside(lambda: WechatPay().refund(ORDER, keys_for(gate), Gateway())) == FORGED


def test_a_refused_refund_is_looked_for_before_it_counts_as_failed(gate: HTTPServer) -> None:
    says(gate, REFUNDS, no("NOT_ENOUGH", 403), method="POST")
    says(gate, f"{REFUNDS}/{ORDER.refund_reference}", no("RESOURCE_NOT_EXISTS", 404), signed(refund()))
    answers = [WechatPay().refund(ORDER, keys_for(gate), Gateway()) for _number in range(2)]
    assert [answer.state for answer in answers] == [RefundState.FAILED, RefundState.PROCESSING]
    assert answers[0].detail == "NOT_ENOUGH 说明"


def test_a_refund_that_our_own_settings_prevent_is_no_failed_refund(gate: HTTPServer) -> None:
    says(gate, REFUNDS, no("NO_AUTH", 403), method="POST")
    assert (
        outside(lambda: WechatPay().refund(ORDER, keys_for(gate), Gateway()))[0] == "provider_misconfigured"
    )
    assert len(gate.log) == 1


def test_a_refund_that_is_not_there_is_not_done(gate: HTTPServer) -> None:
    says(gate, f"{REFUNDS}/{ORDER.refund_reference}", no("RESOURCE_NOT_EXISTS", 404))
    assert WechatPay().query_refund(ORDER, keys_for(gate), Gateway()).state is RefundState.NOT_DONE
