"""JSON from outside: what is refused, and the raw text of members."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordersite.lib.strict_json import loads, loads_object, raw_members


def test_values_are_read_exactly() -> None:
    assert loads(b' {"a": [1, 2.50, true, null, "\xe4\xb8\xad"]} ') == {
        "a": [1, Decimal("2.50"), True, None, "中"]
    }


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b'{"a":1,"a":1}',
        b'[{"b":{"a":1,"a":2}}]',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b'"a\\u0000b"',
        b'{"\\u0000":1}',
        b'"\\ud800"',
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b"1 x",
        b"'a'",
        b"[" * 20 + b"]" * 20,
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"1" * 5000,
        b'"a\nb"',
    ],
)
def test_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):
        loads(raw)


@pytest.mark.parametrize("raw", ["[]", "1", '"a"', "null"])
def test_only_an_object(raw: str) -> None:
    assert loads(raw) is not NotImplemented
    with pytest.raises(ValueError):
        loads_object(raw)


def test_members_keep_their_text() -> None:
    raw = b' { "a" : {"x": "}\\"{", "y":[1 , 2]} , "b":"q" ,\n"c": 1.50 }'
    assert raw_members(raw) == {"a": '{"x": "}\\"{", "y":[1 , 2]}', "b": '"q"', "c": "1.50"}
    assert raw_members("{}") == {}


@given(st.binary(max_size=100))
def test_any_bytes_give_a_value_or_value_error(raw: bytes) -> None:
    try:
        loads(raw)
    except ValueError:
        return
