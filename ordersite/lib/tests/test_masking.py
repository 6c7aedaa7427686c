"""Phone numbers are hidden however they are written, and other numbers stay whole."""

from __future__ import annotations

import pytest

from ordersite.lib.masking import mask_phone, mask_phones


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("13800138000", "138****8000"),
        ("+8613800138000", "+86138****8000"),
        ("008613800138000", "0086138****8000"),
        ("86-13800138000", "86-138****8000"),
        ("138-0013-8000", "138-****8000"),
        ("138 0013 8000", "138 ****8000"),
        ("phone=%2B8613800138000&x=1", "phone=%2B86138****8000&x=1"),
        ('{"phone":"13800138000"}', '{"phone":"138****8000"}'),
    ],
)
def test_phone_number_is_hidden_in_any_format(text: str, masked: str) -> None:
    assert mask_phones(text) == masked


@pytest.mark.parametrize(
    "text", ["2026112213800138000", "138001380001", "20261122-7F3K-0042", "266.40", "SF13800138000123"]
)
def test_other_numbers_stay_whole(text: str) -> None:
    assert mask_phones(text) == text


def test_phone_field_shows_only_its_ends() -> None:
    assert (mask_phone("13800138000"), mask_phone("+8613800138000"), mask_phone("55501")) == (
        "138****8000",
        "+86****8000",
        "***01",
    )
