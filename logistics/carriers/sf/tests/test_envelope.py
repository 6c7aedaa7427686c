"""SF's form: the published vector of its digest, and the characters in which Java and Python differ."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, quote_plus

import pytest

from logistics.carriers.sf.envelope import Stamp, digest_of, form_of, java_quoted
from logistics.carriers.sf.tests.account import sf_keys

VECTOR = '{"a":"中文 b+c*~"}'
TIME = "1700000000000"


def test_digest_of_the_published_vector() -> None:
    assert digest_of(VECTOR, TIME, checkword="CW") == "EP9gUcd13tQzog2U7KFPSA=="


@pytest.mark.parametrize(
    ("text", "quoted"), [("*", "*"), ("~", "%7E"), (" ", "+"), ("-._", "-._"), ("+", "%2B")]
)
def test_encoding_is_javas(text: str, quoted: str) -> None:
    assert java_quoted(text) == quoted


def test_where_python_differs() -> None:
    assert quote_plus("*~") == "%2A~"


def test_form_as_it_is_sent() -> None:
    body = form_of("EXP_RECE_SEARCH_ROUTES", json.loads(VECTOR), sf_keys(), Stamp("request-1", TIME))
    form = {name: values[0] for name, values in parse_qs(body.decode(), strict_parsing=True).items()}
    assert form == {
        "partnerID": "PARTNER",
        "requestID": "request-1",
        "serviceCode": "EXP_RECE_SEARCH_ROUTES",
        "timestamp": TIME,
        "msgDigest": "EP9gUcd13tQzog2U7KFPSA==",
        "msgData": VECTOR,
    }
