"""Guessing the carrier of a waybill number by its shape."""

from __future__ import annotations

import pytest

from logistics.carriers.numbers import candidates, recognise, tidy_number


@pytest.mark.parametrize(
    ("number", "carrier"),
    [
        ("SF1234567890123", "sf"),
        (" sf 1234567890123", "sf"),
        ("YT2600227881409", "yto"),
        ("JT1234567890123", "jtexpress"),
        ("JDVA12345678901", "jd"),
        ("EE123456785CN", "ems"),
        ("EE123456784CN", None),
        ("EE263999513CN", "ems"),
        ("73111390619708", None),
        ("777031922725111", None),
        ("123456789012", None),
        ("", None),
    ],
)
def test_recognise(number: str, carrier: str | None) -> None:
    assert recognise(number) == carrier


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("YT2600227881409", ["yto"]),
        ("73111390619708", ["zto"]),
        ("777031922725111", ["sto"]),
        ("4312345678901", ["yunda", "ems"]),
        ("DPK123456789012", ["deppon"]),
        ("881234567890", ["sto", "sf"]),
        ("１２３４５６７８９０１２", []),
        ("hello", []),
    ],
)
def test_candidates(number: str, expected: list[str]) -> None:
    assert candidates(number) == expected


def test_tidy_number() -> None:
    assert tidy_number(" yt 2600\t227881409 ") == "YT2600227881409"
