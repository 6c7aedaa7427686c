"""The robots of group chats against the sandbox: what they write, what their refusals mean, how long a text may be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ordersite.messaging.senders.robots import text_for
from ordersite.messaging.senders.tests.sender_cases import LINK, error_of, keys_at, message_for, send
from ordersite.messaging.senders.types import Action, OutgoingMessage, Sent
from sandbox.tests.running import Running

ROBOTS = ("dingtalk", "feishu", "wecom")


@pytest.mark.parametrize("channel", ROBOTS)
def test_message_is_written_into_the_group(box: Running, channel: str) -> None:
    assert send(keys_at(box, channel)) == Sent("")

    (got,) = box.inbox("group", channel)
    assert got["text"] == f"订单 A1 已收到\n您的订单A1已收到。\n{LINK}"


@pytest.mark.parametrize("channel", ROBOTS)
@pytest.mark.parametrize(
    ("fault", "code", "action"),
    [
        ("bad_signature", "bad_keys", Action.ALARM),
        ("throttled", "throttled", Action.RETRY),
        ("status_500", "unknown", Action.RETRY),
    ],
)
def test_refusals(box: Running, channel: str, fault: str, code: str, action: Action) -> None:
    box.control("faults", target=f"{channel}.send", fault=fault)

    error = error_of(keys_at(box, channel))

    assert (error.code, error.action) == (code, action)
    assert box.inbox() == []


@pytest.mark.parametrize("channel", ["dingtalk", "feishu"])
def test_wrong_secret(box: Running, channel: str) -> None:
    error = error_of(keys_at(box, channel, secret="another-secret"))

    assert (error.code, error.action) == ("bad_keys", Action.ALARM)
    assert "another-secret" not in error.words


@pytest.mark.parametrize(
    ("channel", "path"),
    [("dingtalk", "dingtalk/robot/send?access_token=x"), ("feishu", "feishu/open-apis/bot/v2/hook/x"),
     ("wecom", "wecom/cgi-bin/webhook/send?key=x")],
)  # fmt: skip
def test_wrong_address(box: Running, channel: str, path: str) -> None:
    assert error_of(keys_at(box, channel, url=f"{box.url}/{path}")).code == "bad_keys"


def test_twenty_a_minute(box: Running) -> None:
    keys = keys_at(box, "dingtalk")
    for _ in range(20):
        send(keys)

    error = error_of(keys)

    assert (error.code, error.pause) == ("throttled", timedelta(minutes=10))


def test_text_mentions_nobody(box: Running) -> None:
    keys = keys_at(box, "feishu")

    send(keys, message_for(keys, text='<at user_id="all"></at>'))

    assert "<at" not in box.inbox("group", "feishu")[0]["text"]


def test_long_text_keeps_its_link(box: Running) -> None:
    keys = keys_at(box, "wecom")

    send(keys, message_for(keys, text="长" * 2000))

    text = box.inbox("group", "wecom")[0]["text"]
    assert 2000 < len(text.encode()) <= 2048
    assert text.endswith(f"…\n{LINK}")


def test_text_without_the_rest() -> None:
    assert text_for(OutgoingMessage(key="k", text="a"), 10) == "a"
    assert text_for(OutgoingMessage(key="k", text=f"a {LINK}", link=LINK), 100) == f"a {LINK}"
    assert text_for(OutgoingMessage(key="k", subject="主题", text="a", link="l"), 100) == "主题\na\nl"
