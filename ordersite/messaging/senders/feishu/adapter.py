"""Feishu's robot of a group, with a signed body.

Source: open.feishu.cn/document/client-docs/bot-v3/add-custom-bot: HMAC-SHA256 of nothing under the key
`timestamp\\nsecret`, timestamp in seconds and at most an hour old; 100 messages a minute and five a second; at most 20 KB.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any

from django.utils.translation import gettext_lazy as _

from ordersite.messaging.senders.robots import Robot
from ordersite.messaging.senders.types import ChannelKeys


class Feishu(Robot):
    """A robot in a group of Feishu."""

    name = "feishu"
    label = _("Feishu robot")
    most_a_second = 100 / 60
    most_bytes = 15000
    code_field, words_field = "code", "msg"
    codes = {
        "9499": "bad_content",
        "19001": "bad_keys",
        "19002": "bad_content",
        "19021": "bad_keys",
        "19022": "bad_keys",
        "19024": "bad_keys",
        "19036": "bad_content",
        "11232": "throttled",
        "11246": "bad_content",
    }

    def call_of(self, text: str, keys: ChannelKeys) -> tuple[str, dict[str, Any]]:
        """The robot's address, and a signed message of plain text; nobody is mentioned by it."""
        stamp = str(int(time.time()))
        return keys.secrets.get("url", ""), {
            "timestamp": stamp,
            "sign": sign(stamp, keys.secrets.get("secret", "")),
            "msg_type": "text",
            "content": {"text": text.replace("<at", "＜at")},
        }


def sign(stamp: str, secret: str) -> str:
    """The signature of a time stamp (seconds), in base64."""
    raw = hmac.new(f"{stamp}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return base64.b64encode(raw).decode()
