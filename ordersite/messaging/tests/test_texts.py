"""Texts with variables: a fixed list, filled in one pass; and how long they are."""

from __future__ import annotations

import pytest

from ordersite.messaging.models import MessageEvent
from ordersite.messaging.models.events import OF_ORDERS
from ordersite.messaging.texts.lengths import cut_field, sms_parts
from ordersite.messaging.texts.shipped import shipped_text
from ordersite.messaging.texts.values import EXAMPLE
from ordersite.messaging.texts.variables import VARIABLES, fill, one_line, problems_of, variables_in
from ordersite.messaging.texts.wechat_fields import field_problems, fill_fields, read_fields

# What template languages, format strings and shells would look into.
INJECTIONS = (
    "{order_number.__class__}",
    "{order_number[0]}",
    "{order_number!r}",
    "{order_number:>1000000000}",
    "{0}",
    "{}",
    "{{order_number}}",
    "{order.merchant.sealed_secrets}",
    "{settings}",
    "{SECRET_KEY}",
    "{link",
    "link}",
    "{ link }",
    "{lin\u200bk}",
    "{ｌink}",
    "{{ settings.SECRET_KEY }}",
    "{% load i18n %}",
    "{% include 'x' %}",
    "${link}",
    "#{link}#{system}",
    "{{config.items()}}",
    "{__import__('os')}",
    "{link}{",
    "\x00",
    "x\u202ey",
)


@pytest.mark.parametrize("text", [one for one in INJECTIONS if one != "${link}"])
def test_nothing_but_variables_is_taken(text: str) -> None:
    assert problems_of(text)
    with pytest.raises(ValueError, match="wrong variables"):
        fill(text, EXAMPLE)


def test_a_dollar_is_a_dollar() -> None:
    assert fill("${link}", {"link": "https://x"}) == "$https://x"


@pytest.mark.parametrize("value", [*INJECTIONS, "{amount}", "{link}", "%s", "%(link)s", "\\1", "\\g<0>"])
def test_a_value_is_never_a_text(value: str) -> None:
    filled = fill("{products} {amount}", {"products": value, "amount": "1.00"})

    assert filled == f"{value} 1.00"


def test_values_are_one_line() -> None:
    assert one_line(" a\r\nBcc: x@y\x00\u202e ") == "a  Bcc: x@y"
    assert len(one_line("杯" * 300)) == 200


def test_a_text_without_a_value_stays_whole() -> None:
    assert fill("运单{tracking_number}。", {}) == "运单。"


def test_variables_are_named_in_their_order() -> None:
    assert variables_in("{link} {amount} {link} {order_number}") == ["link", "amount", "order_number"]


def test_a_variable_may_be_closed_to_a_fact() -> None:
    assert problems_of("{carrier}", allowed=("link",))
    assert problems_of("{carrier}") == []


@pytest.mark.parametrize(
    ("length", "sign", "parts"),
    [
        (0, "", 1),
        (70, "", 1),
        (71, "", 2),
        (134, "", 2),
        (135, "", 3),
        (64, "示范店铺", 1),
        (65, "示范店铺", 2),
    ],
)
def test_long_sms_are_several(length: int, sign: str, parts: int) -> None:
    assert sms_parts("短" * length, sign=sign) == parts


@pytest.mark.parametrize(
    ("name", "length", "left"),
    [
        ("thing1", 20, 20),
        ("thing1", 21, 20),
        ("character_string12", 40, 32),
        ("phrase3", 9, 5),
        ("amount2", 5, 5),
    ],
)
def test_fields_are_cut_to_their_kind(name: str, length: int, left: int) -> None:
    cut = cut_field(name, "字" * length)

    assert len(cut) == left
    assert cut.endswith("…") is (length > left)


def test_fields_are_lines() -> None:
    assert read_fields("thing1: {products}\n\n amount2 : {amount} ") == {
        "thing1": "{products}",
        "amount2": "{amount}",
    }
    assert fill_fields("thing1: {products}", {"products": "杯" * 30}) == {"thing1": "杯" * 19 + "…"}


@pytest.mark.parametrize(
    "lines",
    [
        "thing1",
        "thing1:",
        "thing: x",
        "nothing1: x",
        "thing1: x\nthing1: y",
        "thing1: {x}",
        "thing1.DATA: x",
        "1: x",
    ],
)
def test_other_lines_are_refused(lines: str) -> None:
    assert len(field_problems(lines)) == 1


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("event", OF_ORDERS)
def test_the_products_own_texts_are_whole(event: MessageEvent, language: str) -> None:
    text = shipped_text(event, language)

    assert text is not None
    for part in (text.subject, text.text):
        assert problems_of(part) == []
        assert "{" not in fill(part, EXAMPLE)
    assert field_problems(text.wechat) == []
    assert sms_parts(fill(text.text, EXAMPLE)) <= 3
    assert set(variables_in(text.text)) <= set(VARIABLES)
