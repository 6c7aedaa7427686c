"""Our requests to a provider of the webhook form, and its account; the standardwebhooks package is the oracle."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from standardwebhooks.webhooks import Webhook as Oracle

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway
from payments.providers.registry import PROVIDERS, get_provider, provider_choices
from payments.providers.responses import NotificationResponse
from payments.providers.types import (
    AccountKeys,
    Attempt,
    PaymentPage,
    RefundInstruction,
    RefundResult,
    RefundState,
    TradeResult,
    TradeState,
)
from payments.providers.webhook.adapter import Webhook
from payments.providers.webhook.tests.messages import (
    DATA,
    NOW,
    PREVIOUS,
    REFERENCE,
    SECRET,
    STRANGER,
    account,
)

ATTEMPT = Attempt(
    reference=REFERENCE,
    amount=Decimal("266.40"),
    subject="订单 20261122-7F3K-0042",
    created_at=NOW,
    expires_at=NOW + timedelta(minutes=30),
    notify_url="https://shop.example/notify/webhook/demo-webhook/",
    return_url="https://shop.example/pay/return/1/",
)
ORDER = RefundInstruction(
    reference=REFERENCE,
    refund_reference="R1",
    amount=Decimal("88.80"),
    payment_amount=Decimal("88.80"),
    requested_at=datetime(2026, 11, 22, tzinfo=UTC),
    reason="退货",
)


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1") as running:
        yield running


def calling(server: HTTPServer, response: object, status: int = 200) -> AccountKeys:
    """An account whose four URLs give this response."""
    text = response if isinstance(response, str) else json.dumps(response)
    server.expect_request("/x", method="POST").respond_with_data(text, status=status)
    return account(**dict.fromkeys(("pay_url", "query_url", "close_url", "refund_url"), server.url_for("/x")))


def sent(server: HTTPServer) -> Any:
    """The body of the only request, after the oracle has checked its signature."""
    ((request, _response),) = server.log
    return Oracle(SECRET).verify(request.get_data(), dict(request.headers))


def described(**changes: Any) -> dict[str, Any]:
    return {**DATA, "status": "succeeded", "refunded_amount": "0.00", **changes}


def outside_error(provoke: Callable[[], object]) -> tuple[str, bool, bool]:
    with pytest.raises(OutsideError) as caught:
        provoke()
    assert SECRET not in str(caught.value)
    return caught.value.code, caught.value.retryable, caught.value.outcome_known


def test_start_requests_a_pay_url(server: HTTPServer) -> None:
    keys = calling(server, {"pay_url": "http://127.0.0.1:8900/webhook/cashier/abc"})
    assert Webhook().start(ATTEMPT, keys, Gateway()).pay_url == "http://127.0.0.1:8900/webhook/cashier/abc"
    assert sent(server) == {
        "reference": REFERENCE,
        "amount": "266.40",
        "currency": "CNY",
        "subject": "订单 20261122-7F3K-0042",
        "expires_at": "2026-11-22T06:32:12+00:00",
        "notify_url": ATTEMPT.notify_url,
        "return_url": ATTEMPT.return_url,
    }


def test_account_without_urls_can_do_nothing() -> None:
    provider, keys = Webhook(), account()
    assert provider.start(ATTEMPT, keys, Gateway()) == PaymentPage()
    assert (provider.can_query(keys), provider.can_close(keys), provider.can_refund(keys)) == (
        False,
        False,
        False,
    )


@pytest.mark.parametrize("pay_url", ["javascript:alert(1)", "http://evil.example/", "", None, 7])
def test_unsafe_pay_url_is_an_error(server: HTTPServer, pay_url: object) -> None:
    keys = calling(server, {"pay_url": pay_url})
    assert outside_error(lambda: Webhook().start(ATTEMPT, keys, Gateway()))[0] == "provider_answer_refused"


def test_query_of_a_paid_trade(server: HTTPServer) -> None:
    keys = calling(server, described())
    found = Webhook().query(ATTEMPT, keys, Gateway())
    assert found == TradeResult(
        state=TradeState.PAID,
        provider_reference="pay_981",
        amount=Decimal("266.40"),
        paid_at=datetime(2026, 11, 22, 6, 2, 9, tzinfo=UTC),
        refunded_total=Decimal("0.00"),
        raw=json.dumps(described()),
    )
    assert sent(server) == {"reference": REFERENCE}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", TradeState.PENDING),
        ("closed", TradeState.CLOSED),
        ("refunded", TradeState.REFUNDED),
        ("strange", TradeState.UNKNOWN),
    ],
)
def test_trade_states(server: HTTPServer, status: str, state: TradeState) -> None:
    keys = calling(server, described(status=status, paid_at=None))
    assert Webhook().close(ATTEMPT, keys, Gateway()).state is state


def test_not_found(server: HTTPServer) -> None:
    keys = calling(server, {"reference": REFERENCE, "status": "not_found"})
    assert Webhook().query(ATTEMPT, keys, Gateway()).state is TradeState.NOT_FOUND


@pytest.mark.parametrize(
    "response",
    [
        described(reference="ANOTHER"),
        described(amount=None),
        described(amount="1e2"),
        described(amount=266.4),
        described(paid_at="soon"),
    ],
)
def test_unusable_response_is_an_error(server: HTTPServer, response: object) -> None:
    keys = calling(server, response)
    assert outside_error(lambda: Webhook().query(ATTEMPT, keys, Gateway())) == (
        "provider_answer_refused",
        True,
        False,
    )


@pytest.mark.parametrize(
    "response", ["", "[]", '{"reference":"7F3K2026112200420001","status":"closed","status":"pending"}']
)
def test_unreadable_response_is_an_error(server: HTTPServer, response: str) -> None:
    keys = calling(server, response)
    assert outside_error(lambda: Webhook().query(ATTEMPT, keys, Gateway())) == (
        "provider_answer_unreadable",
        True,
        False,
    )


def test_refusal_in_gbk_is_read(server: HTTPServer) -> None:
    text = '{"status":"failed","refund_reference":"R1","detail":"余额不足"}'
    server.expect_request("/x").respond_with_data(text.encode("gbk"), content_type="application/json")
    found = Webhook().refund(ORDER, account(refund_url=server.url_for("/x")), Gateway())
    assert (found.state, found.detail) == (RefundState.FAILED, "余额不足")


@pytest.mark.parametrize(("secret", "good"), [(SECRET, True), (STRANGER, False)])
def test_signature_of_a_response_must_be_good(server: HTTPServer, secret: str, good: bool) -> None:
    text, at = json.dumps(described()), datetime.now(UTC)
    server.expect_request("/x").respond_with_data(
        text,
        headers={
            "webhook-id": "msg_9",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Oracle(secret).sign("msg_9", at, text),
        },
    )
    keys = account(query_url=server.url_for("/x"))
    if good:
        assert Webhook().query(ATTEMPT, keys, Gateway()).state is TradeState.PAID
    else:
        assert (
            outside_error(lambda: Webhook().query(ATTEMPT, keys, Gateway()))[0] == "provider_answer_refused"
        )


@pytest.mark.parametrize(
    ("status", "known"), [(500, False), (302, False), (404, True), (401, True), (429, False)]
)
def test_http_errors(server: HTTPServer, status: int, known: bool) -> None:
    keys = calling(server, described(), status)
    assert outside_error(lambda: Webhook().query(ATTEMPT, keys, Gateway())) == (
        "provider_http_error",
        True,
        known,
    )


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("succeeded", RefundState.SUCCEEDED),
        ("processing", RefundState.PROCESSING),
        ("failed", RefundState.FAILED),
        ("not_found", RefundState.NOT_DONE),
    ],
)
def test_refund(server: HTTPServer, status: str, state: RefundState) -> None:
    response = {"status": status, "refund_reference": "R1", "amount": "88.80"}
    keys = calling(server, response)
    assert Webhook().refund(ORDER, keys, Gateway()) == RefundResult(
        state=state, refund_reference="R1", amount=Decimal("88.80"), raw=json.dumps(response)
    )
    assert sent(server) == {
        "reference": REFERENCE,
        "refund_reference": "R1",
        "amount": "88.80",
        "reason": "退货",
    }


@pytest.mark.parametrize("response", [{"status": "succeeded"}, {"status": "x", "refund_reference": "R1"}, {}])
def test_response_about_another_refund(server: HTTPServer, response: dict[str, str]) -> None:
    keys = calling(server, response)
    assert outside_error(lambda: Webhook().query_refund(ORDER, keys, Gateway())) == (
        "provider_answer_refused",
        True,
        False,
    )


# Responses, self-check, registry


def test_responses() -> None:
    assert Webhook().success() == NotificationResponse(204, "application/json", b"")
    response = Webhook().failure("bad_signature")
    assert (response.status, response.content_type) == (400, "application/json")
    assert json.loads(response.body)["code"] == "bad_signature"
    assert Webhook().failure("unavailable").status == 503


@pytest.mark.parametrize(
    ("secrets", "config", "problems"),
    [
        ({"secret": SECRET}, {}, 0),
        ({"secret": SECRET, "previous_secrets": [PREVIOUS]}, {"pay_url": "https://a.example/pay"}, 0),
        ({}, {}, 1),
        ({"secret": "whsec_c2hvcnQ="}, {}, 1),
        ({"secret": SECRET.removeprefix("whsec_")}, {}, 1),
        ({"secret": SECRET, "previous_secrets": ["x"]}, {}, 1),
        ({"secret": SECRET}, {"query_url": "http://a.example/", "close_url": "x"}, 2),
    ],
)
def test_self_check(secrets: dict[str, Any], config: dict[str, str], problems: int) -> None:
    found = Webhook().check(AccountKeys("webhook", "x", config, secrets, "1"))
    assert len(found) == problems
    assert not any("c2hvcnQ" in problem for problem in found)


def test_the_registry_knows_all() -> None:
    assert sorted(PROVIDERS) == ["alipay", "unionpay", "webhook", "wechatpay"]
    assert get_provider("webhook").name == "webhook"
    assert dict(provider_choices()).keys() == PROVIDERS.keys()
    with pytest.raises(Exception, match="unknown_provider"):
        get_provider("paypal")
