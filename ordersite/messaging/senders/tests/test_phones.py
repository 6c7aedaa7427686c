"""Numbers in E.164."""

from __future__ import annotations

import pytest

from ordersite.messaging.senders.phones import e164
from ordersite.messaging.senders.types import SendError


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("13800138000", "+8613800138000"),
        ("+86 138-0013-8000", "+8613800138000"),
        ("008613800138000", "+8613800138000"),
        ("86 13800138000", "+8613800138000"),
        ("+852 5123 4567", "+85251234567"),
        ("0014155550100", "+14155550100"),
    ],
)
def test_numbers(given: str, number: str) -> None:
    assert e164(given) == number


@pytest.mark.parametrize(
    "given", ["", "0571-88880000", "1380013800", "+8657188880000", "５", "12800138000", "+0123456"]
)
def test_what_gets_no_text_message(given: str) -> None:
    with pytest.raises(SendError) as caught:
        e164(given)
    assert caught.value.code == "bad_address"
