"""Verifying and parsing Alipay's notification."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from alipay import AliPay

from payments.providers.alipay.adapter import Alipay
from payments.providers.alipay.tests.messages import (
    APP_ID,
    PAYMENT,
    account,
    call,
    forged,
    form,
    key_pair,
    notification,
    sdk,
    signature,
    signed_fields,
    signed_text,
)
from payments.providers.errors import Rejected
from payments.providers.responses import NotificationResponse
from payments.providers.types import AccountKeys, ParsedNotification, UpdateKind

PAYLOADS = Path(__file__).parent / "payloads"
GBK = "application/x-www-form-urlencoded;charset=GBK"


def verify(
    body: bytes, content_type: str = "application/x-www-form-urlencoded; charset=utf-8"
) -> ParsedNotification:
    return Alipay().verify(call(body, content_type), account())


def rejection(body: bytes, keys: AccountKeys | None = None) -> str:
    with pytest.raises(Rejected) as caught:
        Alipay().verify(call(body), keys or account())
    return caught.value.code


def test_payment_is_parsed() -> None:
    assert verify(notification()) == ParsedNotification(
        event_id="2026112200222140209024333014210401|0c41650f817a394be5e21a72917b705a",
        kind=UpdateKind.PAYMENT,
        reference="7F3K2026112200420001",
        provider_reference="2026112222001424333014219981",
        amount=Decimal("266.40"),
        currency="CNY",
        occurred_at=datetime(2026, 11, 22, 6, 2, 9, tzinfo=UTC),
        state="TRADE_SUCCESS",
        summary={
            "subject": "保温杯 ×3",
            "buyer_logon_id": "csq***@sandbox.com",
            "gmt_payment": "2026-11-22 14:02:09",
            "receipt_amount": "266.40",
        },
    )


@pytest.mark.parametrize("name", ["payment", "payment_gbk", "partial_refund", "full_refund", "unpaid_close"])
def test_recorded_messages_are_accepted(name: str) -> None:
    keys = account(alipay_public_key=(PAYLOADS / "public_key.pem").read_text())
    parsed = Alipay().verify(call((PAYLOADS / f"{name}.txt").read_bytes()), keys)
    expected = {
        "payment": (UpdateKind.PAYMENT, None, False, ""),
        "payment_gbk": (UpdateKind.PAYMENT, None, False, ""),
        "partial_refund": (UpdateKind.REFUND, Decimal("88.80"), False, "R20261122000001"),
        "full_refund": (UpdateKind.REFUND, Decimal("266.40"), True, "R20261122000002"),
        "unpaid_close": (UpdateKind.CLOSED, None, False, ""),
    }[name]
    assert (parsed.kind, parsed.refunded_total, parsed.full_refund, parsed.refund_reference) == expected
    assert (parsed.amount, parsed.summary["subject"]) == (Decimal("266.40"), "保温杯 ×3 + 杯刷 100%")


def test_signed_text_equals_that_of_the_sdk() -> None:
    fields = signed_fields()
    sign = fields.pop("sign")
    private, public = key_pair("alipay")
    assert AliPay(APP_ID, None, private, public, sign_type="RSA2").verify(fields, sign)


@pytest.mark.parametrize("charset", ["GBK", "gb2312", "GB18030"])
@pytest.mark.parametrize(
    "content_type", [GBK, "application/x-www-form-urlencoded", "text/plain;charset=utf-8"]
)
def test_charset_is_the_signed_fields(charset: str, content_type: str) -> None:
    fields = {**PAYMENT, "subject": "保温杯", "charset": charset}
    fields |= {"sign": signature(signed_text(fields), charset=charset), "sign_type": "RSA2"}
    assert verify(form(fields, charset=charset), content_type).summary["subject"] == "保温杯"


def test_charset_field_beats_the_header() -> None:
    assert verify(notification(), GBK).summary["subject"] == "保温杯 ×3"


def test_charset_of_the_header_without_field() -> None:
    fields = {name: value for name, value in PAYMENT.items() if name != "charset"} | {"subject": "保温杯"}
    fields |= {"sign": signature(signed_text(fields), charset="gbk"), "sign_type": "RSA2"}
    assert verify(form(fields, charset="gbk"), GBK).summary["subject"] == "保温杯"


@pytest.mark.parametrize("name", ["utf-16", "latin-1", "utf-7", "保"])
def test_other_charsets_are_rejected(name: str) -> None:
    body = notification().replace(b"charset=utf-8", b"charset=" + name.encode())
    assert rejection(body) == "bad_charset"


def test_bytes_outside_the_charset() -> None:
    fields = {**PAYMENT, "subject": "保温杯"}
    sign = signature(signed_text(fields), charset="gbk")
    body = form({**fields, "sign": sign, "sign_type": "RSA2"}, charset="gbk")
    assert b"charset=utf-8" in body
    assert rejection(body) == "bad_charset"


def test_special_characters_in_values() -> None:
    parsed = verify(notification(subject="a+b & c=d 100%25 尾 "))
    assert parsed.summary["subject"] == "a+b & c=d 100%25 尾 "


def test_unknown_fields_are_signed_too() -> None:
    assert verify(notification(buyer_open_id="01501", merchant_app_id="x y")).kind is UpdateKind.PAYMENT


def test_empty_values_signed_as_received() -> None:
    assert verify(notification(body="", passback_params="")).kind is UpdateKind.PAYMENT


def test_empty_values_left_out_of_the_signature() -> None:
    assert verify(notification() + b"&body=&passback_params=").kind is UpdateKind.PAYMENT


def test_unsigned_empty_field_is_not_used() -> None:
    genuine = notification(gmt_refund=None)
    assert verify(genuine + b"&gmt_refund=&refund_fee=") == verify(genuine)


def test_public_key_in_bare_base64() -> None:
    bare = "".join(key_pair("alipay")[1].splitlines()[1:-1])
    assert Alipay().verify(call(notification()), account(alipay_public_key=bare)).reference


# Content


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"trade_status": "TRADE_FINISHED"}, UpdateKind.PAYMENT),
        ({"refund_fee": "0.00"}, UpdateKind.PAYMENT),
        ({"refund_fee": "0"}, UpdateKind.PAYMENT),
        ({"refund_fee": "0.01"}, UpdateKind.REFUND),
        ({"gmt_refund": "2026-11-22 15:00:00.330"}, UpdateKind.REFUND),
        ({"trade_status": "TRADE_FINISHED", "gmt_refund": "2026-11-22 15:00:00"}, UpdateKind.REFUND),
        ({"refund_fee": "1e2"}, UpdateKind.REFUND),
        ({"trade_status": "TRADE_CLOSED"}, UpdateKind.CLOSED),
        ({"trade_status": "WAIT_BUYER_PAY"}, UpdateKind.OTHER),
        # The money is there, or what the message is about is not known here.
        ({"trade_status": "TRADE_PENDING"}, UpdateKind.UNCLEAR),
        ({"trade_status": None}, UpdateKind.UNCLEAR),
        ({"trade_status": None, "notify_type": "batch_refund_notify"}, UpdateKind.UNCLEAR),
        ({"trade_status": None, "notify_type": "dut_user_sign"}, UpdateKind.OTHER),
        ({"trade_status": None, "msg_method": "alipay.fund.trans.order.changed"}, UpdateKind.UNCLEAR),
        ({"trade_status": None, "msg_method": "alipay.open.auth.userauth.cancelled"}, UpdateKind.OTHER),
    ],
)
def test_kinds(changes: dict[str, str | None], kind: UpdateKind) -> None:
    assert verify(notification(charset="utf-8", **changes)).kind is kind


def test_partial_refund_has_its_own_event_id() -> None:
    parsed = verify(notification(refund_fee="88.80", gmt_refund="2026-11-22 15:00:00.330", out_biz_no="R1"))
    assert parsed.kind is UpdateKind.REFUND
    assert parsed.event_id.startswith("2026112200222140209024333014210401|")
    assert parsed.event_id != verify(notification()).event_id
    assert (parsed.refund_reference, parsed.refunded_total, parsed.full_refund) == (
        "R1",
        Decimal("88.80"),
        False,
    )
    assert parsed.occurred_at == datetime(2026, 11, 22, 7, 0, 0, 330000, tzinfo=UTC)
    assert parsed.amount == Decimal("266.40")


@pytest.mark.parametrize(
    ("refund_fee", "full"), [("266.40", True), ("266.39", False), (None, True), ("266.4", True)]
)
def test_full_refund(refund_fee: str | None, full: bool) -> None:
    parsed = verify(
        notification(trade_status="TRADE_CLOSED", refund_fee=refund_fee, gmt_refund="2026-11-22 15:00:00")
    )
    assert (parsed.kind, parsed.full_refund) == (UpdateKind.REFUND, full)


@pytest.mark.parametrize(
    "amount",
    ["-266.40", "1e2", "NaN", "12.345", "２６６.40", "", " 266.40", "+266.40", "266,40", "1234567890", ".5"],
)
def test_unreadable_amount_is_none(amount: str) -> None:
    assert verify(notification(total_amount=amount)).amount is None


@pytest.mark.parametrize(
    ("name", "value"), [("app_id", "2021000000000002"), ("seller_id", "2088000000000002")]
)
def test_account_problem(name: str, value: str) -> None:
    assert verify(notification(**{name: value})).account_problem == f"wrong_{name}"
    assert verify(notification(charset="utf-8", **{name: None})).account_problem == f"wrong_{name}"


@pytest.mark.parametrize("kind", ["dut_user_sign", "batch_refund_notify"])
def test_message_about_no_trade_names_no_seller(kind: str) -> None:
    """It is not about an account unless it names another one."""
    nobody = notification(notify_type=kind, trade_status=None, seller_id=None, app_id=None)
    assert verify(nobody).account_problem == ""
    other = notification(notify_type=kind, trade_status=None, seller_id="2088000000000002")
    assert verify(other).account_problem == "wrong_seller_id"


@pytest.mark.parametrize("name", sorted(set(PAYMENT) - {"notify_id", "notify_time", "charset"}))
def test_other_fact_is_another_event(name: str) -> None:
    assert verify(notification(**{name: "1"})).event_id != verify(notification()).event_id


def test_time_of_sending_is_no_fact() -> None:
    later = verify(notification(notify_time="2026-11-22 14:06:11"))
    assert later.event_id == verify(notification()).event_id


def test_long_event_id_becomes_a_hash() -> None:
    event_id = verify(notification(notify_id="n" * 190)).event_id
    assert event_id.startswith("sha256:")
    assert len(event_id) == 71
    assert event_id != verify(notification(notify_id="n" * 191)).event_id


# Forgeries


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed"),
        (b"hello", "malformed"),
        (b"=", "malformed"),
        (b"a=1&&b=2", "malformed"),
        (b"{}", "malformed"),
        (b"a=1", "missing_field"),
        (b"sign=AA%3D%3D&out_trade_no=1", "missing_field"),
        (b"sign_type=RSA2&out_trade_no=1", "missing_field"),
        (b"sign=AA%3D%3D&sign_type=RSA2", "bad_signature"),
        (b"sign=&sign_type=RSA2", "bad_signature"),
        (b"sign=%00&sign_type=RSA2", "bad_signature"),
        (b"x=%00&" + b"&".join(b"f%d=1" % n for n in range(300)), "malformed"),
        (b"a" * 65537, "too_large"),
    ],
)
def test_malformed_bodies(body: bytes, code: str) -> None:
    assert rejection(body) == code


def test_other_key_is_rejected() -> None:
    fields = dict(PAYMENT)
    sign = sdk("stranger")._sign(signed_text(fields))
    assert rejection(form({**fields, "sign": sign, "sign_type": "RSA2"})) == "bad_signature"


def test_own_application_key_is_rejected() -> None:
    fields = dict(PAYMENT)
    sign = sdk("app")._sign(signed_text(fields))
    assert rejection(form({**fields, "sign": sign, "sign_type": "RSA2"})) == "bad_signature"


@pytest.mark.parametrize(("sign_type", "code"), [("RSA", "wrong_sign_type"), ("RSA2", "bad_signature")])
def test_rsa_signature_does_not_pass_as_rsa2(sign_type: str, code: str) -> None:
    fields = dict(PAYMENT)
    sign = sdk("alipay", "RSA")._sign(signed_text(fields))
    assert rejection(form({**fields, "sign": sign, "sign_type": sign_type})) == code


@pytest.mark.parametrize("sign_type", ["RSA", "rsa2", "MD5", "", "RSA2 ", "none"])
def test_sign_type_cannot_be_chosen(sign_type: str) -> None:
    assert rejection(forged(sign_type=sign_type)) == "wrong_sign_type"


def test_missing_sign_type() -> None:
    fields = signed_fields()
    del fields["sign_type"]
    assert rejection(form(fields)) == "missing_field"


def test_sign_type_inside_the_signed_text() -> None:
    fields = {**PAYMENT, "sign_type": "RSA2"}
    assert rejection(form({**fields, "sign": signature(signed_text(fields))})) == "bad_signature"


@pytest.mark.parametrize("name", sorted(PAYMENT))
def test_each_field_is_covered(name: str) -> None:
    if name != "charset":
        assert rejection(forged(**{name: PAYMENT[name] + "1"})) == "bad_signature"
    fields = signed_fields()
    del fields[name]
    assert rejection(form(fields)) == "bad_signature"


@pytest.mark.parametrize("extra", [b"&refund_fee=0.00", b"&x=1", b"&alipay_cert_sn=1", b"&charset2=gbk"])
def test_added_field_is_rejected(extra: bytes) -> None:
    assert rejection(notification() + extra) == "bad_signature"


@pytest.mark.parametrize(
    "extra",
    [b"&out_trade_no=7F3K2026112200420001", b"&out%5ftrade%5fno=X", b"&sign=AA%3D%3D", b"&total_amount=0.01"],
)
def test_duplicate_field_is_rejected(extra: bytes) -> None:
    assert rejection(notification() + extra) == "duplicate_key"


@pytest.mark.parametrize(
    "change", [lambda s: s + "=", lambda s: s[:-1], lambda s: s + "\n", lambda s: " " + s]
)
def test_base64_is_strict(change) -> None:  # type: ignore[no-untyped-def]
    assert rejection(forged(sign=change(signed_fields()["sign"]))) == "bad_signature"


def test_other_spelling_of_the_signature() -> None:
    sign = signed_fields()["sign"]
    assert sign.endswith("==")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = sign[:-3] + alphabet[alphabet.index(sign[-3]) + 1] + "=="
    assert rejection(forged(sign=other)) == "bad_signature"


def test_blanks_for_pluses_are_rejected() -> None:
    fields = signed_fields()
    while "+" not in fields["sign"]:
        fields = signed_fields(notify_id=fields["notify_id"] + "1")
    assert rejection(form(fields).replace(b"%2B", b"+")) == "bad_signature"


def test_signed_nul_is_rejected() -> None:
    assert rejection(notification(subject="a\0b")) == "malformed"


def test_missing_notify_id_is_rejected() -> None:
    assert rejection(notification(notify_id=None)) == "missing_field"


def test_unusable_key_rejects_everything() -> None:
    assert rejection(notification(), account(alipay_public_key="junk")) == "bad_signature"


# Responses


def test_responses() -> None:
    assert Alipay().success() == NotificationResponse(200, "text/plain", b"success")
    assert Alipay().failure("bad_signature") == NotificationResponse(400, "text/plain", b"fail")
    assert Alipay().failure("unavailable") == NotificationResponse(503, "text/plain", b"fail")
