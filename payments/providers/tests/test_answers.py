"""Answers of providers as text: by what they declare, and by what their bytes are."""

from __future__ import annotations

import random

import pytest

from ordersite.lib.http import Reply
from payments.providers.answers import decode_answer, decode_reply, readable_text

TEXT = '{"code":"40002","sub_msg":"验签出错，请确认charset参数放在了URL查询字符串中"}'


def reply(body: bytes, content_type: str) -> Reply:
    return Reply(200, {"content-type": content_type}, body, 1)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html;charset=GBK",
        "text/html; Charset = 'gb2312'",
        'text/html; charset="GB18030"',
        "text/html;charset=utf-8",
        "text/html;charset=ISO-8859-1",
        "text/html;charset=nobody-knows",
        "text/html",
        "",
    ],
)
@pytest.mark.parametrize("charset", ["gbk", "utf-8"])
def test_bytes_decide_where_the_header_errs(content_type: str, charset: str) -> None:
    assert decode_reply(reply(TEXT.encode(charset), content_type)).text == TEXT


def test_declared_gbk_counts_where_both_fit() -> None:
    both = "一".encode("gbk")
    assert both.decode("utf-8") == "һ"
    assert decode_answer(both, "GBK").text == "一"
    assert decode_answer(both, "utf-8").text == "һ"


def test_byte_order_mark_is_no_text() -> None:
    assert decode_answer(b"\xef\xbb\xbf{}").text == "{}"


@pytest.mark.parametrize("body", [b"\xff\xfe{}", b"\x80\x00", b"\xc4", b"\x81\x30"])
def test_unreadable_bytes_are_shown(body: bytes) -> None:
    with pytest.raises(ValueError, match="is in no known character set"):
        decode_answer(body)
    shown = readable_text(reply(body, "text/html;charset=gbk"))
    assert shown.isascii()
    assert shown.isprintable()


def test_decoded_parts_are_the_arrived_bytes() -> None:
    dice = random.Random(7)
    for _try in range(500):
        body = dice.randbytes(12)
        try:
            answer = decode_answer(body, dice.choice(["gbk", "utf-8", ""]))
        except ValueError:
            continue
        assert answer.bytes_of(answer.text) == body.removeprefix(b"\xef\xbb\xbf")
