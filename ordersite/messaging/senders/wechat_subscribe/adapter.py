"""WeChat's subscription messages of a service account: one message for each consent that a reader gave.

Source: developers.weixin.qq.com/doc/service/api/notify/notify/api_sendnewsubscribemsg.html. There is no key of a message:
one that may have been sent may be sent twice.
"""

from __future__ import annotations

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

_PATH = "/cgi-bin/message/subscribe/bizsend"


class WechatSubscribe(Sender):
    """Subscription messages to readers who agreed to one."""

    name = "wechat_subscribe"
    label = _("WeChat subscription message")
    config_keys = wechat.CONFIG_KEYS
    secret_keys = wechat.SECRET_KEYS
    address_kind = AddressKind.OPENID
    uses_templates = True
    needs_token = True
    takes_reports = True

    def check(self, keys: ChannelKeys) -> list[str]:
        """The problems of the account's keys that can be found without a call."""
        return wechat.problems_of(self, keys)

    def fetch_token(self, keys: ChannelKeys, gateway: Gateway) -> AccessToken:
        """Fetch the account's access token. Raises `SendError`."""
        return wechat.fetch_token(keys, gateway)

    def send(self, message: OutgoingMessage, keys: ChannelKeys, gateway: Gateway, token: str = "") -> Sent:
        """Send a message that opens `link`. Raises `SendError`: no_consent where the reader's consent is used up."""
        content = {
            "touser": message.recipient,
            "template_id": message.template_id,
            "page": message.link,
            "data": wechat.data_of(message.params),
        }
        return wechat.send(_PATH, content, keys, gateway, token=token)

    def read_reports(self, call: ReportCall, keys: ChannelKeys) -> tuple[tuple[Report, ...], ReportReply]:
        """Read the events of a push."""
        return read_events(call)
