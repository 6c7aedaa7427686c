"""WeCom's robot: its address is its only secret."""

from __future__ import annotations

from ordersite.messaging.senders.types import ChannelKeys
from ordersite.messaging.senders.wecom.adapter import Wecom

URL = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k"


def test_address_is_called_as_it_is() -> None:
    keys = ChannelKeys("wecom", "s", {}, {"url": URL})

    assert Wecom().check(keys) == []
    assert Wecom().call_of("你好", keys) == (URL, {"msgtype": "text", "text": {"content": "你好"}})
