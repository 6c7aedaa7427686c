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
from payments.providers.alipay.tests.messages import account, key_pair, response, sdk, signed_text
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


def keys_for(server: HTTPServer) -> AccountKeys:
    return account(gateway_url=server.url_for("/gateway.do"))


def node(**fields: object) -> str:
    return json.dumps(
        {"code": "10000", "msg": "Success", "out_trade_no": REFERENCE, **fields}, ensure_ascii=False
    )


def refusal(sub_code: str, code: str = "40004") -> str:
    return json.dumps({"code": code, "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "说明"})


def replies(
    server: HTTPServer,
    *texts: str | bytes,
    status: int = 200,
    content_type: str = "text/html;charset=utf-8",
) -> None:
    """Give these responses to the gateway's requests, in this order."""
    for text in texts:
        server.expect_ordered_request("/gateway.do", method="POST").respond_with_data(
            text, status=status, content_type=content_type
        )


def sent(server: HTTPServer, number: int = 0) -> dict[str, str]:
    """The parameters of a request that the stand-in got, after its signature was checked by the SDK."""
    request = server.log[number][0]
    return checked(f"{request.query_string.decode()}&{request.get_data().decode()}")


def checked(form: str) -> dict[str, str]:
    pairs = parse_qsl(form, keep_blank_values=True, strict_parsing=True)
    params = dict(pairs)
    assert len(params) == len(pairs)
    sign = params.pop("sign")
    assert sdk()._verify(signed_text(params), sign)
    return params


def outside_error(provoke) -> OutsideError:  # type: ignore[no-untyped-def]
    with pytest.raises(OutsideError) as caught:
        provoke()
    return caught.value


@time_machine.travel(datetime(2026, 11, 22, 6, 1, 40, tzinfo=UTC), tick=False)
def test_pay_url_is_signed_and_has_our_expiry() -> None:
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


def test_unusable_key_starts_nothing() -> None:
    error = outside_error(lambda: Alipay().start(ATTEMPT, account(app_private_key="junk"), Gateway()))
    assert (error.code, error.retryable, error.outcome_known) == ("provider_misconfigured", False, True)
    assert "junk" not in str(error)


def test_paid_trade(server: HTTPServer) -> None:
    text = node(
        trade_no=TRADE,
        trade_status="TRADE_SUCCESS",
        total_amount="266.40",
        send_pay_date="2026-11-22 14:02:09",
        store_name='"}, "sign":"x',
    )
    replies(server, response(QUERY, text))
    assert Alipay().query(ATTEMPT, keys_for(server), Gateway()) == TradeResult(
        state=TradeState.PAID,
        provider_reference=TRADE,
        amount=Decimal("266.40"),
        paid_at=datetime(2026, 11, 22, 6, 2, 9, tzinfo=UTC),
        raw=text,
    )
    params = sent(server)
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
def test_trade_states(
    server: HTTPServer, fields: dict[str, str], state: TradeState, refunded: Decimal | None
) -> None:
    replies(server, response(QUERY, node(total_amount="266.40", **fields)))
    found = Alipay().query(ATTEMPT, keys_for(server), Gateway())
    assert (found.state, found.refunded_total) == (state, refunded)


@pytest.mark.parametrize("signed", [True, False])
def test_unknown_trade_is_not_found(server: HTTPServer, signed: bool) -> None:
    text = refusal("ACQ.TRADE_NOT_EXIST")
    replies(server, response(QUERY, text) if signed else f'{{"alipay_trade_query_response":{text}}}')
    assert Alipay().query(ATTEMPT, keys_for(server), Gateway()) == TradeResult(
        state=TradeState.NOT_FOUND, raw=text
    )


PAID = node(trade_no=TRADE, trade_status="TRADE_SUCCESS", total_amount="266.40")


@pytest.mark.parametrize(
    "text",
    [
        f'{{"alipay_trade_query_response":{PAID}}}',
        response(QUERY, PAID, signer="stranger"),
        response(QUERY, PAID).replace("266.40", "266.41"),
        response(QUERY, PAID).replace(": ", ":"),
        response(QUERY, PAID).replace('"sign":"', '"sign":"A'),
        response(QUERY, PAID).replace('"sign":"', '"sign":null,"x":"'),
        response(QUERY, PAID).replace('"sign":"', '"sign":7,"x":"'),
        response(CLOSE, PAID),
        response(QUERY, refusal("ACQ.TRADE_NOT_EXIST"), signer="stranger"),
        response(QUERY, node(trade_status="TRADE_SUCCESS", total_amount="1e2")),
        response(QUERY, node(trade_status="TRADE_SUCCESS")),
        response(QUERY, node(trade_status="TRADE_SUCCESS", total_amount="266.40", out_trade_no="ANOTHER")),
        "{}",
    ],
)
def test_untrusted_response_is_an_error(server: HTTPServer, text: str) -> None:
    replies(server, text)
    error = outside_error(lambda: Alipay().query(ATTEMPT, keys_for(server), Gateway()))
    assert (error.code, error.retryable, error.outcome_known) == ("provider_answer_refused", True, False)


@pytest.mark.parametrize(
    "text",
    [
        response(QUERY, PAID[:-1] + ',"code":"10000"}'),
        response(QUERY, "[" * 100_000 + "]" * 100_000),
        "",
        "<html>",
        "[]",
        '{"alipay_trade_query_response":"x"}',
        "null",
        b"\xff\xfe\x00{}",
        '{"error_response":{"code":"40002","sub_msg":"验签出错"}}'.encode("utf-16"),
    ],
)
def test_unreadable_response_is_an_error(server: HTTPServer, text: str | bytes) -> None:
    replies(server, text)
    error = outside_error(lambda: Alipay().query(ATTEMPT, keys_for(server), Gateway()))
    assert (error.code, error.retryable, error.outcome_known) == ("provider_answer_unreadable", True, False)


def test_unreadable_response_shows_its_bytes(server: HTTPServer) -> None:
    replies(server, b"\xff\xfe\x00 nothing")
    error = outside_error(lambda: Alipay().query(ATTEMPT, keys_for(server), Gateway()))
    assert "is in no known character set: \\xff\\xfe\\x00 nothing" in str(error)


GBK = "text/html;charset=GBK"


@pytest.mark.parametrize(
    "declared", [GBK, "text/html;charset=utf-8", "text/html;charset=ISO-8859-1", "text/html"]
)
@pytest.mark.parametrize("signed", [True, False])
def test_refusal_in_gbk_is_read(server: HTTPServer, declared: str, signed: bool) -> None:
    text = refusal("ACQ.SELLER_BALANCE_NOT_ENOUGH").replace("\\u8bf4\\u660e", "卖家余额不足")
    body = response(REFUND, text, charset="gbk") if signed else f'{{"error_response":{text}}}'
    replies(server, body.encode("gbk"), content_type=declared)
    found = Alipay().refund(ORDER, keys_for(server), Gateway())
    assert (found.state, found.detail) == (
        RefundState.FAILED,
        "ACQ.SELLER_BALANCE_NOT_ENOUGH 卖家余额不足",
    )


def test_signature_covers_the_bytes_in_gbk(server: HTTPServer) -> None:
    text = node(trade_no=TRADE, trade_status="TRADE_SUCCESS", total_amount="266.40", store_name="旗舰店\\")
    genuine = response(QUERY, text, charset="gbk").encode("gbk")
    replies(server, genuine, genuine.replace("旗舰".encode("gbk"), "旗帜".encode("gbk")), content_type=GBK)
    assert Alipay().query(ATTEMPT, keys_for(server), Gateway()).state is TradeState.PAID
    error = outside_error(lambda: Alipay().query(ATTEMPT, keys_for(server), Gateway()))
    assert error.code == "provider_answer_refused"


def test_utf8_declared_as_gbk_is_read(server: HTTPServer) -> None:
    text = json.dumps({"code": "40004", "sub_code": "ACQ.X", "sub_msg": "卖家余额不足"}, ensure_ascii=False)
    replies(server, f'{{"error_response":{text}}}', content_type=GBK)
    assert Alipay().refund(ORDER, keys_for(server), Gateway()).detail == "ACQ.X 卖家余额不足"


COMMON_NAMES = ["app_id", "method", "format", "charset", "sign_type", "timestamp", "version", "sign"]


@pytest.mark.parametrize("own_query", ["", "?charset=gbk", "?tenant=7"])
def test_common_parameters_stand_in_the_url(server: HTTPServer, own_query: str) -> None:
    replies(server, response(QUERY, PAID))
    keys = account(gateway_url=server.url_for("/gateway.do") + own_query)
    Alipay().query(ATTEMPT, keys, Gateway())
    request = server.log[0][0]
    in_url = parse_qsl(request.query_string.decode())
    kept = ["tenant"] if own_query == "?tenant=7" else []
    assert [name for name, _value in in_url] == kept + COMMON_NAMES
    assert ("charset", "utf-8") in in_url
    assert [name for name, _value in parse_qsl(request.get_data().decode())] == ["biz_content"]


@pytest.mark.parametrize(
    ("text", "code", "retryable", "known"),
    [
        (refusal("isp.unknow-error", "20000"), "provider_error", True, False),
        (refusal("ACQ.SYSTEM_ERROR"), "provider_error", True, False),
        (refusal("isv.invalid-signature", "40002"), "provider_misconfigured", False, True),
        (refusal("ACQ.INVALID_PARAMETER"), "provider_refused", False, True),
    ],
)
@pytest.mark.parametrize("name", ["alipay_trade_query_response", "error_response"])
def test_error_codes(  # noqa: PLR0913
    server: HTTPServer, name: str, text: str, code: str, retryable: bool, known: bool
) -> None:
    replies(server, f'{{"{name}":{text}}}')
    error = outside_error(lambda: Alipay().query(ATTEMPT, keys_for(server), Gateway()))
    assert (error.code, error.retryable, error.outcome_known) == (code, retryable, known)


@pytest.mark.parametrize(
    ("status", "known"), [(500, False), (502, False), (302, False), (404, True), (429, False)]
)
def test_http_errors(server: HTTPServer, status: int, known: bool) -> None:
    replies(server, response(QUERY, PAID), status=status)
    error = outside_error(lambda: Alipay().query(ATTEMPT, keys_for(server), Gateway()))
    assert (error.code, error.retryable, error.outcome_known) == ("provider_http_error", True, known)


def test_close(server: HTTPServer) -> None:
    text = node(trade_no=TRADE)
    replies(server, response(CLOSE, text))
    found = Alipay().close(ATTEMPT, keys_for(server), Gateway())
    assert found == TradeResult(state=TradeState.CLOSED, provider_reference=TRADE, raw=text)
    assert sent(server)["method"] == CLOSE


def test_close_of_an_unopened_trade(server: HTTPServer) -> None:
    replies(server, response(CLOSE, refusal("ACQ.TRADE_NOT_EXIST")))
    assert Alipay().close(ATTEMPT, keys_for(server), Gateway()).state is TradeState.NOT_FOUND


@pytest.mark.parametrize("sub_code", ["ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_STATUS_ERROR"])
def test_late_close_queries(server: HTTPServer, sub_code: str) -> None:
    replies(server, response(CLOSE, refusal(sub_code)), response(QUERY, PAID))
    found = Alipay().close(ATTEMPT, keys_for(server), Gateway())
    assert (found.state, found.amount) == (TradeState.PAID, Decimal("266.40"))
    assert sent(server, 1)["method"] == QUERY


def test_refund_with_fund_change(server: HTTPServer) -> None:
    text = node(trade_no=TRADE, fund_change="Y", refund_fee="100.00")
    replies(server, response(REFUND, text))
    assert Alipay().refund(ORDER, keys_for(server), Gateway()) == RefundResult(
        state=RefundState.SUCCEEDED,
        refund_reference="R1",
        amount=Decimal("88.80"),
        refunded_total=Decimal("100.00"),
        raw=text,
    )
    assert json.loads(sent(server)["biz_content"]) == {
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
def test_repeated_refund_is_queried(server: HTTPServer, fields: dict[str, str], state: RefundState) -> None:
    replies(server, response(REFUND, node(fund_change="N")), response(REFUND_QUERY, node(**fields)))
    assert Alipay().refund(ORDER, keys_for(server), Gateway()).state is state
    assert json.loads(sent(server, 1)["biz_content"]) == {"out_trade_no": REFERENCE, "out_request_no": "R1"}


def test_refused_refund_has_alipays_text(server: HTTPServer) -> None:
    replies(server, response(REFUND, refusal("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL")))
    found = Alipay().refund(ORDER, keys_for(server), Gateway())
    assert (found.state, found.detail) == (RefundState.FAILED, "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL 说明")


def test_timeout_leaves_the_outcome_unknown(server: HTTPServer) -> None:
    server.expect_request("/gateway.do").respond_with_handler(_slowly)
    error = outside_error(lambda: Alipay().refund(ORDER, keys_for(server), Gateway(read=0.2)))
    assert (error.code, error.retryable, error.outcome_known) == ("provider_timeout", True, False)


def _slowly(_request: object) -> HttpResponse:
    time.sleep(0.6)
    return HttpResponse("late")


def test_keys_are_never_in_evidence(server: HTTPServer) -> None:
    replies(server, response(QUERY, PAID))
    assert key_pair("app")[0][40:80] not in repr(Alipay().query(ATTEMPT, keys_for(server), Gateway()))
    assert key_pair("app")[0][40:80] not in repr(keys_for(server))
