"""Verifying, decrypting and parsing WeChat Pay's notification."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from payments.providers.errors import Rejected
from payments.providers.responses import NotificationResponse
from payments.providers.types import AccountKeys, ParsedNotification, RawNotification, UpdateKind
from payments.providers.wechatpay.adapter import WechatPay
from payments.providers.wechatpay.tests.messages import (
    API_V3_KEY,
    CERTIFICATE,
    MCHID,
    PUBLIC_KEY,
    PUBLIC_KEY_ID,
    RECEIVED_AT,
    SERIAL,
    Signer,
    account,
    call,
    certificate,
    encrypted,
    envelope,
    hex_serial,
    payment_body,
    refund_body,
    sdk,
    signed_headers,
)

PAYLOADS = Path(__file__).parent / "payloads"


def verify(
    body: bytes, headers: dict[str, str] | None = None, keys: AccountKeys | None = None
) -> ParsedNotification:
    return WechatPay().verify(call(body, headers), keys or account())


def rejection(body: bytes, headers: dict[str, str] | None = None, keys: AccountKeys | None = None) -> str:
    with pytest.raises(Rejected) as caught:
        verify(body, headers, keys)
    assert caught.value.message
    return caught.value.code


def test_payment_is_parsed() -> None:
    assert verify(payment_body()) == ParsedNotification(
        event_id="EV-2018022511223320873|a77baccae5d4eddfccd0af4922345473",
        kind=UpdateKind.PAYMENT,
        reference="7F3K2026112200420001",
        provider_reference="4200002345202611221234567890",
        amount=Decimal("266.40"),
        currency="CNY",
        occurred_at=datetime(2026, 11, 22, 6, 2, 9, tzinfo=UTC),
        state="SUCCESS",
        summary={"trade_type": "NATIVE", "bank_type": "OTHERS", "trade_state_desc": "支付成功"},
    )


def test_refund_is_parsed() -> None:
    assert verify(refund_body()) == ParsedNotification(
        event_id="EV-2018022511223320873|390f6fe44a28be99facb6b82a52ba07b",
        kind=UpdateKind.REFUND,
        reference="7F3K2026112200420001",
        provider_reference="4200002345202611221234567890",
        amount=Decimal("266.40"),
        occurred_at=datetime(2026, 11, 22, 6, 2, 9, tzinfo=UTC),
        refund_reference="R20261122000001",
        refund_amount=Decimal("88.80"),
        state="SUCCESS",
        summary={"refund_id": "50000000382019052709732678859"},
    )


@pytest.mark.parametrize("name", ["payment", "refund"])
def test_recorded_messages_are_accepted(name: str) -> None:
    recorded = json.loads((PAYLOADS / "headers.json").read_text())[name]
    pem = (PAYLOADS / "public_key.pem").read_text()
    keys = account(platform_keys={recorded["Wechatpay-Serial"]: pem})
    parsed = verify((PAYLOADS / f"{name}.json").read_bytes(), recorded, keys)
    expected = {"payment": (UpdateKind.PAYMENT, None), "refund": (UpdateKind.REFUND, Decimal("88.80"))}[name]
    assert (parsed.kind, parsed.refund_amount) == expected
    assert (parsed.reference, parsed.amount) == ("7F3K2026112200420001", Decimal("266.40"))


def test_sdk_accepts_the_same_messages() -> None:
    body = payment_body()
    headers = signed_headers(body, by=PUBLIC_KEY)
    read = sdk().callback(headers, body)
    assert (read["id"], read["resource"]["amount"]["total"]) == ("EV-2018022511223320873", 26640)
    assert verify(body, headers).amount == Decimal("266.40")
    changed = body.replace(b"TRANSACTION.SUCCESS", b"TRANSACTION.SUCCES_")
    assert (sdk().callback(headers, changed), rejection(changed, headers)) == (None, "bad_signature")


# Keys


@pytest.mark.parametrize("by", [CERTIFICATE, PUBLIC_KEY, Signer("platform", hex_serial().lower())])
def test_both_kinds_of_key_are_accepted(by: Signer) -> None:
    body = payment_body()
    assert verify(body, signed_headers(body, by=by)).kind is UpdateKind.PAYMENT


def test_leading_zeros_of_a_serial() -> None:
    keys = account(platform_keys={hex_serial(0xABC): certificate("platform", 0xABC)})
    body = payment_body()
    for serial in ("ABC", "abc", "0" * 37 + "aBc"):
        assert (
            verify(body, signed_headers(body, by=Signer("platform", serial)), keys).kind is UpdateKind.PAYMENT
        )


@pytest.mark.parametrize(
    "by",
    [
        Signer("platform", "1" * 40),
        Signer("platform", PUBLIC_KEY_ID.lower()),
        Signer("platform-2", PUBLIC_KEY_ID + "1"),
        Signer("platform-2", "PUB_KEY_ID_"),
        Signer("platform", "0x" + hex_serial()),
        Signer("platform", "保" * 200),
    ],
)
def test_unknown_key_is_rejected(by: Signer) -> None:
    body = payment_body()
    assert rejection(body, signed_headers(body, by=by)) == "unknown_key"


@pytest.mark.parametrize(
    "by", [Signer("platform", PUBLIC_KEY_ID), Signer("platform-2", hex_serial()), Signer("merchant")]
)
def test_known_key_under_another_name(by: Signer) -> None:
    body = payment_body()
    assert rejection(body, signed_headers(body, by=by)) == "bad_signature"


@pytest.mark.parametrize(("begins", "ends"), [(-30, -1), (1, 30)])
def test_certificate_outside_its_validity(begins: int, ends: int) -> None:
    text = certificate("platform", SERIAL, begins=begins, ends=ends)
    assert rejection(payment_body(), keys=account(platform_keys={hex_serial(): text})) == "unknown_key"


# Headers


def changed_headers(body: bytes, **changes: str | None) -> dict[str, str]:
    headers: dict[str, str | None] = {**signed_headers(body)}
    headers |= {f"Wechatpay-{name.replace('_', '-')}": value for name, value in changes.items()}
    return {name: value for name, value in headers.items() if value is not None}


def test_missing_signature_type() -> None:
    body = payment_body()
    assert verify(body, changed_headers(body, Signature_Type=None)).kind is UpdateKind.PAYMENT


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Signature_Type": "WECHATPAY2-SHA1-RSA2048"}, "wrong_sign_type"),
        ({"Signature_Type": ""}, "wrong_sign_type"),
        ({"Signature_Type": "wechatpay2-sha256-rsa2048"}, "wrong_sign_type"),
        ({"Timestamp": None}, "missing_field"),
        ({"Nonce": None}, "missing_field"),
        ({"Signature": None}, "missing_field"),
        ({"Serial": None}, "missing_field"),
        ({"Timestamp": "1e9"}, "malformed"),
        ({"Timestamp": "-1"}, "malformed"),
        ({"Timestamp": "１７６３７９１３３２"}, "malformed"),
        ({"Nonce": "a b"}, "malformed"),
        ({"Nonce": "other"}, "bad_signature"),
        ({"Signature": "AAAA"}, "bad_signature"),
        ({"Signature": "不"}, "bad_signature"),
        ({"Signature": "WECHATPAY/SIGNTEST/" + "A" * 325}, "signature_probe"),
    ],
)
def test_bad_headers(changes: dict[str, str | None], code: str) -> None:
    body = payment_body()
    assert rejection(body, changed_headers(body, **changes)) == code


def test_probe_under_an_unknown_serial() -> None:
    body = payment_body()
    headers = changed_headers(body, Signature="WECHATPAY/SIGNTEST/abc", Serial="1" * 40)
    assert rejection(body, headers) == "signature_probe"


def test_lines_cannot_move_into_the_body() -> None:
    body = payment_body()
    headers = signed_headers(body)
    timestamp, nonce = headers["Wechatpay-Timestamp"], headers["Wechatpay-Nonce"]
    moved = {**headers, "Wechatpay-Nonce": nonce[:10]}
    assert rejection(nonce[10:].encode() + b"\n" + body, moved) == "bad_signature"
    assert rejection(body, {**headers, "Wechatpay-Nonce": timestamp}) == "bad_signature"


@pytest.mark.parametrize(("seconds", "taken"), [(299, True), (-299, True), (300, False), (-300, False)])
def test_five_minutes_are_stale(seconds: int, taken: bool) -> None:
    body = payment_body()
    headers = signed_headers(body, at=RECEIVED_AT + timedelta(seconds=seconds))
    if taken:
        assert verify(body, headers).kind is UpdateKind.PAYMENT
    else:
        assert rejection(body, headers) == "stale_timestamp"


def test_sdk_accepts_stale_messages() -> None:
    body = payment_body()
    headers = signed_headers(body, by=PUBLIC_KEY, at=RECEIVED_AT - timedelta(days=1800))
    assert sdk().callback(headers, body)["id"] == "EV-2018022511223320873"
    assert rejection(body, headers) == "stale_timestamp"


# Signed but malformed


TRANSACTION_TYPE = {"original_type": "transaction"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed"),
        (b"[]", "malformed"),
        (b'{"id":"a","id":"a"}', "malformed"),
        (b'{"id":"a","n":NaN}', "malformed"),
        (b"[" * 5000, "malformed"),
        (envelope({}, id=None), "missing_field"),
        (envelope({}, id=5), "missing_field"),
        (envelope({}), "malformed"),
        (envelope({**encrypted(b"{}"), "algorithm": "AEAD_AES_128_GCM"}), "malformed"),
        (envelope({"algorithm": "AEAD_AES_256_GCM"}), "missing_field"),
        (envelope({**encrypted(b"{}"), "nonce": "short"}), "cannot_decrypt"),
        (envelope({**encrypted(b"{}"), "ciphertext": "!"}), "cannot_decrypt"),
        (envelope({**encrypted(b"{}"), "ciphertext": "AAAA"}), "cannot_decrypt"),
        (envelope({**encrypted(b"{}"), "associated_data": "other"}), "cannot_decrypt"),
        (envelope(encrypted(b"{}", key="x" * 32)), "cannot_decrypt"),
        (envelope(encrypted(b"[]")), "malformed"),
        (envelope(encrypted(b'{"a":1,"a":2}')), "malformed"),
        (envelope(encrypted(b"\xff")), "malformed"),
    ],
)
def test_signed_malformed_bodies(body: bytes, code: str) -> None:
    assert rejection(body) == code


def test_too_large_body_is_rejected_first() -> None:
    assert rejection(b"x" * 65_537, {}) == "too_large"


@pytest.mark.parametrize("associated_data", ["", None])
def test_empty_or_missing_associated_data(associated_data: str | None) -> None:
    content = json.dumps({"mchid": MCHID}).encode()
    parsed = verify(envelope(encrypted(content, associated_data=associated_data)))
    assert (parsed.kind, parsed.account_problem) == (UpdateKind.UNCLEAR, "")


def test_wrong_content_key_cannot_decrypt() -> None:
    assert rejection(payment_body(), keys=account(api_v3_key="x" * 32)) == "cannot_decrypt"
    assert rejection(payment_body(), keys=account(api_v3_key=API_V3_KEY[:-1])) == "cannot_decrypt"


# Content


@pytest.mark.parametrize(
    ("event_type", "status", "kind"),
    [
        ("REFUND.SUCCESS", "SUCCESS", UpdateKind.REFUND),
        ("REFUND.ABNORMAL", "ABNORMAL", UpdateKind.REFUND_ABNORMAL),
        ("REFUND.CLOSED", "CLOSED", UpdateKind.REFUND_FAILED),
        ("REFUND.SUCCESS", "CLOSED", UpdateKind.UNCLEAR),
        ("REFUND.CLOSED", "SUCCESS", UpdateKind.UNCLEAR),
        ("TRANSACTION.SUCCESS", "SUCCESS", UpdateKind.UNCLEAR),
        ("refund.success", "SUCCESS", UpdateKind.UNCLEAR),
        ("REFUND.PROCESSING", "PROCESSING", UpdateKind.OTHER),
    ],
)
def test_kind_of_a_refund(event_type: str, status: str, kind: UpdateKind) -> None:
    parsed = verify(refund_body(event={"event_type": event_type}, refund_status=status))
    assert (parsed.kind, parsed.state, parsed.refund_amount) == (kind, status, Decimal("88.80"))


@pytest.mark.parametrize(
    ("event_type", "state", "kind"),
    [
        ("TRANSACTION.SUCCESS", "SUCCESS", UpdateKind.PAYMENT),
        ("TRANSACTION.SUCCESS", "REFUND", UpdateKind.PAID_REFUNDED),
        ("TRANSACTION.SUCCESS", "NOTPAY", UpdateKind.UNCLEAR),
        ("TRANSACTION.SUCCESS", "CLOSED", UpdateKind.UNCLEAR),
        ("TRANSACTION.SUCCESS", None, UpdateKind.UNCLEAR),
        ("TRANSACTION.FAIL", "PAYERROR", UpdateKind.OTHER),
        ("REFUND.SUCCESS", "SUCCESS", UpdateKind.UNCLEAR),
        ("SOMETHING.NEW", "SUCCESS", UpdateKind.UNCLEAR),
        ("PAYSCORE.USER_PAID", None, UpdateKind.UNCLEAR),
        ("COMPLAINT.CREATE", None, UpdateKind.OTHER),
    ],
)
def test_kind_of_a_payment(event_type: str, state: str | None, kind: UpdateKind) -> None:
    assert verify(payment_body(event={"event_type": event_type}, trade_state=state)).kind is kind


@pytest.mark.parametrize("total", ["26640", 26640.0, 266.4, -1, True, None, [26640], 10**12])
def test_amount_that_is_not_whole_fen_is_none(total: Any) -> None:
    assert verify(payment_body(amount={"total": total, "payer_total": 26640})).amount is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"appid": "wx0000000000000002"}, "wrong_appid"),
        ({"mchid": "1900000002"}, "wrong_mchid"),
        ({"appid": None}, "wrong_appid"),
        ({"mchid": None}, "wrong_mchid"),
        ({"mchid": 1900000001}, "wrong_mchid"),
        ({"mchid": None, "sp_mchid": MCHID, "sub_mchid": "1900000109"}, "wrong_mchid"),
        ({"sub_mchid": "1900000109"}, "wrong_mchid"),
        ({"sp_appid": "wx0000000000000002"}, "wrong_appid"),
        ({"mchid": None, "sp_mchid": MCHID, "sub_mchid": MCHID}, ""),
    ],
)
def test_account_problem(changes: dict[str, Any], problem: str) -> None:
    assert verify(payment_body(**changes)).account_problem == problem


def test_other_facts_are_another_event() -> None:
    first, second = verify(payment_body()), verify(payment_body(transaction_id="42000000000000000001"))
    assert first.event_id.partition("|")[0] == second.event_id.partition("|")[0]
    assert first.event_id != second.event_id
    assert first.event_id == verify(payment_body()).event_id  # encrypted anew


def test_refund_must_name_the_merchant() -> None:
    assert verify(refund_body()).account_problem == ""
    assert verify(refund_body(mchid="1900000002")).account_problem == "wrong_mchid"
    assert verify(refund_body(mchid=None)).account_problem == "wrong_mchid"


def test_time_without_zone_is_none() -> None:
    event = {"create_time": "2026-11-22T14:02:10"}
    assert verify(payment_body(event=event, success_time="2026-11-22T14:02:09")).occurred_at is None


# Responses


def test_responses() -> None:
    assert WechatPay().success() == NotificationResponse(204, "application/json", b"")
    refused = WechatPay().failure("bad_signature")
    assert (refused.status, refused.content_type) == (400, "application/json")
    assert sorted(json.loads(refused.body)) == ["code", "message"]
    assert json.loads(refused.body)["code"] == "FAIL"
    assert WechatPay().failure("unavailable").status == 503
    assert WechatPay().failure("unknown_account").status == 404


def test_header_names_in_lower_case() -> None:
    body = payment_body()
    upper = RawNotification(signed_headers(body), body, RECEIVED_AT)
    with pytest.raises(Rejected) as caught:
        WechatPay().verify(upper, account())
    assert caught.value.code == "missing_field"
