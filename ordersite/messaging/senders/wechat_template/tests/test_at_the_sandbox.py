"""WeChat's template messages against the sandbox: tokens, one message for a key, readers who left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ordersite.lib.http import Gateway
from ordersite.messaging.senders.registry import get_sender
from ordersite.messaging.senders.tests.sender_cases import (
    LINK,
    OPENID,
    WECHAT_PARAMS,
    error_of,
    keys_at,
    message_for,
    send,
)
from ordersite.messaging.senders.types import Action, ChannelKeys, SendError
from ordersite.messaging.senders.wechat_template.adapter import client_id
from sandbox.tests.running import Running

CHANNEL = "wechat_template"


def token_at(keys: ChannelKeys) -> str:
    return get_sender(CHANNEL).fetch_token(keys, Gateway()).value


def test_message_arrives(box: Running) -> None:
    keys = keys_at(box, CHANNEL)

    sent = send(keys, token=token_at(keys))

    (got,) = box.inbox(OPENID)
    assert got["vendor_id"] == sent.vendor_id
    assert (got["params"], got["link"]) == (WECHAT_PARAMS, LINK)


def test_same_key_is_one_message(box: Running) -> None:
    keys = keys_at(box, CHANNEL)
    token = token_at(keys)
    box.control("faults", target="wechat_template.send", fault="timeout", value=1)

    lost = error_of(keys, token=token)
    again = send(keys, token=token)
    other = send(keys, message_for(keys, "m-2"), token=token)

    assert lost.code == "unknown"
    assert [(one["vendor_id"], one["copies"]) for one in box.inbox(OPENID)] == [
        (other.vendor_id, 1), (again.vendor_id, 2),
    ]  # fmt: skip


def test_key_fits_into_what_wechat_takes() -> None:
    assert client_id("a") != client_id("b")
    assert client_id("x" * 500).isalnum()
    assert len(client_id("x" * 500)) == 32


def test_token_is_the_same_until_it_ends(box: Running) -> None:
    keys = keys_at(box, CHANNEL)
    first = get_sender(CHANNEL).fetch_token(keys, Gateway())

    assert token_at(keys) == first.value
    assert timedelta(hours=1) < first.expires_at - datetime.now(UTC) < timedelta(hours=2)


def test_token_that_a_newer_one_ended(box: Running) -> None:
    keys = keys_at(box, CHANNEL)
    old = token_at(keys)
    box.control("wechat_token")

    error = error_of(keys, token=old)

    assert (error.code, error.action, error.pause) == ("token_expired", Action.RETRY, timedelta(0))
    assert old not in error.words
    assert send(keys, token=token_at(keys)).vendor_id


def test_wrong_keys(box: Running) -> None:
    keys = keys_at(box, CHANNEL, app_secret="another-secret")

    with pytest.raises(SendError) as caught:
        token_at(keys)

    assert (caught.value.code, caught.value.action) == ("bad_keys", Action.ALARM)
    assert "another-secret" not in caught.value.words


@pytest.mark.parametrize(
    ("fault", "code", "action"),
    [
        ("wrong_token", "token_expired", Action.RETRY),
        ("system_busy", "busy", Action.RETRY),
        ("too_often", "limit_reached", Action.RETRY),
        ("limit", "day_limit_reached", Action.RETRY),
        ("throttled", "throttled", Action.RETRY),
        ("bad_number", "bad_address", Action.GIVE_UP),
        ("not_follower", "no_consent", Action.GIVE_UP),
    ],
)
def test_refusals(box: Running, fault: str, code: str, action: Action) -> None:
    keys = keys_at(box, CHANNEL)
    token = token_at(keys)
    box.control("faults", target="wechat_template.send", fault=fault)

    error = error_of(keys, token=token)

    assert (error.code, error.action) == (code, action)
    assert box.inbox() == []


def test_reader_who_left(box: Running) -> None:
    keys = keys_at(box, CHANNEL)
    box.control("follower", openid=OPENID, is_following=False)

    error = error_of(keys, token=token_at(keys))

    box.control("follower", openid=OPENID)
    assert error.code == "no_consent"


def test_what_wechat_does_not_take(box: Running) -> None:
    keys = keys_at(box, CHANNEL)
    token = token_at(keys)

    unknown = error_of(keys, message_for(keys, template_id="TPL-none"), token=token)
    long = error_of(keys, message_for(keys, params={**WECHAT_PARAMS, "thing3": "杯" * 21}), token=token)

    assert (unknown.code, long.code) == ("bad_template", "bad_content")


def test_values_are_sent_on_one_line(box: Running) -> None:
    keys = keys_at(box, CHANNEL)

    send(keys, message_for(keys, params={**WECHAT_PARAMS, "thing3": "陶瓷杯\n杯盖"}), token=token_at(keys))

    assert box.inbox(OPENID)[0]["params"]["thing3"] == "陶瓷杯 杯盖"
