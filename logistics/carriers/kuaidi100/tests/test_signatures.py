"""The vendor's signatures equal the published vectors."""

from __future__ import annotations

import pytest

from logistics.carriers.kuaidi100.signatures import is_push_signature, sign_label, sign_push, sign_query

PARAM = '{"com":"yuantong","num":"YT2600227881409"}'


def test_of_a_query() -> None:
    assert sign_query(PARAM, key="KEY", customer="CUSTOMER") == "467F5A29A0A2F0711E0F7A72B2EF0CF3"


def test_of_the_label_api() -> None:
    signature = sign_label(PARAM, t="1700000000000", key="KEY", secret="SECRET")
    assert signature == "4F68B21C9B7E1B3513176A019A0F158B"


def test_of_a_push() -> None:
    assert sign_push(PARAM, salt="SALT").lower() == "a69934b0ebfe3589780c7acc40ba4719"


@pytest.mark.parametrize("sign", ["a69934b0ebfe3589780c7acc40ba4719", "A69934B0EBFE3589780C7ACC40BA4719"])
def test_a_push_is_believed_in_either_case(sign: str) -> None:
    assert is_push_signature(sign, PARAM, salt="SALT")


@pytest.mark.parametrize("sign", ["", "a", "a69934b0ebfe3589780c7acc40ba4718", "值", "\ud800"])
def test_a_push_with_another_signature_is_not(sign: str) -> None:
    assert not is_push_signature(sign, PARAM, salt="SALT")
