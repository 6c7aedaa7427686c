"""Changed bytes and fields of Alipay's notification: nothing that was signed can be changed."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payments.providers.alipay.adapter import Alipay
from payments.providers.alipay.tests.messages import PAYMENT, account, call, forged, notification
from payments.providers.errors import Rejected
from payments.providers.types import ParsedNotification


def verify(body: bytes) -> ParsedNotification:
    return Alipay().verify(call(body), account())


GENUINE = notification()


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.integers(0, len(GENUINE) - 1), byte=st.integers(0, 255))
def test_changed_byte_is_rejected(place: int, byte: int) -> None:
    body = GENUINE[:place] + bytes([byte]) + GENUINE[place + 1 :]
    if _means_the_same(body):
        return
    with pytest.raises(Rejected):
        verify(body)


def _means_the_same(body: bytes) -> bool:
    """%2B and %2b, '+' and a blank byte are two spellings of one form: nothing that was signed has changed."""
    return _pairs(body) == _pairs(GENUINE)


def _pairs(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode("latin-1"), keep_blank_values=True, encoding="latin-1")


@settings(max_examples=500, deadline=None)
@given(name=st.sampled_from(sorted(PAYMENT)), data=st.data())
def test_changed_character_of_a_field(name: str, data: st.DataObject) -> None:
    value = PAYMENT[name]
    place = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters(exclude_characters=value[place], exclude_categories=["Cs"]))
    with pytest.raises(Rejected):
        verify(forged(**{name: value[:place] + other + value[place + 1 :]}))


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=300))
def test_random_bytes_are_rejected_by_code(body: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        verify(body)
    assert caught.value.message
