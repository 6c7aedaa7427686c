"""Our calls to WeChat Pay, over real HTTP to a stand-in that checks and signs with wechatpayv3."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from wechatpayv3.utils import rsa_verify
from werkzeug import Request
from werkzeug import Response as HttpResponse

from ordersite.lib.http import Gateway
from payments.providers.types import TradeResult, TradeState
from payments.providers.wechatpay.adapter import WechatPay
from payments.providers.wechatpay.tests.fake_gateway import (
    ATTEMPT,
    FORGED,
    JSAPI,
    NATIVE,
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
    unsigned,
)
from payments.providers.wechatpay.tests.messages import (
    APPID,
    MCHID,
    PUBLIC_KEY,
    PUBLIC_KEY_ID,
    By,
    account,
    certificate,
    hex_serial,
    rsa_key,
)


def query(gate: HTTPServer, **changes: Any) -> TradeResult:
    return WechatPay().query(ATTEMPT, keys_for(gate, **changes), Gateway())


# Beginning


def test_a_native_order_gives_the_text_of_a_qr_code(gate: HTTPServer) -> None:
    says(gate, NATIVE, signed({"code_url": "weixin://wxpay/bizpayurl?pr=p4lpSuKzz"}), method="POST")
    started = WechatPay().start(ATTEMPT, keys_for(gate), Gateway())
    assert (started.code_url, started.pay_url) == ("weixin://wxpay/bizpayurl?pr=p4lpSuKzz", "")
    assert sent(gate) == {
        "appid": APPID,
        "mchid": MCHID,
        "description": "订单 20261122-7F3K/0042",
        "out_trade_no": REFERENCE,
        "time_expire": "2026-11-22T14:31:40+08:00",
        "notify_url": "https://shop.example/notify/wechatpay/demo-wechatpay/",
        "amount": {"total": 26640, "currency": "CNY"},
    }
    assert gate.log[0][0].headers["Wechatpay-Serial"] == PUBLIC_KEY_ID
    assert gate.log[0][0].headers["Content-Type"] == "application/json"


def test_a_long_name_is_cut_between_characters(gate: HTTPServer) -> None:
    says(gate, NATIVE, signed({"code_url": "weixin://x"}), method="POST")
    for subject in ("杯" * 100, ""):
        WechatPay().start(replace(ATTEMPT, subject=subject), keys_for(gate), Gateway())
    assert [sent(gate, number)["description"] for number in (0, 1)] == ["杯" * 42, REFERENCE]


def test_without_a_public_key_none_is_asked_for(gate: HTTPServer) -> None:
    says(gate, NATIVE, signed({"code_url": "weixin://x"}), method="POST")
    keys = keys_for(gate, platform_keys={hex_serial(): certificate()})
    WechatPay().start(ATTEMPT, keys, Gateway())
    assert "Wechatpay-Serial" not in gate.log[0][0].headers


def test_a_gateway_below_a_path_is_signed_with_its_path(gate: HTTPServer) -> None:
    says(gate, f"/wechatpay{NATIVE}", signed({"code_url": "weixin://x"}), method="POST")
    keys = account(gateway_url=gate.url_for("/wechatpay/"))
    assert WechatPay().start(ATTEMPT, keys, Gateway()).code_url == "weixin://x"


@pytest.mark.parametrize("content", [{}, {"code_url": ""}, {"code_url": 5}, {"code_url": "w" * 501}])
def test_an_order_without_a_code_is_no_order(gate: HTTPServer, content: dict[str, Any]) -> None:
    says(gate, NATIVE, signed(content), method="POST")
    assert outside(lambda: WechatPay().start(ATTEMPT, keys_for(gate), Gateway())) == FORGED


def test_an_order_in_the_app_gives_signed_parameters(gate: HTTPServer) -> None:
    says(gate, JSAPI, signed({"prepay_id": "wx201410272009395522657a690389285100"}), method="POST")
    attempt, keys = (
        replace(ATTEMPT, openid="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"),
        keys_for(gate, trade_type="jsapi"),
    )
    found = dict(WechatPay().start_in_app(attempt, keys, Gateway()))
    assert sent(gate)["payer"] == {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}
    said = [found["appId"], found["timeStamp"], f"{found['nonceStr']}\n{found['package']}"]
    assert rsa_verify(*said, found["paySign"], rsa_key("merchant").public_key())
    assert (found["appId"], found["signType"]) == (APPID, "RSA")
    assert found["package"] == "prepay_id=wx201410272009395522657a690389285100"


def test_an_order_in_the_app_needs_the_buyer_and_the_account(gate: HTTPServer) -> None:
    attempt = replace(ATTEMPT, openid="o1")
    for asked, keys in ((ATTEMPT, keys_for(gate, trade_type="jsapi")), (attempt, keys_for(gate))):
        code, _retryable, _known = outside(lambda a=asked, k=keys: WechatPay().start_in_app(a, k, Gateway()))  # type: ignore[misc]
        assert code == "provider_misconfigured"
    assert gate.log == []


# Asking


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("SUCCESS", TradeState.PAID),
        ("REFUND", TradeState.PAID),
        ("NOTPAY", TradeState.PENDING),
        ("USERPAYING", TradeState.PENDING),
        ("PAYERROR", TradeState.PENDING),
        ("CLOSED", TradeState.CLOSED),
        ("REVOKED", TradeState.CLOSED),
        ("SOMETHING_NEW", TradeState.UNKNOWN),
    ],
)
def test_the_states_of_a_trade(gate: HTTPServer, state: str, expected: TradeState) -> None:
    says(gate, TRADE, signed(trade(trade_state=state)))
    answer = query(gate)
    assert (answer.state, answer.amount, answer.provider_reference, answer.refunded_total) == (
        expected,
        Decimal("266.40"),
        "4200002345202611221234567890",
        None,
    )
    assert answer.paid_at == datetime(2026, 11, 22, 6, 2, 9, tzinfo=UTC)
    assert gate.log[0][0].query_string == f"mchid={MCHID}".encode()


def test_an_unpaid_trade_has_no_amount(gate: HTTPServer) -> None:
    says(
        gate, TRADE, signed(trade(trade_state="NOTPAY", amount=None, transaction_id=None, success_time=None))
    )
    answer = query(gate)
    assert (answer.state, answer.amount, answer.provider_reference) == (TradeState.PENDING, None, "")


@pytest.mark.parametrize(
    "code", ["ORDER_NOT_EXIST", "ORDERNOTEXIST", "ORDER_NOT_EXISTS", "RESOURCE_NOT_EXISTS"]
)
def test_an_unknown_order_is_not_found(gate: HTTPServer, code: str) -> None:
    says(gate, TRADE, no(code, 404))
    assert query(gate).state is TradeState.NOT_FOUND


@pytest.mark.parametrize(
    "changes",
    [
        {"out_trade_no": "OTHER"},
        {"mchid": "1900000002"},
        {"appid": "wx0000000000000002"},
        {"sub_mchid": "1900000109"},
        {"amount": {"total": "26640"}},
        {"amount": {"payer_total": 26640}},
        {"amount": None},
    ],
)
def test_an_answer_about_something_else_is_none(gate: HTTPServer, changes: dict[str, Any]) -> None:
    says(gate, TRADE, signed(trade(**changes)))
    assert outside(lambda: query(gate)) == FORGED


# Answers that prove nothing


@pytest.mark.parametrize(
    "answer",
    [
        lambda: unsigned(trade()),
        lambda: unsigned(trade(), headers={"Wechatpay-Signature": "WECHATPAY/SIGNTEST/x"}),
        lambda: signed(trade(), by=By("stranger")),
        lambda: signed(trade(), by=By("platform", "1" * 40)),
        lambda: signed(trade(), late=timedelta(seconds=301)),
        lambda: signed(trade(), late=timedelta(seconds=-320)),
        lambda: signed(trade(), status=202),
        lambda: signed([1]),
        lambda: unsigned({"code": "ORDER_NOT_EXIST"}, status=404, headers={"Wechatpay-Signature": "AAAA"}),
    ],
)
def test_an_answer_without_a_good_signature_says_nothing(
    gate: HTTPServer, answer: Callable[[], HttpResponse]
) -> None:
    says(gate, TRADE, answer())
    assert outside(lambda: query(gate)) == FORGED


def test_an_answer_moved_from_another_call_says_nothing(gate: HTTPServer) -> None:
    good = signed(trade())
    moved = HttpResponse(json.dumps(trade(trade_state="NOTPAY")), headers=good.headers)
    says(gate, TRADE, moved)
    assert outside(lambda: query(gate)) == FORGED


def test_both_kinds_of_key_sign_answers(gate: HTTPServer) -> None:
    says(gate, TRADE, signed(trade(), by=PUBLIC_KEY))
    assert query(gate).state is TradeState.PAID


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda: no("SYSTEM_ERROR", 500), ("provider_error", True, False)),
        (lambda: no("SYSTEM_ERROR", 400), ("provider_error", True, False)),
        (lambda: unsigned("bad gateway", status=502), ("provider_error", True, False)),
        (lambda: unsigned({}, status=302), ("provider_error", True, False)),
        (lambda: no("FREQUENCY_LIMITED", 429), ("provider_busy", True, True)),
        (lambda: no("RATELIMIT_EXCEED", 403), ("provider_busy", True, True)),
        (lambda: unsigned("<html>", status=404), ("provider_http_error", True, True)),
        (lambda: no("SIGN_ERROR", 401), ("provider_misconfigured", False, True)),
        (lambda: no("NO_AUTH", 403), ("provider_misconfigured", False, True)),
        (lambda: no("PARAM_ERROR", 400), ("provider_misconfigured", False, True)),
        (lambda: no("TRADE_ERROR", 403), ("provider_refused", False, True)),
    ],
)
def test_what_a_refusal_says_about_the_outcome(
    gate: HTTPServer, answer: Callable[[], HttpResponse], expected: tuple[str, bool, bool]
) -> None:
    says(gate, TRADE, answer())
    assert outside(lambda: query(gate)) == expected


def test_silence_leaves_the_outcome_open_and_nobody_there_does_not(gate: HTTPServer) -> None:
    def late(_request: Request) -> HttpResponse:
        time.sleep(0.4)
        return signed(trade())

    gate.expect_request(REFUNDS, method="POST").respond_with_handler(late)
    quick = Gateway(read=0.1)
    assert outside(lambda: WechatPay().refund(ORDER, keys_for(gate), quick)) == (
        "provider_timeout",
        True,
        False,
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    assert outside(lambda: WechatPay().query(ATTEMPT, account(gateway_url=url), Gateway())) == (
        "provider_unreachable",
        True,
        True,
    )


def test_an_unusable_key_of_ours_calls_nobody(gate: HTTPServer) -> None:
    assert outside(lambda: query(gate, merchant_private_key="junk"))[0] == "provider_misconfigured"
    assert gate.log == []
