"""Changed bytes and headers of WeChat Pay's notification: nothing that was signed can be changed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.providers.errors import Rejected
from payments.providers.wechatpay.adapter import WechatPay
from payments.providers.wechatpay.tests.messages import account, call, payment_body, signed_headers


def rejection(body: bytes, headers: dict[str, str]) -> str:
    with pytest.raises(Rejected) as caught:
        WechatPay().verify(call(body, headers), account())
    assert caught.value.message
    return caught.value.code


GENUINE = payment_body()
GENUINE_HEADERS = signed_headers(GENUINE)


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, len(GENUINE) - 1), byte=st.integers(0, 255))
def test_changed_byte_is_rejected(place: int, byte: int) -> None:
    body = GENUINE[:place] + bytes([byte]) + GENUINE[place + 1 :]
    if body != GENUINE:
        assert rejection(body, GENUINE_HEADERS) == "bad_signature"


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(GENUINE_HEADERS)), data=st.data())
def test_changed_header_is_rejected(name: str, data: st.DataObject) -> None:
    value = GENUINE_HEADERS[name]
    place = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters(max_codepoint=255, exclude_characters=value[place]))
    changed = value[:place] + other + value[place + 1 :]
    if name == "Wechatpay-Serial" and changed.lower() == value.lower():
        return
    rejection(GENUINE, {**GENUINE_HEADERS, name: changed})


@settings(max_examples=100, deadline=None)
@given(
    body=st.binary(max_size=200),
    headers=st.dictionaries(st.sampled_from(sorted(GENUINE_HEADERS)), st.text(max_size=60)),
)
def test_random_bytes_are_rejected_by_code(body: bytes, headers: dict[str, str]) -> None:
    rejection(body, {**GENUINE_HEADERS, **headers})
