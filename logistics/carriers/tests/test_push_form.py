"""The body of a push that is a form: read once, and refused where two readers could read two things."""

from __future__ import annotations

import pytest

from logistics.carriers.push_form import fields_of
from logistics.carriers.types import PushRejected


def test_fields_are_decoded_once() -> None:
    body = b"content=%7B%22a%22%3A%22%E4%B8%AD%2B%2525%22%7D&data_digest=a%2Bb%3D%3D&empty="
    assert fields_of(body) == {"content": '{"a":"中+%25"}', "data_digest": "a+b==", "empty": ""}
    assert fields_of(b"") == {}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"no form", "not a form in UTF-8"),
        ("a=中".encode(), "not a form in UTF-8"),
        (b"a=%FF", "not a form in UTF-8"),
        ("&".join(f"f{number}=1" for number in range(21)).encode(), "not a form in UTF-8"),
        (b"a=1&b=2&a=1", "a field is given twice"),
    ],
)
def test_body_that_is_refused(body: bytes, detail: str) -> None:
    with pytest.raises(PushRejected) as caught:
        fields_of(body)
    assert (caught.value.reason, caught.value.detail) == ("malformed", detail)


def test_as_many_fields_as_are_taken() -> None:
    assert len(fields_of("&".join(f"f{number}=1" for number in range(20)).encode())) == 20
