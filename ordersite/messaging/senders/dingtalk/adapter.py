"""DingTalk's robot of a group, with a signed address.

Source: open.dingtalk.com/document/robots/custom-robot-access and /customize-robot-security-settings: HMAC-SHA256 of
`timestamp\\nsecret` under the secret, timestamp in milliseconds and at most an hour old; 20 messages a minute, else nothing
for ten minutes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.utils.translation import gettext_lazy as _

from ordersite.messaging.senders.robots import Robot
from ordersite.messaging.senders.types import ChannelKeys


class Dingtalk(Robot):
    """A robot in a group of DingTalk."""

    name = "dingtalk"
    label = _("DingTalk robot")
    most_a_second = 20 / 60
    most_bytes = 18000
    pause = timedelta(minutes=10)
    codes = {
        "-1": "busy",
        # Keyword, signature or address: the message says which.
        "310000": "bad_keys",
        "300001": "bad_keys",
        "300005": "bad_keys",
        "400101": "bad_keys",
        "400102": "bad_keys",
        "400013": "bad_keys",
        "130101": "throttled",
        "410100": "throttled",
        "1111": "throttled",
        "40035": "bad_content",
        "400105": "bad_content",
        "400106": "bad_content",
        "430101": "bad_content",
        "430102": "bad_content",
        "430103": "bad_content",
        "430104": "bad_content",
    }

    def call_of(self, text: str, keys: ChannelKeys) -> tuple[str, dict[str, Any]]:
        """The signed address, and a message of plain text."""
        url, stamp = keys.secrets.get("url", ""), str(time.time_ns() // 1_000_000)
        query = urlencode({"timestamp": stamp, "sign": sign(stamp, keys.secrets.get("secret", ""))})
        joint = "&" if urlsplit(url).query else "?"
        return f"{url}{joint}{query}", {"msgtype": "text", "text": {"content": text}}


def sign(stamp: str, secret: str) -> str:
    """The signature of a time stamp (milliseconds), in base64; not yet encoded for an address."""
    raw = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(raw).decode()
