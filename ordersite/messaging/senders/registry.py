"""The senders by channel. A new channel is a folder beside this file and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError
from ordersite.messaging.senders.aliyun_sms.adapter import AliyunSms
from ordersite.messaging.senders.dingtalk.adapter import Dingtalk
from ordersite.messaging.senders.email.adapter import Email
from ordersite.messaging.senders.feishu.adapter import Feishu
from ordersite.messaging.senders.interface import Sender
from ordersite.messaging.senders.tencent_sms.adapter import TencentSms
from ordersite.messaging.senders.wechat_subscribe.adapter import WechatSubscribe
from ordersite.messaging.senders.wechat_template.adapter import WechatTemplate
from ordersite.messaging.senders.wecom.adapter import Wecom

_ALL: tuple[Sender, ...] = (
    WechatTemplate(),
    WechatSubscribe(),
    AliyunSms(),
    TencentSms(),
    Email(),
    Dingtalk(),
    Feishu(),
    Wecom(),
)
SENDERS: Mapping[str, Sender] = {sender.name: sender for sender in _ALL}


def get_sender(name: str) -> Sender:
    """The sender of this channel. Raises `DomainError` unknown_channel."""
    found = SENDERS.get(name)
    if found is None:
        raise DomainError("unknown_channel", _("There is no channel “%(name)s”."), name=name)
    return found


def channel_choices(*, for_staff: bool) -> list[tuple[str, str]]:
    """Names and labels of the channels to buyers, or to colleagues, for forms."""
    return [(name, str(sender.label)) for name, sender in SENDERS.items() if sender.is_for_staff is for_staff]
