"""WeChat's template messages of a service account.

Source: developers.weixin.qq.com/doc/service/api/notify/template/api_sendtemplatemessage.html. `first` and `remark` are
gone; at most 25 templates; 100,000 messages a day and account. `client_msg_id`: one message for each openid and id, within
ten minutes; later it is not promised.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from ordersite.lib.http import Gateway
from ordersite.messaging.senders import wechat
from ordersite.messaging.senders.interface import AddressKind, Sender
from ordersite.messaging.senders.types import (
    AccessToken,
    ChannelKeys,
    OutgoingMessage,
    Report,
    ReportCall,
    ReportReply,
    Sent,
)
from ordersite.messaging.senders.wechat_events import read_events

_PATH = "/cgi-bin/message/template/send"


class WechatTemplate(Sender):
    """Template messages to followers of a service account."""

    name = "wechat_template"
    label = _("WeChat template message")
    config_keys = wechat.CONFIG_KEYS
    secret_keys = wechat.SECRET_KEYS
    address_kind = AddressKind.OPENID
    uses_templates = True
    has_message_key = True
    message_key_lasts = timedelta(minutes=10)
    needs_token = True
    takes_reports = True

    def check(self, keys: ChannelKeys) -> list[str]:
        """The problems of the account's keys that can be found without a call."""
        return wechat.problems_of(self, keys)

    def fetch_token(self, keys: ChannelKeys, gateway: Gateway) -> AccessToken:
        """Fetch the account's access token. Raises `SendError`."""
        return wechat.fetch_token(keys, gateway)

    def send(self, message: OutgoingMessage, keys: ChannelKeys, gateway: Gateway, token: str = "") -> Sent:
        """Send a message that opens `link`. Raises `SendError`."""
        content = {
            "touser": message.recipient,
            "template_id": message.template_id,
            "url": message.link,
            "client_msg_id": client_id(message.key),
            "data": wechat.data_of(message.params),
        }
        return wechat.send(_PATH, content, keys, gateway, token=token)

    def read_reports(self, call: ReportCall, keys: ChannelKeys) -> tuple[tuple[Report, ...], ReportReply]:
        """Read the events of a push."""
        return read_events(call)


def client_id(key: str) -> str:
    """The message's key as WeChat takes it: 32 letters and digits, the same for the same key."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]
