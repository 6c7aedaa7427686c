"""The documented provider: Standard Webhooks in, signed calls out; the standardwebhooks package is the oracle."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from standardwebhooks.webhooks import Webhook as Oracle

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway
from payments.providers.errors import Rejected
from payments.providers.registry import PROVIDERS, get_provider, provider_choices
from payments.providers.responses import NotificationResponse
from payments.providers.types import (
    AccountKeys,
    Attempt,
    ParsedNotification,
    PaymentPage,
    RawNotification,
    RefundInstruction,
    RefundResult,
    RefundState,
    TradeResult,
    TradeState,
    UpdateKind,
)
from payments.providers.webhook.adapter import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PREVIOUS = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
STRANGER = "whsec_c3RyYW5nZXJzdHJhbmdlcnN0cmFuZ2Vy"
NOW = datetime(2026, 11, 22, 6, 2, 12, tzinfo=UTC)
REFERENCE = "7F3K2026112200420001"
DATA: Mapping[str, Any] = {
    "reference": REFERENCE,
    "provider_reference": "pay_981",
    "amount": "266.40",
    "currency": "CNY",
    "paid_at": "2026-11-22T14:02:09+08:00",
}


def account(**config: str) -> AccountKeys:
    return AccountKeys(
        "webhook", "demo-webhook", config, {"secret": SECRET, "previous_secrets": [PREVIOUS]}, "1"
    )


def payload(kind: str = "payment.succeeded", **data: Any) -> bytes:
    message = {"type": kind, "timestamp": "2026-11-22T06:02:10Z", "data": {**DATA, **data}}
    return json.dumps(message, ensure_ascii=False).encode()


def call(
    body: bytes, *, secret: str = SECRET, at: datetime = NOW, message_id: str = "msg_1"
) -> RawNotification:
    """A call as the reference implementation signs it, received at `NOW`."""
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Oracle(secret).sign(message_id, at, body.decode()),
    }
    return RawNotification(headers, body, NOW)


def verify(raw: RawNotification) -> ParsedNotification:
    return Webhook().verify(raw, account())


def rejection(raw: RawNotification) -> str:
    with pytest.raises(Rejected) as caught:
        verify(raw)
    assert caught.value.message
    return caught.value.code


def test_a_payment_is_read_whole() -> None:
    assert verify(call(payload())) == ParsedNotification(
        event_id="msg_1",
        kind=UpdateKind.PAYMENT,
        reference=REFERENCE,
        provider_reference="pay_981",
        amount=Decimal("266.40"),
        occurred_at=datetime(2026, 11, 22, 6, 2, 9, tzinfo=UTC),
        state="payment.succeeded",
    )


def test_a_refund_has_its_own_amount() -> None:
    notice = verify(call(payload("refund.succeeded", amount="88.80", refund_reference="R1")))
    assert (notice.kind, notice.amount, notice.refund_reference) == (UpdateKind.REFUND, None, "R1")
    assert (notice.refund_amount, notice.refunded_total, notice.full_refund) == (
        Decimal("88.80"),
        None,
        False,
    )
    assert notice.occurred_at == datetime(2026, 11, 22, 6, 2, 10, tzinfo=UTC)


def test_a_refund_may_tell_the_sum() -> None:
    body = payload("refund.succeeded", amount="40.00", refund_reference="R2", refunded_amount="70.00")
    notice = verify(call(body))
    assert (notice.refund_amount, notice.refunded_total) == (Decimal("40.00"), Decimal("70.00"))


def test_a_closing() -> None:
    assert verify(call(payload("payment.closed", paid_at=None))).kind is UpdateKind.CLOSED


def test_an_event_of_a_later_version_is_kept() -> None:
    notice = verify(call(payload("dispute.opened", amount=5)))
    assert (notice.kind, notice.reference, notice.state) == (UpdateKind.OTHER, "", "dispute.opened")


def test_the_previous_secret_counts_while_it_is_kept() -> None:
    assert verify(call(payload(), secret=PREVIOUS)).reference == REFERENCE


def test_one_good_signature_among_several() -> None:
    raw = call(payload())
    other = call(payload(), secret=STRANGER).headers["webhook-signature"]
    several = f"v1a,AAAA {other} {raw.headers['webhook-signature']}"
    assert (
        verify(RawNotification({**raw.headers, "webhook-signature": several}, raw.body, NOW)).reference
        == REFERENCE
    )


@pytest.mark.parametrize("seconds", [-300, 300])
def test_five_minutes_either_way(seconds: int) -> None:
    assert verify(call(payload(), at=NOW + timedelta(seconds=seconds))).reference == REFERENCE


@pytest.mark.parametrize("seconds", [-301, 301, 86400 * 365 * 5])
def test_beyond_five_minutes(seconds: int) -> None:
    assert rejection(call(payload(), at=NOW + timedelta(seconds=seconds))) == "stale_timestamp"


@pytest.mark.parametrize(
    "amount", ["-266.40", "1e2", "NaN", "12.345", "２６６.40", "", " 1", "+1", "1,000.00", "Infinity", None]
)
def test_an_amount_that_is_none_is_taken_but_has_no_value(amount: str | None) -> None:
    assert verify(call(payload(amount=amount))).amount is None


# Forgeries


def changed(**headers: str | None) -> RawNotification:
    raw = call(payload())
    merged = {**raw.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return RawNotification(
        {name: value for name, value in merged.items() if value is not None}, raw.body, NOW
    )


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (call(payload(), secret=STRANGER), "bad_signature"),
        (RawNotification(call(payload()).headers, payload() + b" ", NOW), "bad_signature"),
        (
            RawNotification(call(payload()).headers, payload().replace(b"266.40", b"266.41"), NOW),
            "bad_signature",
        ),
        (RawNotification(call(payload()).headers, b"a" * 65537, NOW), "too_large"),
        (changed(webhook_id=None), "missing_field"),
        (changed(webhook_timestamp=None), "missing_field"),
        (changed(webhook_signature=None), "missing_field"),
        (changed(webhook_signature=""), "missing_field"),
        (changed(webhook_id="msg_2"), "bad_signature"),
        (changed(webhook_id="msg.1"), "malformed"),
        (changed(webhook_id="msg 1"), "malformed"),
        (changed(webhook_id="m" * 201), "malformed"),
        (changed(webhook_id="é"), "malformed"),
        (changed(webhook_timestamp="1e9"), "malformed"),
        (changed(webhook_timestamp="-1"), "malformed"),
        (changed(webhook_timestamp="１７"), "malformed"),
        (changed(webhook_timestamp=str(int(NOW.timestamp()) + 1)), "bad_signature"),
        (changed(webhook_timestamp="0" + str(int(NOW.timestamp()))), "bad_signature"),
        (changed(webhook_signature="v1"), "bad_signature"),
        (changed(webhook_signature="v1,"), "bad_signature"),
        (changed(webhook_signature="v1,***"), "bad_signature"),
        (changed(webhook_signature="é\ud800"), "bad_signature"),
        (
            changed(webhook_signature=call(payload()).headers["webhook-signature"].replace("v1,", "v1a,")),
            "bad_signature",
        ),
        (
            changed(webhook_signature=call(payload()).headers["webhook-signature"].replace("v1,", "")),
            "bad_signature",
        ),
        (changed(webhook_signature=call(payload()).headers["webhook-signature"] + "="), "bad_signature"),
    ],
)
def test_forgeries(raw: RawNotification, code: str) -> None:
    assert rejection(raw) == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed"),
        (b"[]", "malformed"),
        (b"{}", "malformed"),
        (b'{"type":"payment.succeeded","data":[]}', "malformed"),
        (b'{"type":"payment.succeeded","data":{}}', "missing_field"),
        (b'{"data":{"reference":"a"}}', "missing_field"),
        (payload(amount=266.4), "malformed"),
        (payload(amount=266), "malformed"),
        (payload(reference=7), "malformed"),
        (payload(reference="a" * 65), "malformed"),
        (payload(provider_reference=["a"]), "malformed"),
        (payload(currency="CNYX"), "malformed"),
        (payload(paid_at="2026-11-22T14:02:09"), "malformed"),
        (payload(paid_at="yesterday"), "malformed"),
        (payload(paid_at="0001-01-01T00:00:00+14:00"), "malformed"),
        (payload(subject="a\0b"), "malformed"),
        (payload().replace(b'"amount"', b'"amount": "1.00", "amount"'), "malformed"),
        (payload().replace(b'"266.40"', b"NaN"), "malformed"),
        (payload(deep=json.loads("[" * 30 + "]" * 30)), "malformed"),
        (b'{"type":' * 6000, "malformed"),
    ],
)
def test_signed_messages_in_another_form(body: bytes, code: str) -> None:
    assert rejection(call(body)) == code


GENUINE = call(payload())


@settings(max_examples=800, deadline=None)
@given(place=st.integers(0, len(GENUINE.body) - 1), byte=st.integers(0, 255))
def test_no_change_of_one_byte_is_taken(place: int, byte: int) -> None:
    body = GENUINE.body[:place] + bytes([byte]) + GENUINE.body[place + 1 :]
    if body != GENUINE.body:
        with pytest.raises(Rejected):
            verify(RawNotification(GENUINE.headers, body, NOW))


@settings(max_examples=400, deadline=None)
@given(name=st.sampled_from(sorted(GENUINE.headers)), place=st.integers(0, 40), other=st.characters())
def test_no_change_of_one_character_of_a_header_is_taken(name: str, place: int, other: str) -> None:
    value = GENUINE.headers[name]
    new = value[: place % len(value)] + other + value[place % len(value) + 1 :]
    if new != value:
        with pytest.raises(Rejected):
            verify(RawNotification({**GENUINE.headers, name: new}, GENUINE.body, NOW))


def test_a_spoilt_old_secret_does_not_stop_genuine_calls() -> None:
    keys = AccountKeys("webhook", "x", {}, {"secret": SECRET, "previous_secrets": ["junk"]}, "1")
    assert Webhook().verify(call(payload()), keys).reference == REFERENCE


def test_an_account_without_a_usable_secret_takes_nothing() -> None:
    keys = AccountKeys("webhook", "x", {}, {"secret": ""}, "1")
    with pytest.raises(Rejected, match="bad_signature"):
        Webhook().verify(call(payload()), keys)


# Our calls


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


def calling(server: HTTPServer, answer: object, status: int = 200) -> AccountKeys:
    """An account whose four addresses give this answer."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    server.expect_request("/x", method="POST").respond_with_data(text, status=status)
    return account(**dict.fromkeys(("pay_url", "query_url", "close_url", "refund_url"), server.url_for("/x")))


def sent(server: HTTPServer) -> Any:
    """The body of the only request, after the oracle has checked its signature."""
    ((request, _response),) = server.log
    return Oracle(SECRET).verify(request.get_data(), dict(request.headers))


def described(**changes: Any) -> dict[str, Any]:
    return {**DATA, "status": "succeeded", "refunded_amount": "0.00", **changes}


def outside(provoke: Callable[[], object]) -> tuple[str, bool, bool]:
    with pytest.raises(OutsideError) as caught:
        provoke()
    assert SECRET not in str(caught.value)
    return caught.value.code, caught.value.retryable, caught.value.outcome_known


def test_start_asks_for_an_address(server: HTTPServer) -> None:
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


def test_an_account_without_addresses_has_nothing_to_ask() -> None:
    provider, keys = Webhook(), account()
    assert provider.start(ATTEMPT, keys, Gateway()) == PaymentPage()
    assert (provider.can_query(keys), provider.can_close(keys), provider.can_refund(keys)) == (
        False,
        False,
        False,
    )


@pytest.mark.parametrize("pay_url", ["javascript:alert(1)", "http://evil.example/", "", None, 7])
def test_an_address_that_no_buyer_should_open(server: HTTPServer, pay_url: object) -> None:
    keys = calling(server, {"pay_url": pay_url})
    assert outside(lambda: Webhook().start(ATTEMPT, keys, Gateway()))[0] == "provider_answer_refused"


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
def test_states(server: HTTPServer, status: str, state: TradeState) -> None:
    keys = calling(server, described(status=status, paid_at=None))
    assert Webhook().close(ATTEMPT, keys, Gateway()).state is state


def test_not_found(server: HTTPServer) -> None:
    keys = calling(server, {"reference": REFERENCE, "status": "not_found"})
    assert Webhook().query(ATTEMPT, keys, Gateway()).state is TradeState.NOT_FOUND


@pytest.mark.parametrize(
    "answer",
    [
        described(reference="ANOTHER"),
        described(amount=None),
        described(amount="1e2"),
        described(amount=266.4),
        described(paid_at="soon"),
        "",
        "[]",
        '{"reference":"7F3K2026112200420001","status":"closed","status":"pending"}',
    ],
)
def test_an_answer_that_cannot_be_used_says_nothing(server: HTTPServer, answer: object) -> None:
    keys = calling(server, answer)
    assert outside(lambda: Webhook().query(ATTEMPT, keys, Gateway())) == (
        "provider_answer_refused",
        True,
        False,
    )


@pytest.mark.parametrize(("secret", "good"), [(SECRET, True), (STRANGER, False)])
def test_an_answer_that_is_signed_must_be_signed_well(server: HTTPServer, secret: str, good: bool) -> None:
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
        assert outside(lambda: Webhook().query(ATTEMPT, keys, Gateway()))[0] == "provider_answer_refused"


@pytest.mark.parametrize(
    ("status", "known"), [(500, False), (302, False), (404, True), (401, True), (429, False)]
)
def test_http_errors(server: HTTPServer, status: int, known: bool) -> None:
    keys = calling(server, described(), status)
    assert outside(lambda: Webhook().query(ATTEMPT, keys, Gateway())) == ("provider_http_error", True, known)


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
    answer = {"status": status, "refund_reference": "R1", "amount": "88.80"}
    keys = calling(server, answer)
    assert Webhook().refund(ORDER, keys, Gateway()) == RefundResult(
        state=state, refund_reference="R1", amount=Decimal("88.80"), raw=json.dumps(answer)
    )
    assert sent(server) == {
        "reference": REFERENCE,
        "refund_reference": "R1",
        "amount": "88.80",
        "reason": "退货",
    }


@pytest.mark.parametrize("answer", [{"status": "succeeded"}, {"status": "x", "refund_reference": "R1"}, {}])
def test_a_refund_answer_about_something_else(server: HTTPServer, answer: dict[str, str]) -> None:
    keys = calling(server, answer)
    assert outside(lambda: Webhook().query_refund(ORDER, keys, Gateway())) == (
        "provider_answer_refused",
        True,
        False,
    )


# Answers, self-check, registry


def test_the_answers_are_standard() -> None:
    assert Webhook().success() == NotificationResponse(204, "application/json", b"")
    answer = Webhook().failure("bad_signature")
    assert (answer.status, answer.content_type) == (400, "application/json")
    assert json.loads(answer.body)["code"] == "bad_signature"
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
