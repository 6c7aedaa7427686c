"""Our calls to WeChat Pay, over real HTTP to a stand-in that checks and signs with wechatpayv3."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from wechatpayv3.utils import rsa_verify
from werkzeug import Request
from werkzeug import Response as HttpResponse

from ordersite.lib.errors import OutsideError
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
    outside_error,
    refusal,
    respond,
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
    Signer,
    account,
    certificate,
    hex_serial,
    rsa_key,
)


def query(server: HTTPServer, **changes: Any) -> TradeResult:
    return WechatPay().query(ATTEMPT, keys_for(server, **changes), Gateway())


# Starting


def test_native_order_has_a_code_url(server: HTTPServer) -> None:
    respond(server, NATIVE, signed({"code_url": "weixin://wxpay/bizpayurl?pr=p4lpSuKzz"}), method="POST")
    started = WechatPay().start(ATTEMPT, keys_for(server), Gateway())
    assert (started.code_url, started.pay_url) == ("weixin://wxpay/bizpayurl?pr=p4lpSuKzz", "")
    assert sent(server) == {
        "appid": APPID,
        "mchid": MCHID,
        "description": "订单 20261122-7F3K/0042",
        "out_trade_no": REFERENCE,
        "time_expire": "2026-11-22T14:31:40+08:00",
        "notify_url": "https://shop.example/notify/wechatpay/demo-wechatpay/",
        "amount": {"total": 26640, "currency": "CNY"},
    }
    assert server.log[0][0].headers["Wechatpay-Serial"] == PUBLIC_KEY_ID
    assert server.log[0][0].headers["Content-Type"] == "application/json"


def test_long_subject_is_cut_between_characters(server: HTTPServer) -> None:
    respond(server, NATIVE, signed({"code_url": "weixin://x"}), method="POST")
    for subject in ("杯" * 100, ""):
        WechatPay().start(replace(ATTEMPT, subject=subject), keys_for(server), Gateway())
    assert [sent(server, number)["description"] for number in (0, 1)] == ["杯" * 42, REFERENCE]


def test_no_key_id_header_without_public_key(server: HTTPServer) -> None:
    respond(server, NATIVE, signed({"code_url": "weixin://x"}), method="POST")
    keys = keys_for(server, platform_keys={hex_serial(): certificate()})
    WechatPay().start(ATTEMPT, keys, Gateway())
    assert "Wechatpay-Serial" not in server.log[0][0].headers


def test_path_of_the_base_url_is_signed(server: HTTPServer) -> None:
    respond(server, f"/wechatpay{NATIVE}", signed({"code_url": "weixin://x"}), method="POST")
    keys = account(gateway_url=server.url_for("/wechatpay/"))
    assert WechatPay().start(ATTEMPT, keys, Gateway()).code_url == "weixin://x"


@pytest.mark.parametrize("content", [{}, {"code_url": ""}, {"code_url": 5}, {"code_url": "w" * 501}])
def test_missing_code_url_is_an_error(server: HTTPServer, content: dict[str, Any]) -> None:
    respond(server, NATIVE, signed(content), method="POST")
    assert outside_error(lambda: WechatPay().start(ATTEMPT, keys_for(server), Gateway())) == FORGED


def test_jsapi_order_has_signed_parameters(server: HTTPServer) -> None:
    respond(server, JSAPI, signed({"prepay_id": "wx201410272009395522657a690389285100"}), method="POST")
    attempt, keys = (
        replace(ATTEMPT, openid="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"),
        keys_for(server, trade_type="jsapi"),
    )
    found = dict(WechatPay().start_in_app(attempt, keys, Gateway()))
    assert sent(server)["payer"] == {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}
    signed_lines = [found["appId"], found["timeStamp"], f"{found['nonceStr']}\n{found['package']}"]
    assert rsa_verify(*signed_lines, found["paySign"], rsa_key("merchant").public_key())
    assert (found["appId"], found["signType"]) == (APPID, "RSA")
    assert found["package"] == "prepay_id=wx201410272009395522657a690389285100"


def test_jsapi_order_needs_openid_and_trade_type(server: HTTPServer) -> None:
    attempt = replace(ATTEMPT, openid="o1")
    for unfit, keys in ((ATTEMPT, keys_for(server, trade_type="jsapi")), (attempt, keys_for(server))):
        start = partial(WechatPay().start_in_app, unfit, keys, Gateway())
        assert outside_error(start)[0] == "provider_misconfigured"
    assert server.log == []


# Queries


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
def test_trade_states(server: HTTPServer, state: str, expected: TradeState) -> None:
    respond(server, TRADE, signed(trade(trade_state=state)))
    response = query(server)
    assert (response.state, response.amount, response.provider_reference, response.refunded_total) == (
        expected,
        Decimal("266.40"),
        "4200002345202611221234567890",
        None,
    )
    assert response.paid_at == datetime(2026, 11, 22, 6, 2, 9, tzinfo=UTC)
    assert server.log[0][0].query_string == f"mchid={MCHID}".encode()


def test_unpaid_trade_has_no_amount(server: HTTPServer) -> None:
    respond(
        server,
        TRADE,
        signed(trade(trade_state="NOTPAY", amount=None, transaction_id=None, success_time=None)),
    )
    response = query(server)
    assert (response.state, response.amount, response.provider_reference) == (TradeState.PENDING, None, "")


@pytest.mark.parametrize(
    "code", ["ORDER_NOT_EXIST", "ORDERNOTEXIST", "ORDER_NOT_EXISTS", "RESOURCE_NOT_EXISTS"]
)
def test_unknown_order_is_not_found(server: HTTPServer, code: str) -> None:
    respond(server, TRADE, refusal(code, 404))
    assert query(server).state is TradeState.NOT_FOUND


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
def test_response_about_another_trade(server: HTTPServer, changes: dict[str, Any]) -> None:
    respond(server, TRADE, signed(trade(**changes)))
    assert outside_error(lambda: query(server)) == FORGED


# Untrusted responses


@pytest.mark.parametrize(
    "response",
    [
        lambda: unsigned(trade()),
        lambda: unsigned(trade(), headers={"Wechatpay-Signature": "WECHATPAY/SIGNTEST/x"}),
        lambda: signed(trade(), by=Signer("stranger")),
        lambda: signed(trade(), by=Signer("platform", "1" * 40)),
        lambda: signed(trade(), late=timedelta(seconds=301)),
        lambda: signed(trade(), late=timedelta(seconds=-320)),
        lambda: signed(trade(), status=202),
        lambda: unsigned({"code": "ORDER_NOT_EXIST"}, status=404, headers={"Wechatpay-Signature": "AAAA"}),
    ],
)
def test_badly_signed_response_is_an_error(server: HTTPServer, response: Callable[[], HttpResponse]) -> None:
    respond(server, TRADE, response())
    assert outside_error(lambda: query(server)) == FORGED


def test_unreadable_response_is_an_error(server: HTTPServer) -> None:
    respond(server, TRADE, signed([1]))
    assert outside_error(lambda: query(server)) == ("provider_answer_unreadable", True, False)


@pytest.mark.parametrize("declared", ["application/json; charset=GBK", "application/json"])
def test_refusal_in_gbk_is_read(server: HTTPServer, declared: str) -> None:
    body = '{"code":"TRADE_ERROR","message":"同一笔单的微信订单号无法支付"}'.encode("gbk")
    respond(server, TRADE, HttpResponse(body, status=403, content_type=declared))
    with pytest.raises(OutsideError, match="TRADE_ERROR 同一笔单的微信订单号无法支付") as caught:
        query(server)
    assert caught.value.code == "provider_refused"


def test_response_moved_from_another_call(server: HTTPServer) -> None:
    good = signed(trade())
    moved = HttpResponse(json.dumps(trade(trade_state="NOTPAY")), headers=good.headers)
    respond(server, TRADE, moved)
    assert outside_error(lambda: query(server)) == FORGED


def test_both_kinds_of_key_sign_responses(server: HTTPServer) -> None:
    respond(server, TRADE, signed(trade(), by=PUBLIC_KEY))
    assert query(server).state is TradeState.PAID


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (lambda: refusal("SYSTEM_ERROR", 500), ("provider_error", True, False)),
        (lambda: refusal("SYSTEM_ERROR", 400), ("provider_error", True, False)),
        (lambda: unsigned("bad gateway", status=502), ("provider_error", True, False)),
        (lambda: unsigned({}, status=302), ("provider_error", True, False)),
        (lambda: refusal("FREQUENCY_LIMITED", 429), ("provider_busy", True, True)),
        (lambda: refusal("RATELIMIT_EXCEED", 403), ("provider_busy", True, True)),
        (lambda: unsigned("<html>", status=404), ("provider_http_error", True, True)),
        (lambda: refusal("SIGN_ERROR", 401), ("provider_misconfigured", False, True)),
        (lambda: refusal("NO_AUTH", 403), ("provider_misconfigured", False, True)),
        (lambda: refusal("PARAM_ERROR", 400), ("provider_misconfigured", False, True)),
        (lambda: refusal("TRADE_ERROR", 403), ("provider_refused", False, True)),
    ],
)
def test_refusals_and_outcome_known(
    server: HTTPServer, response: Callable[[], HttpResponse], expected: tuple[str, bool, bool]
) -> None:
    respond(server, TRADE, response())
    assert outside_error(lambda: query(server)) == expected


def test_timeout_and_connection_refused(server: HTTPServer) -> None:
    def late(_request: Request) -> HttpResponse:
        time.sleep(0.4)
        return signed(trade())

    server.expect_request(REFUNDS, method="POST").respond_with_handler(late)
    quick = Gateway(read=0.1)
    assert outside_error(lambda: WechatPay().refund(ORDER, keys_for(server), quick)) == (
        "provider_timeout",
        True,
        False,
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    assert outside_error(lambda: WechatPay().query(ATTEMPT, account(gateway_url=url), Gateway())) == (
        "provider_unreachable",
        True,
        True,
    )


def test_unusable_key_sends_nothing(server: HTTPServer) -> None:
    assert outside_error(lambda: query(server, merchant_private_key="junk"))[0] == "provider_misconfigured"
    assert server.log == []
