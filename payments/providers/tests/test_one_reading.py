"""A signed text `k=v&k=v` has one reading: dividing it anew gives no message that is accepted with other fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payments.providers.alipay.adapter import Alipay
from payments.providers.alipay.tests import messages as alipay
from payments.providers.errors import Rejected
from payments.providers.form_body import split_form
from payments.providers.types import ParsedNotification
from payments.providers.unionpay.adapter import UnionPay
from payments.providers.unionpay.tests import messages as unionpay

Form = Mapping[bytes, bytes]


def verify_alipay(body: bytes) -> ParsedNotification:
    return Alipay().verify(alipay.call(body), alipay.account())


def verify_unionpay(body: bytes) -> ParsedNotification:
    return UnionPay().verify(unionpay.call(body), unionpay.account())


GENUINE: Mapping[str, tuple[Callable[[bytes], ParsedNotification], bytes]] = {
    "alipay payment": (verify_alipay, alipay.notification(subject="保温杯 & 手提袋 A & B")),
    "alipay equals": (verify_alipay, alipay.notification(subject="a+b & c=d 100%25 尾 ")),
    "alipay refund": (
        verify_alipay,
        alipay.notification(refund_fee="88.80", gmt_refund="2026-11-22 15:00:00.330", out_biz_no="R1"),
    ),
    "alipay full refund": (
        verify_alipay,
        alipay.notification(
            trade_status="TRADE_CLOSED", refund_fee="266.40", gmt_refund="2026-11-22 15:00:00"
        ),
    ),
    "unionpay payment": (verify_unionpay, unionpay.notification(charset="utf-8", respMsg="A & B")),
    "unionpay list": (
        verify_unionpay,
        unionpay.notification(charset="utf-8", reqReserved="{cardType=01&bank=ICBC}"),
    ),
    "unionpay refund": (verify_unionpay, unionpay.refund_notification()),
}
# Values that hold what looks like a pair: either message of such a text could be meant.
AMBIGUOUS = (
    "杯&total_amount=0.01",
    "a&b=c",
    "&x=",
    "A&B=1 & C",
    "x&buyer_id=2088&y",
    "杯&trade_status=TRADE_SUCCESS",
)
UNSIGNED = (b"sign", b"sign_type", b"signature")


def encode(form: Form) -> bytes:
    return b"&".join(
        b"%s=%s" % (quote_from_bytes(name).encode(), quote_from_bytes(value).encode())
        for name, value in form.items()
    )


def signed_part(form: Form) -> bytes:
    """The text under the signature, as both protocols define it."""
    names = sorted(name for name in form if name not in UNSIGNED and form[name])
    return b"&".join(name + b"=" + form[name] for name in names)


def divided(text: bytes, places: list[int]) -> Form | None:
    """The text cut into pairs at these of its ampersands; None where that is no set of fields."""
    cuts = [-1, *places, len(text)]
    pairs = [text[begin + 1 : end].partition(b"=") for begin, end in pairwise(cuts)]
    form = {name: value for name, _sign, value in pairs}
    return form if len(form) == len(pairs) and all(name and sign for name, sign, _value in pairs) else None


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_text_is_accepted(name: str) -> None:
    verify, body = GENUINE[name]
    assert verify(body).reference


@pytest.mark.parametrize("name", GENUINE)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_other_division_is_accepted(name: str, data: st.DataObject) -> None:
    """Cut the signed text at any of its ampersands, none, all or some, and send that as a form."""
    verify, body = GENUINE[name]
    form = split_form(body)
    text = signed_part(form)
    marks = [place for place, byte in enumerate(text) if byte == ord("&")]
    usual = set(data.draw(st.lists(st.sampled_from(marks), max_size=4)))
    places = sorted(usual if data.draw(st.booleans()) else set(marks) - usual)
    other = divided(text, places)
    if other is None:
        return
    unsigned = {field: form[field] for field in UNSIGNED if field in form}

    try:
        found = verify(encode({**other, **unsigned}))
    except Rejected:
        return

    assert found == verify(body), "accepted with another reading"
    assert other == {field: value for field, value in form.items() if field not in UNSIGNED and value}


@pytest.mark.parametrize("first", ["receipt_amount", "out_trade_no", "gmt_refund", "notify_id"])
def test_two_fields_as_one_are_refused(first: str) -> None:
    """A refund's notification whose refund is hidden inside the field before it would be a payment."""
    body = alipay.notification(refund_fee="88.80", gmt_refund="2026-11-22 15:00:00", out_biz_no="R1")
    form = dict(split_form(body))
    names = sorted(name for name in form if name not in UNSIGNED)
    second = names[names.index(first.encode()) + 1]
    form[first.encode()] += b"&" + second + b"=" + form.pop(second)

    with pytest.raises(Rejected) as caught:
        verify_alipay(encode(form))

    assert caught.value.code == "ambiguous_text"


@pytest.mark.parametrize("value", AMBIGUOUS)
def test_value_that_holds_a_pair_is_refused(value: str) -> None:
    for verify, body in (
        (verify_alipay, alipay.notification(subject=value)),
        (verify_unionpay, unionpay.notification(charset="utf-8", respMsg=value)),
    ):
        with pytest.raises(Rejected) as caught:
            verify(body)
        assert caught.value.code == "ambiguous_text"


@pytest.mark.parametrize(
    "value", ["A & B", "A&B", "a=b", "a&=b", "R&D 部", "&", "a & b = c", "保温杯 + 赠品 & 手提袋=1", "1&2&3"]
)
def test_ampersand_alone_is_legal(value: str) -> None:
    assert verify_alipay(alipay.notification(subject=value)).summary["subject"] == value
    parsed = verify_unionpay(unionpay.notification(charset="utf-8", respMsg=value))
    assert parsed.summary["respMsg"] == value


def test_name_that_is_no_name_is_refused() -> None:
    with pytest.raises(Rejected) as caught:
        verify_alipay(alipay.notification(**{"a=b": "c"}))
    assert caught.value.code == "ambiguous_text"
