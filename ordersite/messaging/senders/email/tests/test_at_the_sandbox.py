"""E-mail through the sandbox's mail server: what each of its replies means, and servers that may not be reached."""

from __future__ import annotations

import pytest
from django.utils.translation import override

from ordersite.lib.outgoing import mail as outgoing_mail
from ordersite.lib.tests.drip import dripping
from ordersite.messaging.senders.email.adapter import Email
from ordersite.messaging.senders.tests.sender_cases import MAILBOX, error_of, keys_at, message_for, send
from ordersite.messaging.senders.types import Action, InlineImage
from sandbox.tests.running import Running, free_port

CHANNEL = "email"


def test_mail_arrives(box: Running) -> None:
    keys = keys_at(box, CHANNEL)
    code = InlineImage(content_id="qr", content=b"\x89PNG")

    sent = send(keys, message_for(keys, html='<img src="cid:qr">', inline_images=(code,)))

    (got,) = box.inbox(MAILBOX)
    assert (got["vendor_id"], got["text"].strip()) == (sent.vendor_id, "您的订单A1已收到。")
    assert got["params"]["subject"] == "订单 A1 已收到"
    assert got["params"]["<qr>"] == "image/png"


@pytest.mark.parametrize(
    ("fault", "code", "action"),
    [
        ("bad_number", "bad_address", Action.GIVE_UP),
        ("refused", "bad_content", Action.GIVE_UP),
        ("throttled", "busy", Action.RETRY),
        ("limit", "busy", Action.RETRY),
    ],
)
def test_replies(box: Running, fault: str, code: str, action: Action) -> None:
    box.control("faults", target="smtp.send", fault=fault)

    error = error_of(keys_at(box, CHANNEL))

    assert (error.code, error.action) == (code, action)
    assert box.inbox() == []


def test_lost_answer_is_unknown(box: Running) -> None:
    box.control("faults", target="smtp.send", fault="timeout", value=0)

    error = error_of(keys_at(box, CHANNEL))

    assert (error.code, error.outcome_known) == ("unknown", False)
    assert len(box.inbox(MAILBOX)) == 1


def test_server_that_is_not_there(box: Running) -> None:
    keys = keys_at(box, CHANNEL, email_url=f"smtp://127.0.0.1:{free_port()}")

    error = error_of(keys)

    assert (error.code, error.outcome_known) == ("busy", True)


def test_server_that_drips_ends_in_time(box: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing_mail, "TOTAL_SECONDS", 0.3)
    with dripping(b"", b"2") as server:
        error = error_of(keys_at(box, CHANNEL, email_url=f"smtp://127.0.0.1:{server.port}"))

    assert error.code == "busy"


@pytest.mark.parametrize("address", ["smtps://10.0.0.5", "smtp+tls://169.254.169.254", "smtp://192.0.2.1"])
def test_server_that_may_not_be_reached(box: Running, address: str) -> None:
    error = error_of(keys_at(box, CHANNEL, email_url=address))

    assert (error.code, error.action) == ("bad_keys", Action.ALARM)


def test_recipient_that_is_no_address(box: Running) -> None:
    keys = keys_at(box, CHANNEL)

    assert error_of(keys, message_for(keys, recipient="a@b.example\nBcc: c@d.example")).code == "bad_address"


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("ftp://x", "email_url must be smtp://, smtp+tls:// or smtps:// with a host."),
        ("smtp://mail.example.com", "email_url: mail leaves this network with smtp+tls:// or smtps:// only."),
        ("smtps://10.0.0.5", "email_url: 10.0.0.5 lies in a network that outgoing calls may not reach."),
    ],
)
def test_problems_of_a_server(box: Running, address: str, problem: str) -> None:
    with override("en"):
        assert Email().check(keys_at(box, CHANNEL, email_url=address)) == [problem]


def test_keys_of_an_account(box: Running) -> None:
    with override("en"):
        assert Email().check(keys_at(box, CHANNEL, email_url="smtps://u:p%40@mail.example.com")) == []
        assert Email().check(keys_at(box, CHANNEL, **{"from": "nobody"})) == [
            "from must be an e-mail address, with a name or without."
        ]
