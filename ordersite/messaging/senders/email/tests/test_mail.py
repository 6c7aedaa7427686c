"""The mail of a message: parts, images, headers that nobody can add to, and the same Message-ID for the same key."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ordersite.messaging.senders.email.adapter import is_address, mail_of, message_id
from ordersite.messaging.senders.types import InlineImage, OutgoingMessage

MESSAGE = OutgoingMessage(
    key="m-1",
    recipient="wang@buyer.example",
    subject="订单 A1\r\nBcc: all@buyer.example",
    text="您的订单A1已收到。",
    html='<p>您的订单A1已收到。<img src="cid:qr" alt=""></p>',
    inline_images=(InlineImage(content_id="qr", content=b"\x89PNG"),),
)
SENDER = "演示商店 <orders@shop.example>"


def test_parts_of_the_mail() -> None:
    mail = mail_of(MESSAGE, SENDER)

    kinds = [part.get_content_type() for part in mail.walk()]
    (image,) = [part for part in mail.walk() if part.get_content_maintype() == "image"]
    assert kinds == ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"]
    assert (image["Content-ID"], image.get_content_disposition()) == ("<qr>", "inline")
    assert image.get_payload(decode=True) == b"\x89PNG"


def test_subject_adds_no_header() -> None:
    mail = mail_of(MESSAGE, SENDER)

    assert mail["Bcc"] is None
    assert mail["Subject"] == "订单 A1 Bcc: all@buyer.example"
    assert str(mail["From"]) == "演示商店 <orders@shop.example>"


def test_same_key_same_message_id() -> None:
    first, again, other = (
        mail_of(replace(MESSAGE, key=key), SENDER)["Message-ID"] for key in ("a", "a", "b")
    )

    assert first == again == message_id("a", "orders@shop.example")
    assert first != other
    assert first.endswith("@shop.example>")


def test_text_alone_is_one_part() -> None:
    assert mail_of(replace(MESSAGE, html=""), SENDER).get_content_type() == "text/plain"


@pytest.mark.parametrize(
    "text",
    ["", "a@b", "a@b.example,c@d.example", "a@b.example\nBcc: c@d.example", "<a@b.example>", "a b@c.example"],
)
def test_what_is_one_address(text: str) -> None:
    assert is_address(text) is (text == "a@b")
