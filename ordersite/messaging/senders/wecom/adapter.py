"""WeCom's robot of a group; its address is its only secret.

Source: developer.work.weixin.qq.com/document/path/99110: a text has at most 2,048 bytes; 20 messages a minute.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from ordersite.messaging.senders.robots import Robot
from ordersite.messaging.senders.types import ChannelKeys


class Wecom(Robot):
    """A robot in a group of WeCom."""

    name = "wecom"
    label = _("WeCom robot")
    secret_keys = ("url",)
    most_a_second = 20 / 60
    most_bytes = 2048
    codes = {
        "-1": "busy",
        "93000": "bad_keys",
        "93004": "bad_keys",
        "93008": "bad_keys",
        "40001": "bad_keys",
        "45009": "throttled",
        "45033": "throttled",
        "40008": "bad_content",
        "40058": "bad_content",
        "44004": "bad_content",
        "45002": "bad_content",
    }

    def call_of(self, text: str, keys: ChannelKeys) -> tuple[str, dict[str, Any]]:
        """The robot's address, and a message of plain text."""
        return keys.secrets.get("url", ""), {"msgtype": "text", "text": {"content": text}}
