"""WeChat's subscription messages against the sandbox: one message for a consent."""

from __future__ import annotations

from ordersite.lib.http import Gateway
from ordersite.messaging.senders.registry import get_sender
from ordersite.messaging.senders.tests.sender_cases import LINK, OPENID, error_of, keys_at, message_for, send
from ordersite.messaging.senders.types import Action, ChannelKeys
from sandbox.tests.running import Running

CHANNEL = "wechat_subscribe"


def token_at(keys: ChannelKeys) -> str:
    return get_sender(CHANNEL).fetch_token(keys, Gateway()).value


def test_one_message_for_a_consent(box: Running) -> None:
    keys = keys_at(box, CHANNEL)
    token = token_at(keys)
    box.control("consent", openid=OPENID, template=message_for(keys).template_id)

    sent = send(keys, token=token)
    error = error_of(keys, message_for(keys, "m-2"), token=token)

    (got,) = box.inbox(OPENID)
    assert (got["vendor_id"], got["link"]) == (sent.vendor_id, LINK)
    assert (error.code, error.action) == ("no_consent", Action.GIVE_UP)


def test_lost_answer_has_used_the_consent(box: Running) -> None:
    keys = keys_at(box, CHANNEL)
    token = token_at(keys)
    box.control("consent", openid=OPENID, template=message_for(keys).template_id)
    box.control("faults", target="wechat_subscribe.send", fault="timeout", value=1)

    assert error_of(keys, token=token).outcome_known is False
    assert error_of(keys, token=token).code == "no_consent"
    assert len(box.inbox(OPENID)) == 1
    assert get_sender(CHANNEL).has_message_key is False


def test_token_that_has_ended(box: Running) -> None:
    keys = keys_at(box, CHANNEL)

    assert error_of(keys, token="90_none").code == "token_expired"
