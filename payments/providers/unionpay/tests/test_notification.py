"""Verifying and parsing UnionPay's notification."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from django.utils import translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payments.providers.errors import Rejected
from payments.providers.responses import NotificationResponse
from payments.providers.tests.authority import Issued, issue, private_pem, public_pem
from payments.providers.types import AccountKeys, ParsedNotification, UpdateKind
from payments.providers.unionpay.adapter import UnionPay
from payments.providers.unionpay.tests.messages import (
    MIDDLE,
    PAYMENT,
    RECEIVED_AT,
    ROOT,
    SHOP,
    SIGNER,
    SIGNER_CN,
    account,
    call,
    form,
    notification,
    notification_by,
    refund_notification,
    sign,
)

PAYLOADS = Path(__file__).parent / "payloads"


def verify(body: bytes, keys: AccountKeys | None = None) -> ParsedNotification:
    return UnionPay().verify(call(body), keys or account())


def rejection(body: bytes, keys: AccountKeys | None = None) -> str:
    with pytest.raises(Rejected) as caught:
        verify(body, keys)
    return caught.value.code


def test_payment_is_parsed() -> None:
    assert verify(notification()) == ParsedNotification(
        event_id="01|7F3K2026112200420001|20261122140140|472611221402091234568|00|82b3ea60467b891d8c98e4203bfd1131",
        kind=UpdateKind.PAYMENT,
        reference="7F3K2026112200420001",
        provider_reference="472611221402091234568",
        amount=Decimal("266.40"),
        currency="CNY",
        occurred_at=datetime(2026, 11, 22, 6, 2, 9, tzinfo=UTC),
        state="01 00",
        summary={
            "respMsg": "成功[0000000]",
            "traceNo": "123456",
            "traceTime": "1122140209",
            "settleDate": "1122",
            "payCardType": "01",
            "accNo": "6216***********0018",
        },
    )


def test_refund_is_parsed() -> None:
    parsed = verify(refund_notification())
    assert (parsed.kind, parsed.reference) == (UpdateKind.REFUND, "7F3K2026112200420001")
    assert (parsed.refund_reference, parsed.refund_amount) == ("R2026112200000001", Decimal("88.80"))
    assert (parsed.amount, parsed.refunded_total, parsed.full_refund) == (None, None, False)
    assert parsed.provider_reference == PAYMENT["queryId"]
    assert parsed.occurred_at == datetime(2026, 11, 23, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "kind", "amount"),
    [
        ("payment", UpdateKind.PAYMENT, Decimal("266.40")),
        ("payment_gbk", UpdateKind.PAYMENT, Decimal("266.40")),
        ("refund", UpdateKind.REFUND, None),
    ],
)
def test_recorded_messages_are_accepted(name: str, kind: UpdateKind, amount: Decimal | None) -> None:
    root, middle = ((PAYLOADS / f"{part}.pem").read_text() for part in ("root", "middle"))
    keys = account(root_cert=root, middle_cert=middle)
    parsed = verify((PAYLOADS / f"{name}.txt").read_bytes(), keys)
    assert (parsed.kind, parsed.amount, parsed.summary["respMsg"]) == (kind, amount, "成功[0000000]")


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"respCode": "A6"}, UpdateKind.PAYMENT),
        ({"respCode": "05"}, UpdateKind.OTHER),
        ({"respCode": "51"}, UpdateKind.OTHER),
        ({"respCode": "000"}, UpdateKind.UNCLEAR),
        # A pre-authorisation and its completion move money, but not by an attempt of ours.
        ({"txnType": "02"}, UpdateKind.UNCLEAR),
        ({"txnType": "03"}, UpdateKind.UNCLEAR),
        ({"txnType": "02", "respCode": "51"}, UpdateKind.OTHER),
        ({"txnType": "00"}, UpdateKind.OTHER),
    ],
)
def test_only_success_pays(changes: dict[str, str], kind: UpdateKind) -> None:
    assert verify(notification(charset="utf-8", **changes)).kind is kind


@pytest.mark.parametrize(
    ("changes", "kind", "full"),
    [
        ({"respCode": "51"}, UpdateKind.REFUND_FAILED, False),
        # Under way: a refund that is called failed here would be given back a second time.
        *(({"respCode": code}, UpdateKind.OTHER, False) for code in ("03", "04", "05")),
        ({"respCode": "A6"}, UpdateKind.REFUND, False),
        ({"txnType": "31"}, UpdateKind.REFUND, True),
        ({"txnType": "31", "respCode": "51"}, UpdateKind.OTHER, False),
    ],
)
def test_refunds_and_voids(changes: dict[str, str], kind: UpdateKind, full: bool) -> None:
    parsed = verify(refund_notification(**changes))
    assert (parsed.kind, parsed.full_refund) == (kind, full)


@pytest.mark.parametrize("carried", [None, "", "x", "<script>", "7F3K202611220042000 "])
def test_foreign_refund_has_no_reference(carried: str | None) -> None:
    parsed = verify(refund_notification(reqReserved=carried))
    assert (parsed.kind, parsed.reference, parsed.provider_reference) == (
        UpdateKind.REFUND, "", PAYMENT["queryId"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "amount", ["-26640", "266.40", "1e2", "２６６４０", "", " 26640", "+26640", "1" * 13, None]
)
def test_unreadable_amount_is_none(amount: str | None) -> None:
    assert verify(notification(txnAmt=amount)).amount is None


def test_other_currency_and_merchant() -> None:
    assert verify(notification(currencyCode="840")).currency == "840"
    assert verify(notification(merId="777290058110049")).account_problem == "wrong_mer_id"
    assert verify(notification(merId=None)).account_problem == "wrong_mer_id"


def test_message_about_no_payment_names_no_merchant() -> None:
    assert verify(notification(txnType="12", merId=None)).account_problem == ""
    assert verify(notification(txnType="12", merId="777290058110049")).account_problem == "wrong_mer_id"


@pytest.mark.parametrize("name", ["txnAmt", "traceTime", "currencyCode", "merId", "settleAmt"])
def test_other_fact_is_another_event(name: str) -> None:
    assert verify(notification(**{name: "1"})).event_id != verify(notification()).event_id


def test_year_around_new_year() -> None:
    parsed = verify(notification(txnTime="20261231235959", traceTime="0101000003"))
    assert parsed.occurred_at == datetime(2026, 12, 31, 16, 0, 3, tzinfo=UTC)
    assert verify(notification(traceTime="99")).occurred_at == datetime(2026, 11, 22, 6, 1, 40, tzinfo=UTC)
    assert verify(notification(txnTime="2026")).occurred_at is None


def test_empty_fields_are_not_used() -> None:
    assert verify(notification() + b"&origQryId=&x=") == verify(notification())


# Forgeries


def forged(**changes: str) -> bytes:
    """Genuine fields with unsigned changes."""
    return form({**sign(PAYMENT), **changes})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed"),
        (b"hello", "malformed"),
        (b"a=1&&b=2", "malformed"),
        (b"a=1", "missing_field"),
        (b"signature=AA%3D%3D&signMethod=01&version=5.1.0", "missing_field"),
        (b"a" * 65537, "too_large"),
        (b"&".join(b"f%d=1" % n for n in range(300)), "malformed"),
        (notification(signMethod=None), "missing_field"),
        (notification(signMethod="11"), "wrong_sign_type"),
        (notification(signMethod="02"), "wrong_sign_type"),
        (notification(version="5.0.0"), "wrong_sign_type"),
        (notification(encoding="utf-16"), "bad_charset"),
        (notification(respMsg="a\0b"), "malformed"),
        (notification(orderId=None), "missing_field"),
        (notification(txnType=None), "missing_field"),
        (notification(respCode=None), "missing_field"),
        (notification() + b"&txnAmt=26640", "duplicate_key"),
        (notification() + b"&txn%41mt=1", "duplicate_key"),
        (notification() + b"&x=1", "bad_signature"),
        (forged(txnAmt="1"), "bad_signature"),
        (forged(orderId="7F3K2026112200420002"), "bad_signature"),
        (forged(signature=""), "missing_field"),
        (forged(signature="AA=="), "bad_signature"),
        (forged(signature="é"), "bad_signature"),
        (forged(signature=sign(PAYMENT)["signature"] + "\n"), "bad_signature"),
        (forged(signPubKeyCert=SIGNER.pem), "bad_signature"),
        (forged(signPubKeyCert="junk"), "bad_signature"),
        (forged(signPubKeyCert="银"), "bad_signature"),
    ],
)
def test_forgeries(body: bytes, code: str) -> None:
    assert rejection(body) == code


def test_bytes_outside_the_charset() -> None:
    assert rejection(notification(charset="gbk", respMsg="银联成功")) == "bad_charset"


FAKE_ROOT = issue("CFCA TEST CS CA", key="stranger", ca=1)
FAKE_MIDDLE = issue("CFCA TEST OCA1", key="stranger2", by=FAKE_ROOT, ca=0)
PAST, FUTURE = RECEIVED_AT - timedelta(seconds=1), RECEIVED_AT + timedelta(days=1)


@pytest.mark.parametrize(
    "signer",
    [
        issue(SIGNER_CN, key="stranger"),
        issue(SIGNER_CN, key="stranger3", by=FAKE_MIDDLE),
        issue(SIGNER_CN, key="stranger", by=SHOP),
        issue(SIGNER_CN, key="stranger", by=MIDDLE, ends_at=PAST),
        issue(SIGNER_CN, key="stranger", by=MIDDLE, begins_at=FUTURE),
        issue("041@Z2011@另一家公司@00000003", key="stranger", by=MIDDLE),
        issue("中国银联股份有限公司@x@y", key="stranger", by=MIDDLE),
        SHOP,
        MIDDLE,
        ROOT,
    ],
    ids=[
        "self-made", "under a root of the same name", "issued by a merchant", "expired", "not yet valid",
        "somebody else", "name in the wrong place", "our own", "middle", "root",
    ],
)  # fmt: skip
def test_certificate_of_another_owner(signer: Issued) -> None:
    assert rejection(notification_by(signer)) == "bad_signature"


def test_intermediate_in_the_message_is_ignored() -> None:
    leaf = issue(SIGNER_CN, key="stranger3", by=FAKE_MIDDLE)
    whole = leaf.pem + FAKE_MIDDLE.pem + FAKE_ROOT.pem
    body = form(sign({**PAYMENT, "signPubKeyCert": whole}, signer=leaf))
    assert rejection(body) == "bad_signature"


def test_line_ends_of_the_certificate_are_signed() -> None:
    assert rejection(notification().replace(b"%0D%0A", b"%0A")) == "bad_signature"


def test_expected_cn_of_another_environment() -> None:
    signer = issue("UPOP@test@00040000:SIGN@x", key="up-signer", by=MIDDLE)
    body = notification_by(signer)
    assert rejection(body) == "bad_signature"
    assert verify(body, account(expected_cn="00040000:SIGN")).kind is UpdateKind.PAYMENT
    assert rejection(notification(), account(expected_cn="00040000:SIGN")) == "bad_signature"


def test_changed_root_is_used_at_once() -> None:
    assert verify(notification())
    other = account(root_cert=FAKE_ROOT.pem, middle_cert=FAKE_MIDDLE.pem)
    assert rejection(notification(), other) == "bad_signature"
    assert rejection(notification(), account(root_cert="junk")) == "bad_signature"


@pytest.mark.parametrize("name", sorted(set(PAYMENT) - {"reqReserved", "signMethod", "version", "encoding"}))
def test_each_field_is_covered(name: str) -> None:
    assert rejection(forged(**{name: PAYMENT[name] + "1"})) == "bad_signature"
    fields = sign(PAYMENT)
    del fields[name]
    assert rejection(form(fields)) == "bad_signature"


GENUINE = notification()


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.integers(0, len(GENUINE) - 1), byte=st.integers(0, 255))
def test_changed_byte_is_rejected(place: int, byte: int) -> None:
    body = GENUINE[:place] + bytes([byte]) + GENUINE[place + 1 :]
    if _pairs(body) == _pairs(GENUINE):
        return
    with pytest.raises(Rejected):
        verify(body)


def _pairs(body: bytes) -> list[tuple[str, str]]:
    """The fields without the empty ones, which are not signed."""
    return parse_qsl(body.decode("latin-1"), encoding="latin-1")


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=300))
def test_random_bytes_are_rejected_by_code(body: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        verify(body)
    assert caught.value.message


# Responses and self-check


def test_responses() -> None:
    assert UnionPay().success() == NotificationResponse(200, "text/plain", b"ok")
    assert UnionPay().failure("bad_signature").status == 400
    assert UnionPay().failure("unavailable").status == 503


def test_good_account_has_no_problems() -> None:
    assert UnionPay().check(account()) == []


OLD = issue("041@Z2011@shop@2", key="up-shop", by=MIDDLE, ends_at=datetime.now(UTC) - timedelta(days=1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mer_id": ""}, "mer_id is missing"),
        ({"mer_id": "7772900581100"}, "mer_id must be"),
        ({"gateway_url": "http://gateway.95516.com"}, "gateway_url must be an https address"),
        ({"sign_key": private_pem("stranger")}, "sign_key does not belong to sign_cert"),
        ({"sign_key": SHOP.pem}, "sign_key is a certificate"),
        ({"sign_key": "junk"}, "sign_key is not an RSA private key"),
        ({"sign_cert": private_pem("up-shop")}, "sign_cert holds a private key"),
        ({"sign_cert": public_pem("up-shop")}, "sign_cert is not a certificate"),
        ({"sign_cert": OLD.pem}, "sign_cert: A certificate of its chain has expired"),
        ({"root_cert": ROOT.pem[:100]}, "root_cert holds no certificate"),
        ({"middle_cert": FAKE_MIDDLE.pem.replace("MII", "MIX", 1)}, "middle_cert holds no certificate"),
        ({"middle_cert": issue("X", key="stranger", ca=0).pem}, "middle_cert was not issued by root_cert"),
        (
            {"root_cert": SIGNER.pem, "middle_cert": issue("Y", key="x", by=SIGNER).pem},
            "not a root certificate",
        ),
    ],
)
def test_problems_of_an_account(changes: dict[str, str], message: str) -> None:
    with translation.override("en"):
        problems = UnionPay().check(account(**changes))
    assert len(problems) == 1
    assert message in problems[0]
    assert "BEGIN" not in problems[0]
