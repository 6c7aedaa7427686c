"""Phone numbers as vendors of text messages want them."""

from __future__ import annotations

import re

from ordersite.messaging.senders.types import SendError

_MAINLAND = re.compile(r"(?:\+?86|0086)?(1[3-9][0-9]{9})", re.ASCII)
_ABROAD = re.compile(r"(?:\+|00)([1-9][0-9]{6,14})", re.ASCII)
_BETWEEN = re.compile(r"[\s().-]+")


def e164(phone: str) -> str:
    """The number in E.164, with its plus; eleven digits of the mainland get +86. Raises `SendError` bad_address."""
    digits = _BETWEEN.sub("", phone)
    mainland, abroad = _MAINLAND.fullmatch(digits), _ABROAD.fullmatch(digits)
    if mainland:
        return f"+86{mainland[1]}"
    if abroad is None or abroad[1].startswith("86"):
        raise SendError("bad_address", "not a mobile number")
    return f"+{abroad[1]}"
