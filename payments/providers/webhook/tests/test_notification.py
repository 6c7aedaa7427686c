"""Verifying and parsing notifications; the standardwebhooks package is the oracle."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.providers.errors import Rejected
from payments.providers.types import (
    AccountKeys,
    ParsedNotification,
    RawNotification,
    UpdateKind,
)
from payments.providers.webhook.adapter import Webhook
from payments.providers.webhook.tests.messages import (
    NOW,
    PREVIOUS,
    REFERENCE,
    SECRET,
    STRANGER,
    account,
    call,
    payload,
)


def verify(raw: RawNotification) -> ParsedNotification:
    return Webhook().verify(raw, account())


def rejection(raw: RawNotification) -> str:
    with pytest.raises(Rejected) as caught:
        verify(raw)
    assert caught.value.message
    return caught.value.code


def test_payment_is_parsed() -> None:
    assert verify(call(payload())) == ParsedNotification(
        event_id="msg_1|04a25beb703d3e2faeb10bb01a3a9137",
        kind=UpdateKind.PAYMENT,
        reference=REFERENCE,
        provider_reference="pay_981",
        amount=Decimal("266.40"),
        occurred_at=datetime(2026, 11, 22, 6, 2, 9, tzinfo=UTC),
        state="payment.succeeded",
    )


def test_refund_has_its_own_amount() -> None:
    parsed = verify(call(payload("refund.succeeded", amount="88.80", refund_reference="R1")))
    assert (parsed.kind, parsed.amount, parsed.refund_reference) == (UpdateKind.REFUND, None, "R1")
    assert (parsed.refund_amount, parsed.refunded_total, parsed.full_refund) == (
        Decimal("88.80"),
        None,
        False,
    )
    assert parsed.occurred_at == datetime(2026, 11, 22, 6, 2, 10, tzinfo=UTC)


def test_refund_with_a_sum() -> None:
    body = payload("refund.succeeded", amount="40.00", refund_reference="R2", refunded_amount="70.00")
    parsed = verify(call(body))
    assert (parsed.refund_amount, parsed.refunded_total) == (Decimal("40.00"), Decimal("70.00"))


def test_closed() -> None:
    assert verify(call(payload("payment.closed", paid_at=None))).kind is UpdateKind.CLOSED


@pytest.mark.parametrize(
    ("event", "data", "kind"),
    [
        ("dispute.opened", {}, UpdateKind.UNCLEAR),
        ("payment.captured", {"amount": 5}, UpdateKind.UNCLEAR),
        ("payment.failed", {}, UpdateKind.OTHER),
        ("payment.pending", {}, UpdateKind.OTHER),
        ("account.updated", {"amount": None}, UpdateKind.OTHER),
    ],
)
def test_unknown_event_is_accepted(event: str, data: dict[str, Any], kind: UpdateKind) -> None:
    parsed = verify(call(payload(event, **data)))
    assert (parsed.kind, parsed.reference, parsed.state) == (kind, REFERENCE, event)


def test_unknown_event_with_odd_data() -> None:
    parsed = verify(call(payload("x.y", reference=["a"], provider_reference=5, amount="1e9")))
    assert (parsed.kind, parsed.reference, parsed.amount) == (UpdateKind.UNCLEAR, "", None)


def test_other_facts_are_another_event() -> None:
    first, second = verify(call(payload())), verify(call(payload(amount="1.00")))
    assert (first.event_id.startswith("msg_1|"), first.event_id == second.event_id) == (True, False)


def test_previous_secret_is_accepted() -> None:
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
def test_five_minutes_are_accepted(seconds: int) -> None:
    assert verify(call(payload(), at=NOW + timedelta(seconds=seconds))).reference == REFERENCE


@pytest.mark.parametrize("seconds", [-301, 301, 86400 * 365 * 5])
def test_stale_beyond_five_minutes(seconds: int) -> None:
    assert rejection(call(payload(), at=NOW + timedelta(seconds=seconds))) == "stale_timestamp"


@pytest.mark.parametrize(
    "amount", ["-266.40", "1e2", "NaN", "12.345", "２６６.40", "", " 1", "+1", "1,000.00", "Infinity", None]
)
def test_unreadable_amount_is_none(amount: str | None) -> None:
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
def test_signed_malformed_bodies(body: bytes, code: str) -> None:
    assert rejection(call(body)) == code


GENUINE = call(payload())


@settings(max_examples=800, deadline=None)
@given(place=st.integers(0, len(GENUINE.body) - 1), byte=st.integers(0, 255))
def test_changed_byte_is_rejected(place: int, byte: int) -> None:
    body = GENUINE.body[:place] + bytes([byte]) + GENUINE.body[place + 1 :]
    if body != GENUINE.body:
        with pytest.raises(Rejected):
            verify(RawNotification(GENUINE.headers, body, NOW))


@settings(max_examples=400, deadline=None)
@given(name=st.sampled_from(sorted(GENUINE.headers)), place=st.integers(0, 40), other=st.characters())
def test_changed_header_is_rejected(name: str, place: int, other: str) -> None:
    value = GENUINE.headers[name]
    new = value[: place % len(value)] + other + value[place % len(value) + 1 :]
    if new != value:
        with pytest.raises(Rejected):
            verify(RawNotification({**GENUINE.headers, name: new}, GENUINE.body, NOW))


def test_unusable_previous_secret_is_ignored() -> None:
    keys = AccountKeys("webhook", "x", {}, {"secret": SECRET, "previous_secrets": ["junk"]}, "1")
    assert Webhook().verify(call(payload()), keys).reference == REFERENCE


def test_no_usable_secret_rejects_everything() -> None:
    keys = AccountKeys("webhook", "x", {}, {"secret": ""}, "1")
    with pytest.raises(Rejected, match="bad_signature"):
        Webhook().verify(call(payload()), keys)
